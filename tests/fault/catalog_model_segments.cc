// The model's commits of segment objects.
#include "catalog/memory_catalog.h"
#include "catalog_model.h"

#include <algorithm>
#include <utility>

namespace millrace::catalog {
namespace {

using Ranges = std::map<TopicPartition, std::pair<Offset, Offset>>;

/// Of each partition, what its parts in `objects` cover.
Ranges covered(const std::vector<SegmentRow>& objects) {
  Ranges ranges;
  for (const SegmentRow& object : objects) {
    for (const SegmentPartRow& part : object.parts) {
      const auto [at, is_first] = ranges.try_emplace(part.partition, part.first, part.next);
      if (!is_first) {
        at->second = {std::min(at->second.first, part.first),
                      std::max(at->second.second, part.next)};
      }
    }
  }
  return ranges;
}

bool is_at_the_front(const SegmentRow& object, const Ranges& ranges) {
  return std::all_of(object.parts.begin(), object.parts.end(), [&](const SegmentPartRow& part) {
    return part.first == ranges.at(part.partition).first;
  });
}

}  // namespace

SegmentRow CatalogModel::make_object(const Ranges& ranges) {
  SegmentRow object;
  const uint64_t id = next_id_++;
  for (size_t i = 0; i < 8; ++i) {
    object.object.bytes[i] = static_cast<uint8_t>(random_() >> 56);
    object.object.bytes[8 + i] = static_cast<uint8_t>(id >> (8 * i));
  }
  object.name = fmt::format("segments/mixed/{}.seg", object.object.to_string());
  object.created_ms = static_cast<int64_t>(id);
  object.bytes = 128;
  for (const auto& [partition, range] : ranges) {
    const uint64_t bytes = 1 + below(1000);
    const auto timestamp = static_cast<int64_t>(below(1000)) - 1;
    object.parts.push_back({partition, range.first, range.second, timestamp, bytes});
    object.bytes += bytes;
  }
  return object;
}

SegmentsCommit CatalogModel::add_segments() {
  SegmentsCommit commit;
  const Ranges there = covered(state_.segments);
  std::map<TopicPartition, Offset> ends;
  for (uint64_t n = 1 + below(3); n > 0; --n) {
    Ranges ranges;
    for (uint64_t parts = 1 + below(3); parts > 0; --parts) {
      const TopicPartition partition{topic_id(below(kTopics)),
                                     PartitionId{static_cast<int32_t>(below(kPartitions))}};
      const auto known = there.find(partition);
      const auto start = static_cast<int64_t>(below(100));
      const auto end =
          ends.try_emplace(partition, known == there.end() ? Offset{start} : known->second.second)
              .first;
      const Offset next = end->second + static_cast<int64_t>(1 + below(50));
      if (ranges.try_emplace(partition, end->second, next).second) {
        end->second = next;
      }
    }
    commit.added.push_back(make_object(ranges));
  }
  commit.place = next_place();
  return commit;
}

SegmentsCommit CatalogModel::retain_segments() {
  SegmentsCommit commit;
  std::vector<SegmentRow> left = state_.segments;
  for (uint64_t n = 1 + below(3); n > 0; --n) {
    const Ranges ranges = covered(left);
    const auto found = std::find_if(left.begin(), left.end(), [&](const SegmentRow& object) {
      return is_at_the_front(object, ranges);
    });
    if (found == left.end()) {
      break;
    }
    commit.removed.push_back(found->object);
    left.erase(found);
  }
  commit.place = next_place();
  return commit;
}

/// Parts at the front of mixed objects, some of each.
SegmentsCommit CatalogModel::trim_segments() {
  SegmentsCommit commit;
  const Ranges ranges = covered(state_.segments);
  for (const SegmentRow& object : state_.segments) {
    size_t left = object.parts.size();
    for (const SegmentPartRow& part : object.parts) {
      if (left > 1 && part.first == ranges.at(part.partition).first && below(2) == 0) {
        commit.trimmed.push_back({object.object, part.partition});
        --left;
      }
    }
  }
  commit.place = next_place();
  return commit;
}

/// Some objects by others of one partition each, of the same offsets.
SegmentsCommit CatalogModel::merge_segments() {
  SegmentsCommit commit;
  std::map<TopicPartition, std::map<Offset, Offset>> parts;
  for (const SegmentRow& object : state_.segments) {
    if (below(3) != 0) {
      continue;
    }
    commit.removed.push_back(object.object);
    for (const SegmentPartRow& part : object.parts) {
      parts[part.partition][part.first] = part.next;
    }
  }
  for (const auto& [partition, ranges] : parts) {
    for (auto at = ranges.begin(); at != ranges.end();) {
      std::pair<Offset, Offset> range = *at;
      for (++at; at != ranges.end() && at->first == range.second; ++at) {
        range.second = at->second;
      }
      commit.added.push_back(make_object({{partition, range}}));
    }
  }
  commit.place = next_place();
  return commit;
}

/// Of those that are leaving, some.
SegmentsCommit CatalogModel::forget_segments() {
  SegmentsCommit commit;
  for (const LeavingObject& object : state_.leaving) {
    if (below(2) == 0) {
      commit.gone.push_back(object.object);
    }
  }
  commit.place = next_place();
  return commit;
}

void CatalogModel::commit_segments() {
  const uint64_t choice = state_.segments.empty() ? 0 : below(6);
  const SegmentsCommit commit = choice < 2    ? add_segments()
                                : choice == 2 ? retain_segments()
                                : choice == 3 ? merge_segments()
                                : choice == 4 ? forget_segments()
                                              : trim_segments();
  Contents after = state_;
  const Status expected = apply(after, commit);
  if (!expected.ok()) {
    return violation("the model made a wrong commit: " + expected.error().message);
  }
  const Status status = catalog_->commit_segments(commit);
  if (status.ok() && choice < 2) {
    ++counters_.segments_added;
  } else if (status.ok() && choice == 4) {
    counters_.segments_gone += commit.gone.size();
  } else if (status.ok() && choice == 5) {
    counters_.segments_trimmed += commit.trimmed.size();
  } else if (status.ok()) {
    ++(commit.added.empty() ? counters_.segments_retained : counters_.segments_merged);
  } else if (status.error().code == Code::kIo) {
    ++counters_.segments_unknown;
  }
  settle(status, std::move(after));
}

/// Added objects that leave a gap or overlap, removed ones that are not at the front, an object
/// that is there or is not.
void CatalogModel::commit_wrong_segments() {
  if (state_.segments.empty()) {
    return commit_segments();
  }
  SegmentsCommit commit = add_segments();
  const SegmentRow& there = state_.segments[below(state_.segments.size())];
  const SegmentPartRow& part = there.parts[below(there.parts.size())];
  const Offset end = covered(state_.segments).at(part.partition).second;
  switch (below(4)) {
    case 0:
      commit.added = {make_object({{part.partition, {end + 1, end + 2}}})};
      break;
    case 1:
      commit.added = {make_object({{part.partition, {part.first, part.first + 1}}})};
      break;
    case 2:
      commit.added.push_back(there);
      break;
    default:
      commit.removed = {there.object};
      if (end == part.next) {
        commit.added.clear();
      }
  }
  Contents after = state_;
  const Status expected = apply(after, commit);
  if (expected.ok()) {  // it was at the front: a right one
    return settle(catalog_->commit_segments(commit), std::move(after));
  }
  const Status status = catalog_->commit_segments(commit);
  if (status.ok()) {
    violation("segments were taken: " + expected.error().message);
  } else if (status.error().code == expected.error().code) {
    ++counters_.segments_refused;
  } else {
    settle(status, state_);  // the disk was in its way: it can leave nothing but what was there
  }
}

}  // namespace millrace::catalog
