#include "journal/reader.h"

#include <memory>

namespace millrace::journal {
namespace {

using record::StoredBatch;

/// Calls `visit(run, i)` for each of the partition's batch frames from `place` on, until it answers
/// false or the file's part of the partition ends.
template <typename Visit>
Status for_each_batch(const Index::Place& place, TopicPartition partition, Visit&& visit) {
  uint64_t position = place.position;
  while (position < place.end_position) {
    place.file->read_ahead(position, place.end_position);
    MILLRACE_TRY(const auto run, read_run_head(*place.file, position));
    if (!run) {
      return make_error(Code::kCorrupt, "{}: no valid run at {}", place.file->file->path(),
                        position);
    }
    for (size_t i = 0; i < run->frames.size(); ++i) {
      const FrameHeader& frame = run->frames[i];
      if (frame.type != FrameType::kBatch || frame.partition != partition) {
        continue;
      }
      MILLRACE_TRY(const bool goes_on, visit(*run, i));
      if (!goes_on || frame.base_offset + frame.records >= place.end) {
        return {};
      }
    }
    position = run->header.end();
  }
  return {};
}

Result<StoredBatch> load(const JournalFile& file, const RunHead& run, size_t i) {
  const FrameHeader& frame = run.frames[i];
  MILLRACE_TRY(auto payload, read_payload(file, run, i));
  return StoredBatch{frame.base_offset, frame.records, frame.max_timestamp_ms, std::move(payload)};
}

}  // namespace

Result<std::vector<StoredBatch>> read_batches(const Index& index, TopicPartition partition,
                                              Offset from, size_t max_bytes) {
  std::vector<StoredBatch> batches;
  const record::PartitionRange range = index.range(partition);
  if (from < range.start || from > range.end) {
    return make_error(Code::kNotFound, "offset {} of partition {} is outside [{}, {}]", from,
                      partition.partition, range.start, range.end);
  }
  size_t bytes = 0;
  Offset at = from;
  while (at < range.end && (batches.empty() || bytes < max_bytes)) {
    const auto place = index.find(partition, at);
    if (!place) {
      return make_error(Code::kNotFound, "offset {} of partition {} was freed meanwhile", at,
                        partition.partition);
    }
    const Offset before = at;
    auto done =
        for_each_batch(*place, partition, [&](const RunHead& run, size_t i) -> Result<bool> {
          const FrameHeader& frame = run.frames[i];
          if (frame.base_offset + frame.records <= at) {
            return true;
          }
          if (!batches.empty() && bytes + frame.payload_bytes > max_bytes) {
            bytes = max_bytes;
            return false;
          }
          MILLRACE_TRY(auto batch, load(*place->file, run, i));
          bytes += batch.payload.size();
          at = batch.base_offset + batch.records;
          batches.push_back(std::move(batch));
          return bytes < max_bytes;
        });
    if (!done.ok()) {
      if (!batches.empty()) {
        return batches;  // the damage is reported to whoever reads on from here
      }
      return done.error();
    }
    if (at == before && bytes < max_bytes) {
      return make_error(Code::kCorrupt, "{}: offset {} of partition {} is not where the index says",
                        place->file->file->path(), at, partition.partition);
    }
  }
  return batches;
}

Result<std::optional<StoredBatch>> find_timestamp(const Index& index, TopicPartition partition,
                                                  int64_t timestamp_ms) {
  const auto place = index.find_timestamp(partition, timestamp_ms);
  std::optional<StoredBatch> found;
  if (!place) {
    return found;
  }
  MILLRACE_TRY_STATUS(
      for_each_batch(*place, partition, [&](const RunHead& run, size_t i) -> Result<bool> {
        if (run.frames[i].max_timestamp_ms < timestamp_ms) {
          return true;
        }
        MILLRACE_TRY(found, load(*place->file, run, i));
        return false;
      }));
  return found;
}

}  // namespace millrace::journal
