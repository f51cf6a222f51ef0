#include "broker/merge_plan.h"

#include <algorithm>
#include <functional>
#include <iterator>
#include <queue>
#include <span>
#include <tuple>
#include <unordered_map>

namespace millrace::broker {
namespace {

using SegmentPtr = History::SegmentPtr;

constexpr uint64_t kFactorOfOld = 2;
constexpr size_t kLookedAt = 4096;  // objects that are put in order at once: the cost of a plan

uint64_t bytes_of(const catalog::SegmentRow& object) {
  uint64_t bytes = 0;
  for (const catalog::SegmentPartRow& part : object.parts) {
    bytes += part.bytes;
  }
  return bytes;
}

/// So that each partition's older parts come first, else in the order given.
std::vector<SegmentPtr> in_order(std::span<const SegmentPtr> objects) {
  struct Place {
    TopicPartition partition;
    Offset first;
    size_t object;
  };

  std::vector<Place> places;
  for (size_t i = 0; i < objects.size(); ++i) {
    for (const catalog::SegmentPartRow& part : objects[i]->parts) {
      places.push_back({part.partition, part.first, i});
    }
  }
  std::ranges::sort(places, {},
                    [](const Place& place) { return std::tuple(place.partition, place.first); });
  std::vector<std::vector<size_t>> behind(objects.size());
  std::vector<size_t> waits_for(objects.size());
  for (size_t i = 1; i < places.size(); ++i) {
    if (places[i - 1].partition == places[i].partition) {
      behind[places[i - 1].object].push_back(places[i].object);
      ++waits_for[places[i].object];
    }
  }
  std::priority_queue<size_t, std::vector<size_t>, std::greater<>> ready;
  for (size_t i = 0; i < objects.size(); ++i) {
    if (waits_for[i] == 0) {
      ready.push(i);
    }
  }
  std::vector<SegmentPtr> ordered;
  ordered.reserve(objects.size());
  while (!ready.empty()) {
    const size_t at = ready.top();
    ready.pop();
    ordered.push_back(objects[at]);
    for (const size_t next : behind[at]) {
      if (--waits_for[next] == 0) {
        ready.push(next);
      }
    }
  }
  return ordered;
}

/// How many of them, from the first on, have contiguous parts of each partition: another object,
/// which is left alone, may hold what is between two.
size_t contiguous(std::span<const SegmentPtr> ordered) {
  std::unordered_map<TopicPartition, Offset> ends;
  for (size_t i = 0; i < ordered.size(); ++i) {
    for (const catalog::SegmentPartRow& part : ordered[i]->parts) {
      const auto [end, is_new] = ends.try_emplace(part.partition, part.next);
      if (!is_new && end->second != part.first) {
        return i;
      }
      end->second = part.next;
    }
  }
  return ordered.size();
}

/// The oldest that may be merged, and as many with them as may.
std::span<const SegmentPtr> find_group(std::span<const SegmentPtr> run, int64_t now_ms,
                                       const MergeRules& rules) {
  for (size_t from = 0; from < run.size(); ++from) {
    uint64_t bytes = 0;
    uint64_t largest = 0;
    bool is_old = true;
    size_t end = 0;
    for (size_t i = from; i < run.size() && i - from < rules.most_objects; ++i) {
      const uint64_t one = bytes_of(*run[i]);
      bytes += one;
      if (bytes > 2 * rules.bytes) {
        break;
      }
      largest = std::max(largest, one);
      is_old = is_old && now_ms - run[i]->created_ms >= rules.age.count();
      if (i > from && largest * (is_old ? kFactorOfOld : rules.factor) <= bytes) {
        end = i + 1;
      }
    }
    if (end > 0) {
      return run.subspan(from, end - from);
    }
  }
  return {};
}

uint64_t bytes_of(const MergedPart& parts) {
  uint64_t bytes = 0;
  for (const MergePart& part : parts) {
    bytes += part.bytes;
  }
  return bytes;
}

/// Full segments, and what is left.
void add_segments(std::span<const MergePart> run, const MergeRules& rules,
                  std::vector<std::vector<MergedPart>>& objects) {
  MergedPart parts;
  uint64_t bytes = 0;
  size_t batches = 0;
  for (const MergePart& part : run) {
    if (!parts.empty() &&
        (bytes + part.bytes > rules.bytes || batches + part.batches > rules.batches)) {
      objects.push_back({std::move(parts)});
      parts.clear();
      bytes = batches = 0;
    }
    parts.push_back(part);
    bytes += part.bytes;
    batches += part.batches;
  }
  objects.push_back({std::move(parts)});
}

}  // namespace

bool is_mergeable(const catalog::SegmentRow& object, const MergeRules& rules) {
  return bytes_of(object) < (object.parts.size() == 1 ? rules.least_segment : rules.bytes / 2);
}

std::vector<SegmentPtr> plan_merge(std::vector<SegmentPtr> objects, int64_t now_ms,
                                   const MergeRules& rules) {
  std::ranges::sort(objects, {},
                    [](const SegmentPtr& one) { return std::tie(one->created_ms, one->object); });
  for (size_t at = 0; at < objects.size(); at += kLookedAt) {
    const std::span<const SegmentPtr> all(objects);
    const auto ordered = in_order(all.subspan(at, std::min(kLookedAt, all.size() - at)));
    for (std::span<const SegmentPtr> left(ordered); !left.empty();) {
      const size_t count = contiguous(left);
      if (const auto group = find_group(left.first(count), now_ms, rules); !group.empty()) {
        return {group.begin(), group.end()};
      }
      left = left.subspan(count);
    }
  }
  return {};
}

std::vector<std::vector<MergedPart>> plan_merged(std::vector<MergePart> parts,
                                                 const MergeRules& rules) {
  std::ranges::sort(parts, {},
                    [](const MergePart& part) { return std::tuple(part.partition, part.first); });
  std::vector<std::vector<MergedPart>> objects;
  std::vector<std::vector<MergedPart>> mixed;
  uint64_t mixed_bytes = rules.bytes;  // begin with a new one
  for (auto at = parts.begin(); at != parts.end();) {
    const auto end = std::find_if(
        at, parts.end(), [&](const MergePart& part) { return part.partition != at->partition; });
    MergedPart run(at, end);
    size_t batches = 0;
    for (const MergePart& part : run) {
      batches += part.batches;
    }
    if (const uint64_t bytes = bytes_of(run);
        bytes >= rules.least_segment || batches > rules.batches) {
      add_segments(run, rules, objects);
    } else {
      if (mixed_bytes >= rules.bytes) {
        mixed.emplace_back();
        mixed_bytes = 0;
      }
      mixed.back().push_back(std::move(run));
      mixed_bytes += bytes;
    }
    at = end;
  }
  std::ranges::move(mixed, std::back_inserter(objects));
  return objects;
}

}  // namespace millrace::broker
