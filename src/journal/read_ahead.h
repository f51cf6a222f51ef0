// Which large batches to read before their reader asks for them.
#pragma once

#include "base/ids.h"
#include "base/mutex.h"
#include "journal/chunk_cache.h"
#include "journal/index.h"

#include <array>
#include <cstddef>

namespace millrace::journal {

/// Small batches need none of it: chunks are read ahead one after another. Thread-safe.
class ReadAhead {
 public:
  /// Both outlive this; the index outlives `chunks`, too.
  ReadAhead(const Index& index, ChunkCache& chunks) : index_(index), chunks_(chunks) {}

  /// A read of the partition gave `bytes` of [from, end), the last batch larger than
  /// ChunkCache::kMostShared. When an earlier one ended at `from`, as much as it took is read
  /// ahead.
  void note(TopicPartition partition, Offset from, Offset end, size_t bytes);

 private:
  /// When more read by turns, none finds anything read ahead: it would have gone by then.
  static constexpr size_t kMostReaders = ChunkCache::kPatience;

  const Index& index_;
  ChunkCache& chunks_;
  Mutex mutex_;
  std::array<BatchKey, kMostReaders> ends_ MILLRACE_GUARDED_BY(mutex_);  // of reads: the newest
  size_t oldest_ MILLRACE_GUARDED_BY(mutex_) = 0;                        // of them
};

}  // namespace millrace::journal
