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

/// What a read has found so far.
class Found {
 public:
  Found(Offset from, const record::ReadLimit& limit) : at_(from), limit_(limit) {}

  /// Returns whether more is wanted. kOverloaded: the limit does not let the first one.
  Result<bool> take(Runs& runs, const RunHead& run, size_t i) {
    const FrameHeader& frame = run.frames[i];
    if (frame.base_offset + frame.records <= at_) {
      return true;
    }
    if (batches_.empty() && !limit_.lets(frame.payload_bytes)) {
      return record::no_room_for(frame.payload_bytes, frame.base_offset);
    }
    if (!batches_.empty() && bytes_ + frame.payload_bytes > limit_.bytes) {
      is_full_ = true;
      return false;
    }
    MILLRACE_TRY(auto batch, runs.batch(run, i));
    bytes_ += batch.payload.size();
    at_ = batch.base_offset + batch.records;
    batches_.push_back(std::move(batch));
    is_full_ = bytes_ >= limit_.bytes;
    return !is_full_;
  }

  Offset at() const { return at_; }

  bool is_full() const { return is_full_; }

  size_t bytes() const { return bytes_; }

  std::vector<StoredBatch>& batches() { return batches_; }

 private:
  Offset at_;  // behind what was found
  const record::ReadLimit& limit_;
  std::vector<StoredBatch> batches_;
  size_t bytes_ = 0;
  bool is_full_ = false;
};

}  // namespace

Reader::Reader(const Index& index, ChunkCache* chunks)
    : index_(index),
      chunks_(chunks),
      ahead_(chunks != nullptr ? std::make_unique<ReadAhead>(index, *chunks) : nullptr) {}

Result<std::vector<StoredBatch>> Reader::read(TopicPartition partition, Offset from,
                                              const record::ReadLimit& limit) const {
  const record::PartitionRange range = index_.range(partition);
  if (from < range.start || from > range.end) {
    return make_error(Code::kNotFound, "offset {} of partition {} is outside [{}, {}]", from,
                      partition.partition, range.start, range.end);
  }
  Found found(from, limit);
  while (found.at() < range.end && !found.is_full()) {
    const Offset at = found.at();
    const auto place = index_.find(partition, at);
    if (!place) {
      return make_error(Code::kNotFound, "offset {} of partition {} was freed meanwhile", at,
                        partition.partition);
    }
    Runs runs(index_, chunks_, place->file);
    const Status done = for_each_batch(
        runs, *place, partition,
        [&](const RunHead& run, size_t i) -> Result<bool> { return found.take(runs, run, i); });
    if (!done.ok()) {
      if (!found.batches().empty()) {
        return std::move(found.batches());  // the damage is reported to whoever reads on from here
      }
      return done.error();
    }
    if (found.at() == at && !found.is_full()) {
      return make_error(Code::kCorrupt, "{}: offset {} of partition {} is not where the index says",
                        place->file->file->path(), at, partition.partition);
    }
  }
  auto& batches = found.batches();
  if (ahead_ && !batches.empty() && batches.back().payload.size() > ChunkCache::kMostShared) {
    ahead_->note(partition, from, found.at(), found.bytes());
  }
  return std::move(batches);
}

Result<std::optional<StoredBatch>> Reader::find_timestamp(TopicPartition partition, Offset from,
                                                          int64_t timestamp_ms) const {
  std::optional<StoredBatch> found;
  auto place = index_.find_timestamp(partition, from, timestamp_ms);
  while (place) {
    Runs runs(index_, chunks_, place->file);
    MILLRACE_TRY_STATUS(
        for_each_batch(runs, *place, partition, [&](const RunHead& run, size_t i) -> Result<bool> {
          const FrameHeader& frame = run.frames[i];
          if (frame.max_timestamp_ms < timestamp_ms || frame.base_offset + frame.records <= from) {
            return true;
          }
          MILLRACE_TRY(found, runs.batch(run, i));
          return false;
        }));
    if (found) {
      break;
    }
    // What was as new may have been before `from` alone: on to the next file.
    place = index_.find_timestamp(partition, std::max(from, place->end), timestamp_ms);
  }
  return found;
}

}  // namespace millrace::journal
