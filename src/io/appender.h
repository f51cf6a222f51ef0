// A file that only grows: records of any size, from many threads, in few and large writes.
#pragma once

#include "base/result.h"
#include "io/disk.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace millrace::io {

/// How full buffers reach the file.
enum class AppendMethod : uint8_t {
  kPageCache,  // pwritev(2): copied by the kernel, written out by sync()
  kDirect,     // O_DIRECT: past the page cache; whoever fills a buffer waits for the disk
  // O_DIRECT by io_uring: as many under way as there are buffers. The kernel does not wait for them
  // when the process is killed: they may reach the disk after the next one has opened the file.
  kUring,
};

/// "page_cache", "direct", "io_uring".
std::string_view name_of(AppendMethod method);
/// nullopt for any other text.
std::optional<AppendMethod> append_method_of(std::string_view name);

struct AppenderOptions {
  AppendMethod method = AppendMethod::kPageCache;
  size_t buffer_bytes = size_t{256} << 10;  // 4 KiB to 4 MiB, whole blocks (kDirectBlock)
  size_t buffers = 4;                       // 2 to 64: while some are written others are filled
  // Of kPageCache: after so many bytes the kernel is asked to begin to write them out, so that the
  // disk works while records come and sync() finds little left. 0: never.
  size_t writeback_bytes = size_t{1} << 20;
};

/// Appends to one file. The bytes of a record lie at one place, in one piece, in the order in which
/// append() gave out the places.
///
/// Threads: append(), flush(), sync(), reserve() and the getters from any, many at once. close()
/// and destruction when nobody else calls. A record's memory is the caller's again when append()
/// returns, and may have any alignment.
///
/// Errors of all calls: kOverloaded (the disk is full), kIo (the system refused, or the file system
/// is read-only; the message names call and path). But for reserve(), the first error is final:
/// what was appended and not synced may be lost in part, every later call returns that error, and
/// the file has to be looked at from its last sync on. A sync that is repeated proves nothing
/// (Rebello et al., "Can Applications Recover from fsync Failures?", USENIX ATC 2020). Short writes
/// and interrupted calls are gone on with.
class Appender {
 public:
  /// Without close(): what was not flushed is lost.
  virtual ~Appender() = default;

  /// One record, its parts back to back; returns the place of its first byte. Waits while all
  /// buffers are full.
  virtual Result<uint64_t> append(std::span<const ConstBytes> parts) = 0;
  /// All that was appended before this call is in the system's hands: it survives the end of this
  /// process, and readers of the file see it. Past the page cache the file may end with zeros, up
  /// to a whole block.
  virtual Status flush() = 0;
  /// All that was appended before this call survives a power cut. Calls that come together share
  /// one fdatasync(2).
  virtual Status sync() = 0;
  /// Gives the file room up to `size` bytes, so that appends below that cannot meet a full disk. An
  /// error leaves all as it was.
  virtual Status reserve(uint64_t size) = 0;
  /// flush(), then takes back what was reserved or padded behind the last record, and closes the
  /// file. Later calls answer kInvalid.
  virtual Status close() = 0;

  /// Where the next record goes: the file's size once all is flushed.
  virtual uint64_t position() const = 0;
  /// All below it survives a power cut.
  virtual uint64_t synced_position() const = 0;
  /// Bytes of all buffers.
  virtual size_t buffer_memory() const = 0;

  /// One part.
  Result<uint64_t> append(ConstBytes record) { return append(std::span(&record, 1)); }
};

/// Opens `path` to append from `position` on, behind which the file holds nothing that matters: a
/// block that begins below it may be padded with zeros. Nothing is allocated after this, but for
/// records of more than 1,000 parts. Errors: kInvalid (options out of range), kUnsupported (the
/// file system has no O_DIRECT, the kernel no io_uring), those of Disk::open.
Result<std::unique_ptr<Appender>> open_appender(Disk& disk, const std::string& path, OpenMode mode,
                                                uint64_t position, const AppenderOptions& options);

}  // namespace millrace::io
