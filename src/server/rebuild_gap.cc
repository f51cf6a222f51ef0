#include "server/rebuild_gap.h"

#include "journal/writer.h"
#include "record/record_batch_builder.h"
#include "segment/segment_writer.h"

#include <algorithm>
#include <limits>
#include <map>
#include <set>

namespace millrace::server {
namespace {

constexpr int64_t kMostOffsets = std::numeric_limits<int32_t>::max();  // of one batch

Status add_gap(segment::SegmentWriter& writer, const Gap& gap) {
  for (Offset at = gap.first; at < gap.next;) {
    const auto offsets = static_cast<int32_t>(std::min(gap.next - at, kMostOffsets));
    MILLRACE_TRY_STATUS(writer.add({at, static_cast<uint32_t>(offsets), gap.time_ms,
                                    record::filler_batch(offsets, gap.time_ms)}));
    at = at + offsets;
  }
  return writer.end_partition();
}

/// Offsets behind those of a topic of which no object says how far it came.
constexpr int64_t kFar = int64_t{1} << 36;

/// Whether more of a partition may have been in objects that are gone.
bool may_be_more(const broker::TopicRecord& topic, int64_t newest_ms, int64_t now_ms) {
  const bool is_by_bytes = topic.settings.retention_bytes >= 0 &&
                           topic.settings.durability != broker::Durability::kObject;
  return is_by_bytes || topic.settings.is_too_old(newest_ms, now_ms);
}

/// How far partitions came.
struct Reach {
  std::map<TopicId, Offset> greatest;
  std::set<TopicPartition> known;
  std::set<TopicId> fresh;  // with a partition that is known
};

Reach reach_of(const Topics& topics, const SegmentPlan& plan, int64_t now_ms) {
  Reach reach;
  for (const auto& [partition, end] : plan.ends) {
    Offset& greatest = reach.greatest[partition.topic];
    greatest = std::max(greatest, end);
    if (!may_be_more(topics.at(partition.topic), plan.newest_ms.at(partition), now_ms)) {
      reach.known.insert(partition);
      reach.fresh.insert(partition.topic);
    }
  }
  return reach;
}

std::string lost_behind(const std::string& topic, PartitionId partition, bool has_objects,
                        Offset last, Offset next) {
  return has_objects ? fmt::format(
                           "records of topic {} partition {} from offset {} on, which only the "
                           "lost journal had: the next one gets offset {}",
                           topic, partition, last, next)
                     : fmt::format(
                           "records of topic {} partition {}, of which there is no object: "
                           "the next one gets offset {}",
                           topic, partition, next);
}

/// At most one gap of each partition.
Result<catalog::SegmentRow> write_object(objects::ObjectStore& store, const DirectoryId& directory,
                                         const Topics& topics, const std::vector<Gap>& gaps,
                                         int64_t now_ms) {
  const segment::ObjectId object(Uuid::random());
  const std::string name = segment::mixed_name(object);
  MILLRACE_TRY(auto out, store.create(name));
  MILLRACE_TRY(auto writer,
               segment::SegmentWriter::begin(std::move(out), {directory, object, now_ms}));
  for (const Gap& gap : gaps) {
    const TopicId& topic = gap.partition.topic;
    writer.begin_partition(gap.partition, {topic, topics.at(topic).to_frame().value, ""});
    MILLRACE_TRY_STATUS(add_gap(writer, gap));
  }
  MILLRACE_TRY(const segment::MadeSegment made, writer.publish());
  catalog::SegmentRow row{
      .object = object, .name = name, .bytes = made.bytes, .created_ms = now_ms, .parts = {}};
  for (const segment::PartitionRow& part : made.partitions) {
    row.parts.push_back(
        {part.partition, part.first, part.next, part.max_timestamp_ms, part.data_bytes});
  }
  return row;
}

}  // namespace

Continuation plan_gaps(const Topics& topics, const SegmentPlan& plan, int64_t gap, int64_t now_ms) {
  Reach reach = reach_of(topics, plan, now_ms);
  Continuation planned;
  for (const auto& [id, topic] : topics) {
    const bool is_interval = topic.settings.durability == broker::Durability::kInterval;
    const int64_t offsets = std::max(gap, reach.fresh.contains(id) ? 0 : kFar) +
                            (is_interval ? journal::Writer::kReserveOffsets : 0);
    for (int32_t i = 0; i < topic.partitions; ++i) {
      const TopicPartition partition{id, PartitionId{i}};
      const auto history = plan.histories.find(partition);
      const Offset first = history == plan.histories.end() ? Offset{} : history->second.end;
      const bool is_known = reach.known.contains(partition);
      // One whose objects have all expired has come about as far as the others.
      const Offset last = is_known ? plan.ends.at(partition) : reach.greatest[id];
      planned.gaps.push_back({partition, first, last + offsets, now_ms});
      if (is_known && first < last) {
        planned.lost.push_back(
            fmt::format("records of topic {} partition {} with offsets {} to {}: the object that "
                        "has them begins amid another, and is left alone",
                        topic.name, i, first, last.value - 1));
      }
      if (topic.settings.durability != broker::Durability::kObject) {  // else all is in objects
        planned.lost.push_back(lost_behind(topic.name, partition.partition,
                                           plan.ends.contains(partition), last, last + offsets));
      }
    }
  }
  planned.lost.emplace_back(
      "topics that no object is of, and which topics and records were deleted");
  planned.lost.emplace_back("tables: their rows and files were in the lost directory alone");
  return planned;
}

Result<std::vector<catalog::SegmentRow>> write_gaps(objects::ObjectStore& store,
                                                    const DirectoryId& directory,
                                                    const Topics& topics,
                                                    const std::vector<Gap>& gaps, int64_t now_ms) {
  std::vector<std::vector<Gap>> objects;
  size_t nth = 0;  // of its partition
  for (size_t i = 0; i < gaps.size(); ++i) {
    nth = i > 0 && gaps[i].partition == gaps[i - 1].partition ? nth + 1 : 0;
    objects.resize(std::max(objects.size(), nth + 1));
    objects[nth].push_back(gaps[i]);
  }
  std::vector<catalog::SegmentRow> rows;
  for (const std::vector<Gap>& content : objects) {
    MILLRACE_TRY(auto row, write_object(store, directory, topics, content, now_ms));
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace millrace::server
