#include "server/rebuild_gap.h"

#include "record/record_batch_builder.h"
#include "segment/segment_writer.h"

#include <algorithm>
#include <limits>

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
