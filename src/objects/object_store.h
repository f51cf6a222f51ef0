// Whole objects under names: written once, then only read. Files of a directory (local_store.h), a
// bucket (s3_store.h), memory (memory_store.h).
#pragma once

#include "base/result.h"
#include "objects/store_counters.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace millrace::objects {

/// An object on its way. Destroyed without publish(), it leaves nothing behind.
class ObjectWriter {
 public:
  virtual ~ObjectWriter() = default;

  /// Takes all of `bytes`. After an error only destruction helps.
  virtual Status write(std::span<const std::byte> bytes) = 0;

  /// Makes it whole, durable and visible under its name, in place of what was there; the last call.
  /// After an error the object may be there or not, now or a little later, but never in part:
  /// writing the same bytes under the same name again is safe.
  virtual Status publish() = 0;
};

/// An object that is read. Thread-safe.
///
/// When its name is removed or written again meanwhile: the bytes of a local file and of memory
/// stay as they were. A bucket keeps nothing for a reader: read_at() answers kNotFound after a
/// removal, and after an overwrite it gives the new bytes or, where they end, kCorrupt.
class ObjectReader {
 public:
  virtual ~ObjectReader() = default;

  virtual uint64_t bytes() const = 0;
  /// Fills `out` from `position`; after an error it holds anything.
  /// Errors: kCorrupt (the object ends before), kNotFound (removed since, where nothing stays).
  virtual Status read_at(uint64_t position, std::span<std::byte> out) const = 0;
};

struct ObjectInfo {
  std::string name;
  uint64_t bytes = 0;
};

/// Longest name, in bytes. Leaves room for a prefix: a key of S3 has 1,024.
constexpr size_t kMaxNameBytes = 900;

/// Success for a name that every store takes: a relative path of parts between single slashes, none
/// of them empty, "." or "..", without backslashes and control characters. Errors: kInvalid.
Status check_name(const std::string& name);
/// The same for list(): "" is all of the store.
Status check_folder(const std::string& folder);

/// Names are as check_name() says, and compared byte by byte. No name is a folder of another one;
/// a store may refuse it. Thread-safe; blocking: call it on a BlockingPool. It outlives its readers
/// and writers.
///
/// Errors of every call of a store, its readers and its writers, besides those named there:
///   kInvalid     this is no name; the store was not asked
///   kOverloaded  passes by itself, retry == kBackoff: no room, no file may be opened now, a server
///                that is away, slow, or answers 5xx. Every call may be repeated
///   kForbidden   the store cannot be used as it is set: keys, rights, no such bucket; the message
///                says what to mend
///   kIo          the system refused for another reason
class ObjectStore {
 public:
  virtual ~ObjectStore() = default;

  virtual Result<std::unique_ptr<ObjectWriter>> create(const std::string& name) = 0;

  /// All objects below a folder, in order of their names' bytes; none if there is no such folder.
  /// "a" has below it "a/b", but neither "a" itself nor "a-1".
  virtual Result<std::vector<ObjectInfo>> list(const std::string& folder) = 0;

  /// Errors: kNotFound.
  virtual Result<std::unique_ptr<ObjectReader>> read(const std::string& name) = 0;

  /// Errors: kNotFound.
  virtual Result<ObjectInfo> look(const std::string& name) = 0;

  /// Errors: kNotFound. After another error the object may be there or not; of two that remove it
  /// at once in a bucket, both may be told success.
  virtual Status remove(const std::string& name) = 0;

  /// Where readers of files find it: an absolute path or a URL.
  virtual std::string location_of(const std::string& name) const = 0;

  const StoreCounters& counters() const { return counters_; }

 protected:
  StoreCounters counters_;
};

}  // namespace millrace::objects
