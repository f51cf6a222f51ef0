#include "journal/reader.h"

#include <memory>

namespace millrace::journal {
namespace {

using record::StoredBatch;

/// A smaller payload is copied, so that it does not hold the memory of its chunk.
constexpr size_t kLeastShared = size_t{16} << 10;

/// Runs of one file in order, small payloads out of chunks where there is memory for them.
class Runs {
 public:
  Runs(const Index& index, ChunkCache* chunks, std::shared_ptr<JournalFile> file)
      : index_(index), chunks_(chunks), file_(std::move(file)) {}

  /// kCorrupt: there is none at `position`.
  Result<RunHead> head(uint64_t position) {
    std::optional<RunHead> run;
    if (has_chunk_of(position)) {
      MILLRACE_TRY(run, parse_run_head(*file_, position, bytes_from(position)));
    }
    if (!run) {
      MILLRACE_TRY(run, read_run_head(*file_, position));
    }
    if (!run) {
      return make_error(Code::kCorrupt, "{}: no valid run at {}", file_->file->path(), position);
    }
    return *std::move(run);
  }

  /// Of the run whose head was taken last.
  Result<StoredBatch> batch(const RunHead& run, size_t i) {
    const FrameHeader& frame = run.frames[i];
    StoredBatch stored{frame.base_offset, frame.records, frame.max_timestamp_ms, {}};
    if (chunks_ != nullptr) {
      stored.payload = shared(run, i);
    }
    if (!stored.payload.empty()) {
      return stored;
    }
    MILLRACE_TRY(stored.payload, read_payload(*file_, run, i));  // the file has the last word
    return stored;
  }

 private:
  bool has_chunk_of(uint64_t position) const {
    return !bytes_.empty() && position >= chunk_.begin && position < chunk_.end;
  }

  /// Empty: there is no memory for it, or it is not what its frame says.
  bytes::Buffer shared(const RunHead& run, size_t i) {
    const uint64_t position = run.payload_position(i);
    const size_t size = run.frames[i].payload_bytes;
    bytes::Buffer payload;
    if (size > ChunkCache::kMostShared) {
      const FrameHeader& frame = run.frames[i];
      payload = chunks_->take({frame.partition, frame.base_offset}, *file_, position, size);
    } else if (load(position)) {
      const auto part = bytes_from(position).first(size);
      payload = size < kLeastShared ? bytes::Buffer::copy_of(part) : bytes_.slice(part);
    }
    return check_payload(*file_, run, i, payload).ok() ? payload : bytes::Buffer();
  }

  bool load(uint64_t position) {
    if (has_chunk_of(position)) {
      return true;
    }
    const auto [here, next] = index_.chunks(file_->number, position);
    chunk_ = here;
    bytes_ = here.begin < here.end ? chunks_->get(file_, here) : bytes::Buffer();
    if (!bytes_.empty()) {
      chunks_->prefetch(file_, next);
    }
    return !bytes_.empty();
  }

  std::span<const std::byte> bytes_from(uint64_t position) const {
    return bytes_.span().subspan(position - chunk_.begin);
  }

  const Index& index_;
  ChunkCache* const chunks_;
  const std::shared_ptr<JournalFile> file_;
  Chunk chunk_;
  bytes::Buffer bytes_;  // of the chunk
};

/// Calls `visit(runs, run, i)` for each of the partition's batch frames from `place` on, until it
/// answers false or the file's part of the partition ends.
template <typename Visit>
Status for_each_batch(Runs& runs, const Index::Place& place, TopicPartition partition,
                      Visit&& visit) {
  uint64_t position = place.position;
  while (position < place.end_position) {
    MILLRACE_TRY(const RunHead run, runs.head(position));
    for (size_t i = 0; i < run.frames.size(); ++i) {
      const FrameHeader& frame = run.frames[i];
      if (frame.type != FrameType::kBatch || frame.partition != partition) {
        continue;
      }
      MILLRACE_TRY(const bool goes_on, visit(run, i));
      if (!goes_on || frame.base_offset + frame.records >= place.end) {
        return {};
      }
    }
    position = run.header.end();
  }
  return {};
}

size_t bytes_of(const std::vector<StoredBatch>& batches) {
  size_t bytes = 0;
  for (const StoredBatch& batch : batches) {
    bytes += batch.payload.size();
  }
  return bytes;
}

}  // namespace

Reader::Reader(const Index& index, ChunkCache* chunks)
    : index_(index),
      chunks_(chunks),
      ahead_(chunks != nullptr ? std::make_unique<ReadAhead>(index, *chunks) : nullptr) {}

Result<std::vector<StoredBatch>> Reader::read(TopicPartition partition, Offset from,
                                              size_t max_bytes) const {
  std::vector<StoredBatch> batches;
  const record::PartitionRange range = index_.range(partition);
  if (from < range.start || from > range.end) {
    return make_error(Code::kNotFound, "offset {} of partition {} is outside [{}, {}]", from,
                      partition.partition, range.start, range.end);
  }
  size_t bytes = 0;
  Offset at = from;
  while (at < range.end && (batches.empty() || bytes < max_bytes)) {
    const auto place = index_.find(partition, at);
    if (!place) {
      return make_error(Code::kNotFound, "offset {} of partition {} was freed meanwhile", at,
                        partition.partition);
    }
    const Offset before = at;
    Runs runs(index_, chunks_, place->file);
    auto done =
        for_each_batch(runs, *place, partition, [&](const RunHead& run, size_t i) -> Result<bool> {
          const FrameHeader& frame = run.frames[i];
          if (frame.base_offset + frame.records <= at) {
            return true;
          }
          if (!batches.empty() && bytes + frame.payload_bytes > max_bytes) {
            bytes = max_bytes;
            return false;
          }
          MILLRACE_TRY(auto batch, runs.batch(run, i));
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
  if (ahead_ && !batches.empty() && batches.back().payload.size() > ChunkCache::kMostShared) {
    ahead_->note(partition, from, at, bytes_of(batches));
  }
  return batches;
}

Result<std::optional<StoredBatch>> Reader::find_timestamp(TopicPartition partition,
                                                          int64_t timestamp_ms) const {
  const auto place = index_.find_timestamp(partition, timestamp_ms);
  std::optional<StoredBatch> found;
  if (!place) {
    return found;
  }
  Runs runs(index_, chunks_, place->file);
  MILLRACE_TRY_STATUS(
      for_each_batch(runs, *place, partition, [&](const RunHead& run, size_t i) -> Result<bool> {
        if (run.frames[i].max_timestamp_ms < timestamp_ms) {
          return true;
        }
        MILLRACE_TRY(found, runs.batch(run, i));
        return false;
      }));
  return found;
}

}  // namespace millrace::journal
