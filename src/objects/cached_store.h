// Objects of a store that is far away, through a cache of their blocks on a disk.
#pragma once

#include "base/clock.h"
#include "base/mutex.h"
#include "io/disk.h"
#include "objects/block_cache.h"
#include "objects/block_fetcher.h"
#include "objects/cache_counters.h"
#include "objects/object_store.h"
#include "objects/rate_limit.h"

#include <map>
#include <memory>
#include <string>

namespace millrace::objects {

struct CachedStoreOptions {
  std::string directory;                    // of the cache, on the disk; its own
  uint64_t max_bytes = uint64_t{10} << 30;  // of its files
  /// What is read of the remote and kept as a whole: 4 KiB to 64 MiB. 1 MiB takes a bucket about
  /// as long to bring as to begin to answer (10 to 30 ms each), so less pays latency, and requests,
  /// for little; and a read of 64 KiB, such as the end of a segment, does not wait for much that
  /// nobody asked for. More is brought by several at once. A whole block is read and checked for
  /// each part that is asked for.
  uint64_t block_bytes = uint64_t{1} << 20;
  size_t prefetch_threads = 8;                    // each with a block in memory; 0: no prefetch
  uint64_t max_ahead_bytes = uint64_t{16} << 20;  // of each reader that reads on
  uint64_t remote_bytes_per_second = 0;           // 0: no limit
};

/// Passes calls on to `remote`, and answers reads of objects out of blocks that it keeps as files
/// of a directory; they are there after a restart as well. What is there is not asked of the
/// remote, what is not is read there once however many ask, and readers that read on find blocks
/// that were read ahead of them (ReadAhead).
///
/// Needs of its objects that they never change: no name is used again for other bytes, by anybody,
/// in the life of the cache's directory. Then a block that outlives its object harms nobody. What
/// is removed or written by way of this store is forgotten at once: it may be written again, as
/// long as nobody opens it in the same moment. What others overwrite is not seen, unless its size
/// changes: old and new blocks are mixed.
///
/// Errors : those of the remote; a reader sees one only when it asks for bytes that are not there.
///          The disk makes none: where it is full or fails, or a file on it is damaged, the remote
///          is read, and counted. A block is checked by its CRC each time that it is read.
/// Memory : a read takes a block, or, of the remote, up to BlockFetcher::kMostBlocks; each prefetch
///          thread a block; the list of blocks about 200 bytes for each.
/// Cost   : read() and look() ask the remote each time, for an object may be gone. read_at() is one
///          GET for up to kMostBlocks blocks that are missing side by side. counters() has what was
///          asked of this store; what it asked is counted by the remote.
///
/// Thread-safe; blocking: call it on a BlockingPool. Remote, disk and clock outlive it; it outlives
/// its readers and writers. Its end waits for reads of the remote that are under way.
///
///   auto store = CachedStore::open(*bucket, io::posix_disk(), {.directory = data + "/cache"});
class CachedStore final : public ObjectStore {
 public:
  /// Errors: kInvalid (an option), those of io::Disk (the directory), kOverloaded (no threads).
  static Result<std::unique_ptr<CachedStore>> open(ObjectStore& remote, io::Disk& disk,
                                                   CachedStoreOptions options,
                                                   const Clock& clock = system_clock());

  Result<std::unique_ptr<ObjectWriter>> create(const std::string& name) override;
  Result<std::vector<ObjectInfo>> list(const std::string& folder) override;
  Result<std::unique_ptr<ObjectReader>> read(const std::string& name) override;
  Result<ObjectInfo> look(const std::string& name) override;
  Status remove(const std::string& name) override;
  std::string location_of(const std::string& name) const override;

  /// Of reads of the remote, from now on. 0: no limit.
  void set_remote_bytes_per_second(uint64_t bytes) { limit_.set(bytes); }

  const CacheCounters& cache_counters() const { return cache_counters_; }

  /// Of files now.
  uint64_t cached_bytes() const { return cache_->bytes(); }

 private:
  class Writer;
  class Reader;

  CachedStore(ObjectStore& remote, CachedStoreOptions options, const Clock& clock);

  BlockFetcher::Object object_of(const std::string& name, std::unique_ptr<ObjectReader> remote);
  void forget(const std::string& name);

  ObjectStore& remote_;
  const CachedStoreOptions options_;
  const Clock& clock_;
  CacheCounters cache_counters_;
  RateLimit limit_;
  Mutex mutex_;
  /// Of those that have readers, and some that had.
  std::map<std::string, std::weak_ptr<RemoteObject>> objects_ MILLRACE_GUARDED_BY(mutex_);
  size_t sweep_at_ MILLRACE_GUARDED_BY(mutex_) = 0;  // so many objects
  std::unique_ptr<BlockCache> cache_;
  std::unique_ptr<BlockFetcher> fetcher_;
};

}  // namespace millrace::objects
