// Parts of objects out of blocks: those of the cache, those on their way, those of the remote.
#pragma once

#include "base/clock.h"
#include "base/mutex.h"
#include "objects/block_cache.h"
#include "objects/object_store.h"
#include "objects/rate_limit.h"
#include "objects/read_ahead.h"
#include "runtime/blocking_pool.h"

#include <map>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace millrace::objects {

/// An object with its reader at the remote.
struct RemoteObject final : CachedObject {
  RemoteObject(std::string object, std::unique_ptr<ObjectReader> reader)
      : CachedObject(std::move(object), reader->bytes()), remote(std::move(reader)) {}

  const std::unique_ptr<ObjectReader> remote;
};

/// Reads each block of an object at the remote once, however many ask for it. Thread-safe; blocks.
/// What it is given by reference outlives it.
class BlockFetcher {
 public:
  using Object = std::shared_ptr<RemoteObject>;

  /// Most blocks of one read of the remote, by one read(): they are in memory meanwhile.
  static constexpr size_t kMostBlocks = 8;

  /// `pool`: where blocks are read ahead; null: they are not.
  BlockFetcher(BlockCache& cache, RateLimit& limit, CacheCounters& counters, const Clock& clock,
               uint64_t block_bytes, std::unique_ptr<runtime::BlockingPool> pool)
      : cache_(cache),
        limit_(limit),
        counters_(counters),
        clock_(clock),
        block_bytes_(block_bytes),
        pool_(std::move(pool)) {}

  /// Waits for reads of the remote that are under way, and for no others.
  ~BlockFetcher();
  BlockFetcher(const BlockFetcher&) = delete;
  BlockFetcher& operator=(const BlockFetcher&) = delete;

  /// Fills `out`, which lies within the object. Errors: the remote's.
  Status read(const Object& object, uint64_t position, std::span<std::byte> out);
  /// The same, past the cache.
  Status read_remote(const RemoteObject& object, uint64_t position, std::span<std::byte> out);
  /// Has blocks read in the background. What fails is read again by who needs it.
  void prefetch(const Object& object, ReadAhead::Order order);

  RemoteSpeed& speed() { return speed_; }

 private:
  /// One block on its way. Guarded by mutex_.
  struct Flight {
    enum class State : uint8_t { kQueued, kUnderWay, kDone };

    State state = State::kQueued;
    bool is_prefetch = false;
    bool is_used = false;
    std::shared_ptr<const std::byte[]> owner;  // of `content`
    std::span<const std::byte> content;
    Status result;
    Condition done;
  };

  using FlightPointer = std::shared_ptr<Flight>;
  using FlightId = std::pair<const RemoteObject*, uint64_t>;  // the block's position

  /// Consecutive blocks.
  struct Run {
    uint64_t begin = 0;  // position of the first
    std::vector<FlightPointer> flights;
  };

  /// Where a block is to be had: on its way, or it was until now; to be brought by the caller; or,
  /// with neither, in the cache.
  struct Source {
    FlightPointer flight;
    bool was_waited_for = false;
    Run run;
  };

  Result<size_t> read_some(const RemoteObject& object, uint64_t position, std::span<std::byte> out);
  Result<size_t> bring(const RemoteObject& object, const Run& run, uint64_t skip,
                       std::span<std::byte> out);
  FlightPointer find(const RemoteObject& object, uint64_t begin) const MILLRACE_REQUIRES(mutex_);
  Source source_of(const RemoteObject& object, uint64_t begin, uint64_t end, bool may_be_kept);
  Run claim(const RemoteObject& object, uint64_t begin, uint64_t end) MILLRACE_REQUIRES(mutex_);
  Status fetch(const RemoteObject& object, const Run& run);
  void land(const RemoteObject& object, const Run& run);
  void fetch_ahead(const RemoteObject& object, uint64_t begin);

  BlockCache& cache_;
  RateLimit& limit_;
  CacheCounters& counters_;
  const Clock& clock_;
  const uint64_t block_bytes_;
  RemoteSpeed speed_;
  Mutex mutex_;
  /// Until the cache has it, or it failed.
  std::map<FlightId, FlightPointer> flights_ MILLRACE_GUARDED_BY(mutex_);
  bool is_stopping_ MILLRACE_GUARDED_BY(mutex_) = false;
  const std::unique_ptr<runtime::BlockingPool> pool_;
};

}  // namespace millrace::objects
