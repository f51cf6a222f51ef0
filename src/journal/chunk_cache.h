// Pieces of journal files for readers: whole runs, read past the page cache and ahead of whoever
// reads on, shared by the readers of all partitions whose batches lie in them.
#pragma once

#include "base/memory_budget.h"
#include "base/mutex.h"
#include "bytes/buffer.h"
#include "journal/index.h"
#include "journal/scan.h"

#include <atomic>
#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <thread>

namespace millrace::journal {

/// Least recently used chunks go when what all take, also those that are on their way to a client,
/// passes the limit. Thread-safe, one thread of its own; outlives what it gave.
class ChunkCache {
 public:
  ChunkCache(io::Disk& disk, size_t max_bytes);
  ~ChunkCache();
  ChunkCache(const ChunkCache&) = delete;
  ChunkCache& operator=(const ChunkCache&) = delete;

  /// The bytes of a chunk, read now unless they are there; blocking. Empty: there is no memory
  /// for them now, or they cannot be read: read what is needed of them from the file, which says
  /// why it fails. What they hold is not checked.
  bytes::Buffer get(const std::shared_ptr<JournalFile>& file, const Chunk& chunk);

  /// `size` bytes at `position`, read past the page cache and not kept. Empty as get().
  bytes::Buffer read_once(const JournalFile& file, uint64_t position, size_t size);

  /// Somebody will get() it soon. Returns at once; a hint. Nothing for an empty one.
  void prefetch(const std::shared_ptr<JournalFile>& file, const Chunk& chunk);

  /// Chunks read in answer to get(), and before it was called.
  uint64_t reads() const { return reads_.load(); }

  uint64_t reads_ahead() const { return reads_ahead_.load(); }

  /// Chunks that were wanted and not read: no memory, or a disk that fails.
  uint64_t failures() const { return failures_.load(); }

 private:
  using Key = std::pair<FileNumber, uint64_t>;  // file, begin

  struct Entry {
    uint64_t end = 0;
    bytes::Buffer bytes;  // empty: it is being read
    std::list<Key>::iterator age;
  };

  struct Wish {
    std::shared_ptr<JournalFile> file;
    Chunk chunk;
  };

  bytes::Buffer load(const JournalFile& file, const Chunk& chunk);
  bytes::Buffer read(const JournalFile& file, const Chunk& chunk);
  std::optional<bytes::MutableBuffer> allocate(size_t bytes);
  bool drop_oldest();
  void work();

  io::Disk& disk_;
  MemoryBudget budget_;
  bytes::BufferPool pool_;
  std::atomic<uint64_t> reads_{0};
  std::atomic<uint64_t> reads_ahead_{0};
  std::atomic<uint64_t> failures_{0};
  Mutex mutex_;
  Condition loaded_;  // a chunk was read, or was not
  Condition wished_;  // for the thread
  std::map<Key, Entry> entries_ MILLRACE_GUARDED_BY(mutex_);
  std::list<Key> ages_ MILLRACE_GUARDED_BY(mutex_);  // least recently used first
  std::deque<Wish> wishes_ MILLRACE_GUARDED_BY(mutex_);
  bool is_stopping_ MILLRACE_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace millrace::journal
