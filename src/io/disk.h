// Files and directories behind an interface, so that the same code runs on a real file system and
// on one that loses power (io/simulated_disk.h).
#pragma once

#include "base/result.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace millrace::io {

using ConstBytes = std::span<const std::byte>;
using MutableBytes = std::span<std::byte>;

class WriteQueue;

/// One open file, read and written by position. Thread-safe for reads, and for writes of other
/// ranges, beside a write.
/// Errors: kIo (the system refused; message names call, path and reason), kOverloaded (disk full).
class File {
 public:
  virtual ~File() = default;

  /// Fills `out` from `position`; returns fewer bytes only at the end of the file.
  virtual Result<size_t> read_at(uint64_t position, MutableBytes out) const = 0;
  /// One pwritev(2) of the parts, back to back from `position`. Returns how many bytes were
  /// written: fewer than asked for when the system stopped in between, 0 when a signal came first.
  virtual Result<size_t> write_some(uint64_t position, std::span<const ConstBytes> parts) = 0;
  /// fdatasync(2): what was written, and the size, survive a power cut once this returns. After an
  /// error nothing is known of unsynced bytes and a later success proves nothing: do not retry.
  virtual Status sync() = 0;
  /// Has the system begin to write out [position, position + bytes), so that a later sync() has
  /// less to do. A hint: nothing is durable by it, a file may ignore it, and what fails is told by
  /// sync().
  virtual void begin_writeback(uint64_t position, uint64_t bytes);
  /// Sets the size; grows by zeros that may be holes.
  virtual Status resize(uint64_t size) = 0;
  /// Gives blocks to [0, size) without changing bytes: a later write inside cannot meet a full
  /// disk.
  virtual Status reserve(uint64_t size) = 0;
  virtual Result<uint64_t> size() const = 0;
  /// Up to `depth` writes at once, see write_queue.h. Errors: kUnsupported (no io_uring here).
  virtual Result<std::unique_ptr<WriteQueue>> make_queue(unsigned depth);
  virtual const std::string& path() const = 0;

  /// Writes all parts back to back from `position`, growing the file. After an error any part of
  /// the range may hold old or new bytes.
  Status write_at(uint64_t position, std::span<const ConstBytes> parts);

  /// One part.
  Status write_at(uint64_t position, ConstBytes bytes) {
    return write_at(position, std::span(&bytes, 1));
  }

  /// read_at that calls a short read kCorrupt.
  Status read_exactly_at(uint64_t position, MutableBytes out) const;
};

struct DirectoryEntry {
  std::string name;  // without the directory
  bool is_directory = false;
  uint64_t size = 0;
};

struct Space {
  uint64_t free_bytes = 0;  // for an ordinary user
  uint64_t total_bytes = 0;
};

enum class OpenMode : uint8_t {
  kRead,       // must exist
  kReadWrite,  // must exist
  kCreate,     // read and write, made when missing
  kCreateNew,  // read and write; kConflict when it exists
};

/// What stands between write_at() and the disk.
enum class Access : uint8_t {
  kPageCache,
  kNoReadAhead,  // the page cache, and nothing is read into it that nobody asked for
  kDirect,       // nothing (O_DIRECT): memory, positions and lengths are multiples of kDirectBlock
};

constexpr size_t kDirectBlock = 4096;  // enough for every disk with blocks of 512 or 4096 bytes

/// A tree of files. Paths are as the system takes them. Thread-safe.
/// Errors besides File's: kNotFound, kConflict.
class Disk {
 public:
  virtual ~Disk() = default;

  /// Errors: kUnsupported (kDirect on a file system that has none), kIo (a directory).
  virtual Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode,
                                             Access access) = 0;

  /// By way of the page cache.
  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) {
    return open(path, mode, Access::kPageCache);
  }

  /// Replaces `to`. Durable after sync_directory of both parents.
  virtual Status rename(const std::string& from, const std::string& to) = 0;
  /// A file or an empty directory. Durable after sync_directory of the parent.
  virtual Status remove(const std::string& path) = 0;
  /// Makes the directory and its parents, and syncs each parent that changed; that of the directory
  /// also when this was there, unless we may not read it.
  virtual Status make_directories(const std::string& path) = 0;
  virtual Status sync_directory(const std::string& path) = 0;
  /// In order of name.
  virtual Result<std::vector<DirectoryEntry>> list(const std::string& path) = 0;
  virtual Result<bool> exists(const std::string& path) = 0;
  virtual Result<Space> space(const std::string& path) = 0;

  /// Whole content; for small files.
  Result<std::vector<std::byte>> read_file(const std::string& path);
  /// Writes `path`.tmp, syncs it, renames it to `path`, syncs the directory.
  Status replace_file(const std::string& path, ConstBytes content);
};

/// "/a/b" of "/a/b/c"; "." when there is no slash.
std::string parent_of(const std::string& path);

/// The machine's file systems. Lives as long as the process.
Disk& posix_disk();

}  // namespace millrace::io
