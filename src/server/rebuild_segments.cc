#include "server/rebuild_segments.h"

#include "broker/segment_chain.h"
#include "broker/segment_retention.h"

#include <algorithm>
#include <set>
#include <utility>

namespace millrace::server {
namespace {

using broker::FoundObject;
using segment::PartitionRow;

/// A row of an object: indexes.
using Place = std::pair<size_t, size_t>;

/// Of one partition.
struct Line {
  std::vector<broker::ChainPart> parts;
  std::vector<Place> places;                   // beside them
  std::optional<record::PartitionRange> kept;  // by the journal
  std::vector<size_t> chain;
};

using Lines = std::map<TopicPartition, Line>;

bool is_known(const Topics& topics, TopicPartition partition) {
  const auto topic = topics.find(partition.topic);
  return topic != topics.end() && partition.partition.value < topic->second.partitions;
}

Lines lines_of(const broker::FoundObjects& found, const Topics& topics) {
  Lines lines;
  for (size_t i = 0; i < found.objects.size(); ++i) {
    const auto& rows = found.objects[i].tail.partitions;
    for (size_t row = 0; row < rows.size(); ++row) {
      if (is_known(topics, rows[row].partition)) {
        Line& line = lines[rows[row].partition];
        line.parts.push_back(
            {rows[row].first, rows[row].next, rows[row].batches, rows[row].data_bytes});
        line.places.emplace_back(i, row);
      }
    }
  }
  return lines;
}

/// The chain that meets the journal; in front of it what there is. Only there offsets may be
/// missing: behind, the journal has them.
std::vector<size_t> choose(const Line& line) {
  if (!line.kept) {
    return broker::choose_parts(line.parts);
  }
  std::vector<size_t> chain = broker::choose_chain(line.parts, line.kept);
  const Offset start = chain.empty() ? line.kept->start : line.parts[chain.front()].first;
  std::vector<size_t> parts = broker::choose_parts(line.parts, start);
  parts.insert(parts.end(), chain.begin(), chain.end());
  return parts;
}

std::string why_unused(const PartitionRow& row, const Lines& lines,
                       const std::map<TopicId, std::string>& left) {
  const std::string partition = fmt::format("partition {} of topic {}", row.partition.partition,
                                            row.partition.topic.to_string());
  const auto found = lines.find(row.partition);
  if (found == lines.end()) {
    const auto why = left.find(row.partition.topic);
    return fmt::format("{} is not known{}", partition, why == left.end() ? "" : ": " + why->second);
  }
  const Line& line = found->second;
  const std::string offsets =
      fmt::format("offsets {} to {} of {}", row.first, row.next.value - 1, partition);
  if (line.kept && row.next > line.kept->end) {
    return fmt::format("{}: the journal ends at {}", offsets, line.kept->end);
  }
  const auto shares = [&](size_t i) {
    return line.parts[i].first < row.next && row.first < line.parts[i].next;
  };
  const Offset start = line.chain.empty() ? Offset{} : line.parts[line.chain.front()].first;
  const Offset end = line.chain.empty() ? Offset{} : line.parts[line.chain.back()].next;
  if (start <= row.first && row.next <= end) {
    return fmt::format("{} are in other objects too, or fillers stand there for them", offsets);
  }
  if (std::ranges::any_of(line.chain, shares)) {
    return fmt::format("{} are in other objects too, some of them", offsets);
  }
  return line.kept && line.kept->start <= row.first
             ? fmt::format("{} are in the journal too", offsets)
             : fmt::format("{} are in other objects or the journal too, some of them", offsets);
}

/// Whether named objects have something at all of its offsets.
bool is_covered(const FoundObject& object, const Lines& lines) {
  return std::ranges::all_of(object.tail.partitions, [&](const PartitionRow& row) {
    const auto line = lines.find(row.partition);
    Offset covered = row.first;
    if (line != lines.end()) {
      for (const size_t i : line->second.chain) {
        const broker::ChainPart& part = line->second.parts[i];
        covered = part.first <= covered ? std::max(covered, part.next) : covered;
      }
    }
    return covered >= row.next;
  });
}

/// By the tombstones of the journal.
bool is_deleted(const FoundObject& object, const Topics& topics) {
  const auto is_of_deleted = [&](const PartitionRow& row) {
    const auto topic = topics.find(row.partition.topic);
    return topic != topics.end() && topic->second.is_deleted;
  };
  return !object.tail.partitions.empty() &&
         std::ranges::all_of(object.tail.partitions, is_of_deleted);
}

catalog::SegmentRow row_of(const FoundObject& object, const std::set<size_t>& used) {
  catalog::SegmentRow row{.object = object.header.object,
                          .name = object.name,
                          .bytes = object.bytes,
                          .created_ms = object.header.created_ms,
                          .parts = {}};
  for (const size_t i : used) {
    const PartitionRow& part = object.tail.partitions[i];
    row.parts.push_back(
        {part.partition, part.first, part.next, part.max_timestamp_ms, part.data_bytes});
  }
  return row;
}

const PartitionRow& row_at(const broker::FoundObjects& found, const Place& place) {
  return found.objects[place.first].tail.partitions[place.second];
}

/// How far the partition came, as any object says.
void add_reach(const broker::FoundObjects& found, TopicPartition partition, const Line& line,
               SegmentPlan& plan) {
  int64_t& newest_ms = plan.newest_ms.emplace(partition, -1).first->second;
  Offset& end = plan.ends[partition];
  for (const Place& place : line.places) {
    const PartitionRow& part = row_at(found, place);
    end = std::max(end, part.next);
    newest_ms = std::max(newest_ms, part.max_timestamp_ms);
  }
}

/// What no object has, behind parts that are named.
void add_holes(const broker::FoundObjects& found, const Line& line, SegmentPlan& plan) {
  for (size_t i = 0; i < line.chain.size(); ++i) {
    const PartitionRow& part = row_at(found, line.places[line.chain[i]]);
    const Offset next = i + 1 < line.chain.size() ? line.parts[line.chain[i + 1]].first
                        : line.kept               ? line.kept->start
                                                  : part.next;
    if (part.next < next) {
      plan.holes.push_back({part.partition, part.next, next, part.max_timestamp_ms});
    }
  }
}

/// What a server would take out first of all.
void expire(const KnownJournal& journal, int64_t now_ms, SegmentPlan& plan) {
  const auto settings = [&](const TopicId& id) {
    const broker::TopicRecord& topic = journal.topics.at(id);
    return topic.is_deleted ? std::nullopt : std::optional(topic.settings);
  };
  const auto bytes_behind =
      [&, bytes = broker::bytes_not_cut(journal.files, plan.rows)](TopicPartition partition) {
        const auto found = bytes.find(partition);
        const bool is_acknowledged =
            journal.topics.at(partition.topic).settings.durability != broker::Durability::kObject;
        return found == bytes.end() || !is_acknowledged ? uint64_t{0} : found->second;
      };
  const auto deleted_below = [&](TopicPartition partition) {
    const auto found = journal.starts.find(partition);
    return found == journal.starts.end() ? Offset{0} : found->second;
  };
  const auto parts =
      broker::expired_parts(plan.rows, {settings, bytes_behind, deleted_below}, now_ms);
  const std::set<catalog::TrimmedPart> expired(parts.begin(), parts.end());
  std::erase_if(plan.rows, [&](catalog::SegmentRow& row) {
    std::erase_if(row.parts, [&](const catalog::SegmentPartRow& part) {
      return expired.contains({row.object, part.partition});
    });
    if (row.parts.empty()) {
      plan.unused.push_back({row.name, "it is expired, or its records were deleted"});
    }
    return row.parts.empty();
  });
}

void add_histories(SegmentPlan& plan) {
  for (const catalog::SegmentRow& row : plan.rows) {
    for (const catalog::SegmentPartRow& part : row.parts) {
      const auto [at, is_new] = plan.histories.try_emplace(part.partition, part.first, part.next);
      at->second.start = std::min(at->second.start, part.first);
      at->second.end = std::max(at->second.end, part.next);
      ++at->second.objects;
    }
  }
}

/// Of the holes those that are left stand behind something that is. What records were deleted from
/// a hole is not lost.
void name_holes(const Topics& topics, const Starts& starts, SegmentPlan& plan) {
  std::erase_if(plan.holes, [&](const Gap& hole) {
    const auto history = plan.histories.find(hole.partition);
    const bool is_filled = history != plan.histories.end() && history->second.start < hole.first;
    const auto start = starts.find(hole.partition);
    const Offset deleted_below = start == starts.end() ? Offset{0} : start->second;
    const Offset first = std::max(hole.first, deleted_below);
    if (first < hole.next && (is_filled || hole.first <= deleted_below)) {
      plan.lost.push_back(
          fmt::format("records of topic {} partition {} with offsets {} to {}, unless they were "
                      "expired: no object has them",
                      topics.at(hole.partition.topic).name, hole.partition.partition, first,
                      hole.next.value - 1));
    }
    if (is_filled) {
      history->second.end = std::max(history->second.end, hole.next);
    }
    return !is_filled;
  });
}

/// By the chains that were chosen.
SegmentPlan plan_lines(const broker::FoundObjects& found, const Topics& topics, const Lines& lines,
                       const std::map<TopicId, std::string>& left) {
  SegmentPlan plan;
  plan.unused = found.unused;
  std::vector<std::set<size_t>> used(found.objects.size());
  for (const auto& [partition, line] : lines) {
    for (const size_t i : line.chain) {
      used[line.places[i].first].insert(line.places[i].second);
    }
    add_reach(found, partition, line, plan);
    add_holes(found, line, plan);
  }
  for (size_t i = 0; i < found.objects.size(); ++i) {
    const FoundObject& object = found.objects[i];
    if (is_deleted(object, topics)) {
      plan.deleted.push_back({object.header.object, object.name});
      continue;
    }
    for (size_t row = 0; row < object.tail.partitions.size(); ++row) {
      if (!used[i].contains(row)) {
        plan.unused.push_back({object.name, why_unused(object.tail.partitions[row], lines, left)});
      }
    }
    if (used[i].empty() && is_covered(object, lines)) {
      plan.covered.push_back({object.header.object, object.name});
    }
    if (!used[i].empty()) {
      plan.rows.push_back(row_of(object, used[i]));
    }
  }
  return plan;
}

std::string why_missing(const broker::FoundObjects& found, const std::string& name) {
  const auto unused = std::ranges::find(found.unused, name, &broker::UnusedObject::name);
  return unused == found.unused.end() ? "which is not there"
                                      : "which cannot be used: " + unused->why;
}

}  // namespace

SegmentPlan plan_segments(const broker::FoundObjects& found, const KnownJournal& journal,
                          int64_t now_ms) {
  Lines lines = lines_of(found, journal.topics);
  for (auto& [partition, line] : lines) {
    if (!journal.topics.at(partition.topic).is_deleted) {
      line.kept = journal.kept.at(partition);
    }
    line.chain = choose(line);
  }
  SegmentPlan plan = plan_lines(found, journal.topics, lines, {});
  expire(journal, now_ms, plan);
  add_histories(plan);
  name_holes(journal.topics, journal.starts, plan);
  return plan;
}

SegmentPlan plan_segments(const broker::FoundObjects& found, const Topics& topics,
                          const std::map<TopicId, std::string>& left) {
  Lines lines = lines_of(found, topics);
  for (auto& [partition, line] : lines) {
    line.chain = choose(line);
  }
  SegmentPlan plan = plan_lines(found, topics, lines, left);
  add_histories(plan);
  name_holes(topics, {}, plan);
  return plan;
}

void add_missing(const catalog::Contents& old, const broker::FoundObjects& found,
                 const KnownJournal& journal, SegmentPlan& plan) {
  std::set<Uuid> there;
  for (const FoundObject& object : found.objects) {
    there.insert(object.header.object);
  }
  for (const catalog::SegmentRow& row : old.segments) {
    if (there.contains(row.object)) {
      continue;
    }
    for (const catalog::SegmentPartRow& part : row.parts) {
      const auto topic = journal.topics.find(part.partition.topic);
      const auto deleted = journal.starts.find(part.partition);
      const Offset first =
          deleted == journal.starts.end() ? part.first : std::max(part.first, deleted->second);
      const auto history = plan.histories.find(part.partition);
      const auto kept = journal.kept.find(part.partition);
      const bool is_in_hole = std::ranges::any_of(plan.holes, [&](const Gap& hole) {
        return hole.partition == part.partition && first < hole.next && hole.first < part.next;
      });
      const bool is_named = history != plan.histories.end() && history->second.start <= first &&
                            part.next <= history->second.end && !is_in_hole;
      const bool is_kept = kept != journal.kept.end() && kept->second.start <= first;
      if (topic != journal.topics.end() && !topic->second.is_deleted && first < part.next &&
          !is_named && !is_kept) {
        plan.lost.push_back(fmt::format(
            "records of topic {} partition {} with offsets {} to {}: catalog.db named {} "
            "for them, {}",
            topic->second.name, part.partition.partition, first, part.next.value - 1, row.name,
            why_missing(found, row.name)));
      }
    }
  }
}

}  // namespace millrace::server
