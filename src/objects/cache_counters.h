// What a cache of objects was good for.
#pragma once

#include <atomic>
#include <cstdint>

namespace millrace::objects {

/// Of one CachedStore, since it was opened. A block is counted each time that it is asked for.
/// Thread-safe.
struct CacheCounters {
  std::atomic<uint64_t> hits{0};               // blocks that were there
  std::atomic<uint64_t> misses{0};             // blocks that a reader had to wait for
  std::atomic<uint64_t> bytes_from_cache{0};   // given to readers, of hits
  std::atomic<uint64_t> bytes_from_remote{0};  // read there, by readers and ahead of them
  std::atomic<uint64_t> prefetched{0};         // blocks read ahead of readers
  std::atomic<uint64_t> prefetch_used{0};      // of them: then asked for by a reader
  std::atomic<uint64_t> prefetch_unused{0};    // of them: gone, and nobody had asked
  std::atomic<uint64_t> prefetch_failed{0};    // blocks that the remote did not give
  std::atomic<uint64_t> evicted{0};            // blocks that made room for others
  std::atomic<uint64_t> bad_blocks{0};         // files thrown away: damaged, or not to be read
  std::atomic<uint64_t> not_kept{0};           // blocks that disk or budget did not take
};

}  // namespace millrace::objects
