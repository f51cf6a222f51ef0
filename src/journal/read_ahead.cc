#include "journal/read_ahead.h"

#include <algorithm>
#include <optional>

namespace millrace::journal {
namespace {

/// For one reader, but for a larger batch. Small enough that what readers who stop in between leave
/// behind, such as those who cut segments, takes no memory that others need.
constexpr size_t kMostAhead = size_t{2} << 20;

struct Found {
  BatchPlace place;
  Offset next;
};

/// The batch that begins there, if it is large and can be read. What is wrong with one that cannot
/// is told to whoever asks for it.
std::optional<Found> find_large(const Index& index, const BatchKey& batch) {
  const auto place = index.find(batch.partition, batch.base);
  if (!place) {
    return std::nullopt;
  }
  // A batch behind a large one has an index entry, so its run is this one.
  const auto read = read_run_head(*place->file, place->position);
  const auto run = read.ok() ? *read : std::nullopt;
  if (!run) {
    return std::nullopt;
  }
  for (size_t i = 0; i < run->frames.size(); ++i) {
    const FrameHeader& frame = run->frames[i];
    if (frame.type == FrameType::kBatch && frame.partition == batch.partition &&
        frame.base_offset == batch.base && frame.payload_bytes > ChunkCache::kMostShared) {
      return Found{{place->file, run->payload_position(i), frame.payload_bytes},
                   frame.base_offset + frame.records};
    }
  }
  return std::nullopt;
}

/// Of the batch and of those behind it, while they are large and `bytes` hold another one like it.
void prefetch(const Index& index, ChunkCache& chunks, const BatchKey& batch, size_t bytes) {
  chunks.prefetch(batch, [&index, &chunks, batch, bytes]() -> std::optional<BatchPlace> {
    auto found = find_large(index, batch);
    if (!found) {
      return std::nullopt;
    }
    if (const size_t size = found->place.size; bytes >= 2 * size) {
      prefetch(index, chunks, {batch.partition, found->next}, bytes - size);
    }
    return std::move(found->place);
  });
}

}  // namespace

void ReadAhead::note(TopicPartition partition, Offset from, Offset end, size_t bytes) {
  const BatchKey next{partition, end};
  {
    MutexLock lock(mutex_);
    const auto before = std::ranges::find(ends_, BatchKey{partition, from});
    if (before == ends_.end()) {
      ends_[oldest_] = next;
      oldest_ = (oldest_ + 1) % ends_.size();
      return;
    }
    *before = next;
  }
  prefetch(index_, chunks_, next, std::min(bytes, kMostAhead));
}

}  // namespace millrace::journal
