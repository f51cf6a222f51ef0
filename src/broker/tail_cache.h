// The newest batches in memory, so that readers at the tail never touch a file.
#pragma once

#include "base/ids.h"
#include "base/mutex.h"
#include "record/commit_log.h"

#include <cstddef>
#include <deque>
#include <unordered_map>
#include <vector>

namespace millrace::broker {

/// First in, first out over all partitions, bounded by bytes. Shares the batches' buffers, copies
/// nothing. Thread-safe.
class TailCache {
 public:
  explicit TailCache(size_t max_bytes) : max_bytes_(max_bytes) {}

  /// `batch` is durable. One that does not follow the newest of its partition replaces it all (what
  /// lies between would be a gap), one below it is dropped.
  void put(TopicPartition partition, record::StoredBatch batch);

  /// As CommitLog::read, but empty when `from` is not in the cache.
  std::vector<record::StoredBatch> read(TopicPartition partition, Offset from,
                                        size_t max_bytes) const;

  void forget(TopicPartition partition);
  size_t bytes() const;

 private:
  struct Line {
    std::deque<record::StoredBatch> batches;  // without gaps
    Offset end;
  };

  struct Age {
    TopicPartition partition;
    Offset base;
    size_t bytes = 0;
  };

  static size_t cost(const record::StoredBatch& batch) { return batch.payload.size() + 160; }

  void evict() MILLRACE_REQUIRES(mutex_);

  const size_t max_bytes_;
  mutable Mutex mutex_;
  std::unordered_map<TopicPartition, Line> lines_ MILLRACE_GUARDED_BY(mutex_);
  std::deque<Age> ages_
      MILLRACE_GUARDED_BY(mutex_);  // oldest first; an entry may be gone from its line
  size_t bytes_ MILLRACE_GUARDED_BY(mutex_) = 0;
};

}  // namespace millrace::broker
