// Makes one segment object, in one pass. Format: docs/formats/segment.md.
#pragma once

#include "base/result.h"
#include "objects/object_store.h"
#include "record/commit_log.h"
#include "segment/format.h"
#include "segment/partition_index.h"

#include <cstdint>
#include <memory>
#include <vector>

namespace millrace::segment {

/// What became an object.
struct MadeSegment {
  ObjectId object;
  uint64_t bytes = 0;
  std::vector<PartitionRow> partitions;
};

/// Used by one thread; blocking. After an error only destruction helps, which leaves no object.
///   MILLRACE_TRY(auto writer, SegmentWriter::begin(std::move(out), header));
///   MILLRACE_TRY_STATUS(writer.begin_partition(partition, topic));
///   MILLRACE_TRY_STATUS(writer.add(batch)); ...
///   MILLRACE_TRY_STATUS(writer.end_partition(state)); ...
///   MILLRACE_TRY(const MadeSegment made, writer.publish());
/// Errors of all calls: those of objects::ObjectWriter.
class SegmentWriter {
 public:
  /// `out`: of the name by segment_name() or mixed_name().
  static Result<SegmentWriter> begin(std::unique_ptr<objects::ObjectWriter> out,
                                     const Header& header);

  /// Partitions come in order of (topic id, partition), each once. `topic`: of the partition's
  /// topic, the same for all its partitions.
  void begin_partition(TopicPartition partition, const TopicEntry& topic);

  /// The next batch of the partition, dense behind the one before. kCorrupt: its payload is no
  /// record batch.
  Status add(const record::StoredBatch& batch);

  /// The same of a batch out of another object, `entry` being what its index says of it.
  Status add(const BatchEntry& entry, std::span<const std::byte> payload);

  /// `state` behind the last batch; at least one was added.
  Status end_partition(PartitionState state = {});

  /// Bytes of batches so far, of this partition and of all.
  uint64_t partition_bytes() const { return row_.data_bytes; }

  uint64_t data_bytes() const { return position_ - kHeaderBytes; }

  size_t partition_batches() const { return index_.batches.size(); }

  /// The object is there, whole and durable. After an error it may be there or not; the same bytes
  /// under the same name are safe. At least one partition was added; the last call.
  Result<MadeSegment> publish();

 private:
  SegmentWriter(std::unique_ptr<objects::ObjectWriter> out, const Header& header)
      : out_(std::move(out)), header_(header) {}

  Status put(std::span<const std::byte> bytes);

  std::unique_ptr<objects::ObjectWriter> out_;
  Header header_;
  uint32_t header_crc_ = 0;
  uint64_t position_ = 0;
  Tail tail_;
  std::vector<std::vector<std::byte>> indexes_;  // as stored, one a partition
  PartitionRow row_;                             // of the partition that is being added
  PartitionIndex index_;
};

}  // namespace millrace::segment
