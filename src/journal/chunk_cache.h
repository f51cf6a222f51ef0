// Pieces of journal files for readers, read past the page cache and ahead of whoever reads on:
// chunks, whole runs that the readers of all partitions with batches in them share, and single
// batches too large for that.
#pragma once

#include "base/ids.h"
#include "base/memory_budget.h"
#include "base/mutex.h"
#include "bytes/buffer.h"
#include "journal/index.h"
#include "journal/scan.h"

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

namespace millrace::journal {

/// Names a batch: `base` is its base offset.
struct BatchKey {
  TopicPartition partition;
  Offset base;
  auto operator<=>(const BatchKey&) const = default;
};

/// Where a batch's payload lies.
struct BatchPlace {
  std::shared_ptr<JournalFile> file;
  uint64_t position = 0;
  size_t size = 0;
};

/// Least recently used pieces go when what all take, also those that are on their way to a client,
/// passes the limit. Batches that were read ahead take half of it at most, and nothing is dropped
/// for them but such a batch that nobody came for: a reader never waits for memory that is spent on
/// a guess, and readers of more partitions than there is memory for do not read each other's
/// batches out of it. Thread-safe, with threads of its own; outlives what it gave.
class ChunkCache {
 public:
  /// A larger payload is read by itself: there is little else to share in its chunk.
  static constexpr size_t kMostShared = size_t{128} << 10;

  /// A batch that was read ahead goes for another one once more than so many were wished after it.
  static constexpr uint64_t kPatience = 64;

  /// With two threads, one has the disk read while the other looks for what comes next. With one,
  /// what is wished is read in the order of the wishes.
  static constexpr size_t kThreads = 2;

  ChunkCache(io::Disk& disk, size_t max_bytes, size_t threads = kThreads);
  ~ChunkCache();
  ChunkCache(const ChunkCache&) = delete;
  ChunkCache& operator=(const ChunkCache&) = delete;

  /// The bytes of a chunk, read now unless they are there; blocking. Empty: there is no memory
  /// for them now, or they cannot be read: read what is needed of them from the file, which says
  /// why it fails. What they hold is not checked.
  bytes::Buffer get(const std::shared_ptr<JournalFile>& file, const Chunk& chunk);

  /// The payload of the batch, `size` bytes at `position`: what was read ahead, or read now. It is
  /// not kept. Empty as get().
  bytes::Buffer take(const BatchKey& batch, const JournalFile& file, uint64_t position,
                     size_t size);

  /// Somebody will get() it soon. Returns at once; a hint. Nothing for an empty one.
  void prefetch(const std::shared_ptr<JournalFile>& file, const Chunk& chunk);

  /// Somebody will take() it soon. As above; `find` is called by a thread, which may wait for the
  /// disk: nullopt is nothing to read. What it refers to outlives this.
  void prefetch(const BatchKey& batch, std::function<std::optional<BatchPlace>()> find);

  /// Pieces read in answer to get() and take(), and before they were called: those are there.
  uint64_t reads() const { return reads_.load(); }

  uint64_t reads_ahead() const { return reads_ahead_.load(); }

  /// Pieces that were wanted, or wished ahead, and not read: no memory, or a disk that fails.
  uint64_t failures() const { return failures_.load(); }

 private:
  using ChunkKey = std::pair<FileNumber, uint64_t>;  // file, begin
  using Key = std::variant<ChunkKey, BatchKey>;

  struct Entry {
    uint64_t end = 0;     // of a chunk
    uint64_t wish = 0;    // of a batch: its number among those begun
    bytes::Buffer bytes;  // empty: it is being read
    std::list<Key>::iterator age;
  };

  using Entries = std::map<Key, Entry>;

  enum class Memory : uint8_t { kFree, kMade };  // only what is free, or what others had too

  struct Wish {
    Key key;
    uint64_t end = 0;
    std::function<bytes::Buffer()> read;
  };

  void add_wish(Wish wish) MILLRACE_REQUIRES(mutex_);
  void keep(const Key& key, const bytes::Buffer& bytes);
  bytes::Buffer forget(Entries::iterator entry) MILLRACE_REQUIRES(mutex_);
  bytes::Buffer read_ahead(const BatchPlace& batch);
  bytes::Buffer read(const JournalFile& file, uint64_t position, size_t size, Memory memory);
  bool reserve_ahead(size_t bytes);
  bool drop_oldest();
  void work();

  io::Disk& disk_;
  MemoryBudget budget_;
  bytes::BufferPool pool_;
  std::atomic<uint64_t> reads_{0};
  std::atomic<uint64_t> reads_ahead_{0};
  std::atomic<uint64_t> failures_{0};
  Mutex mutex_;
  Condition loaded_;  // a piece was read, or was not
  Condition wished_;  // for a thread
  Entries entries_ MILLRACE_GUARDED_BY(mutex_);
  std::list<Key> ages_ MILLRACE_GUARDED_BY(mutex_);  // least recently used first
  std::deque<Wish> wishes_ MILLRACE_GUARDED_BY(mutex_);
  size_t ahead_bytes_ MILLRACE_GUARDED_BY(mutex_) = 0;       // of batches, also being read
  uint64_t batches_wished_ MILLRACE_GUARDED_BY(mutex_) = 0;  // that were begun
  bool is_stopping_ MILLRACE_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace millrace::journal
