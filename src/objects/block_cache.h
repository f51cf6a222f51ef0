// Blocks of objects as files of a directory, as many as a budget allows.
#pragma once

#include "base/clock.h"
#include "base/mutex.h"
#include "io/disk.h"
#include "objects/cache_counters.h"

#include <array>
#include <atomic>
#include <chrono>
#include <compare>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace millrace::objects {

/// An object whose blocks are kept. Shared by all its readers.
struct CachedObject {
  CachedObject(std::string name, uint64_t bytes);

  const std::string name;
  const std::array<uint8_t, 16> hash;  // of the name
  const uint64_t bytes;
  /// Removed or written again: nothing more of it is kept. Set before BlockCache::forget().
  std::atomic<bool> is_gone{false};
};

/// The least recently used blocks go when a new one has no room. What the files take never passes
/// the budget, not even for a moment; a file that the disk does not remove counts until the next
/// open().
///
/// A cache is derived data: nothing is synced, and nothing here is an error. What a crash leaves
/// of a file, or puts in its place, is found by the check of whoever reads it. A file that is
/// damaged, of another object or not to be read is thrown away and counted. When the disk takes
/// nothing, is full or fails, nothing is written for kPause; what is there is read meanwhile.
///
/// Thread-safe; blocks. Disk, clock and counters outlive it. Format: docs/formats/cache.md
class BlockCache {
 public:
  static constexpr std::chrono::seconds kPause{10};

  struct Options {
    std::string directory;     // its own; made when it is not there
    uint64_t max_bytes = 0;    // of the files
    uint64_t block_bytes = 0;  // of a block; the last one of an object is shorter
  };

  /// Finds what is there by names and sizes, without opening files; those that cannot be blocks
  /// are removed, those without our ending left alone. What was written first goes first.
  /// Errors: those of io::Disk.
  static Result<std::unique_ptr<BlockCache>> open(io::Disk& disk, const Clock& clock,
                                                  CacheCounters& counters, Options options);

  bool has(const CachedObject& object, uint64_t position) const;

  /// Copies a part of the block at `position`, beginning `skip` bytes in it. false: it is not
  /// there, perhaps no longer, and `out` holds anything.
  bool read(const CachedObject& object, uint64_t position, uint64_t skip, std::span<std::byte> out);

  void keep(const CachedObject& object, uint64_t position, std::span<const std::byte> content);

  /// Counts this block as read in vain unless it is read before it goes.
  void mark_prefetched(const CachedObject& object, uint64_t position);

  /// All blocks of an object.
  void forget(const CachedObject& object);

  /// Nothing is written now.
  bool is_paused() const;

  uint64_t bytes() const;

 private:
  struct BlockId {
    std::array<uint8_t, 16> object{};
    uint64_t position = 0;

    auto operator<=>(const BlockId&) const = default;
  };

  using Recent = std::list<BlockId>;  // most recently used first

  struct Entry {
    uint64_t number = 0;  // of its file, never used again
    uint64_t bytes = 0;   // of its file
    bool is_unused_prefetch = false;
    Recent::iterator recent;
  };

  using Entries = std::map<BlockId, Entry>;

  BlockCache(io::Disk& disk, const Clock& clock, CacheCounters& counters, Options options)
      : disk_(disk), clock_(clock), counters_(counters), options_(std::move(options)) {}

  static BlockId id_of(const CachedObject& object, uint64_t position) {
    return {object.hash, position};
  }

  std::string path_of(const BlockId& id, uint64_t number) const;
  Status load();
  bool add_found(const io::DirectoryEntry& file) MILLRACE_REQUIRES(mutex_);
  Status read_file(const std::string& path, const Entry& entry, const CachedObject& object,
                   uint64_t position, uint64_t skip, std::span<std::byte> out) const;
  Status write_file(const std::string& path, const CachedObject& object, uint64_t position,
                    std::span<const std::byte> content);
  void throw_away(const BlockId& id, uint64_t number, const Error& why);
  bool make_room(uint64_t bytes) MILLRACE_REQUIRES(mutex_);
  bool remove_file(const std::string& path, uint64_t bytes) MILLRACE_REQUIRES(mutex_);
  bool erase(Entries::iterator entry) MILLRACE_REQUIRES(mutex_);
  void insert(const BlockId& id, uint64_t number, uint64_t bytes) MILLRACE_REQUIRES(mutex_);
  void pause(const Error& why) MILLRACE_REQUIRES(mutex_);

  io::Disk& disk_;
  const Clock& clock_;
  CacheCounters& counters_;
  const Options options_;
  mutable Mutex mutex_;
  Entries entries_ MILLRACE_GUARDED_BY(mutex_);
  Recent recent_ MILLRACE_GUARDED_BY(mutex_);
  uint64_t bytes_ MILLRACE_GUARDED_BY(mutex_) = 0;  // of files, also those being written
  uint64_t next_number_ MILLRACE_GUARDED_BY(mutex_) = 1;
  std::chrono::steady_clock::time_point paused_until_ MILLRACE_GUARDED_BY(mutex_);
  std::chrono::steady_clock::time_point quiet_until_ MILLRACE_GUARDED_BY(mutex_);
};

}  // namespace millrace::objects
