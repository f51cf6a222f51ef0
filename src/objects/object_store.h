// Whole objects under names: written once, then only read. Local: files of a directory.
#pragma once

#include "base/result.h"

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

  /// Takes all of `bytes`. Errors: kOverloaded (no room), kIo; then only destruction helps.
  virtual Status write(std::span<const std::byte> bytes) = 0;

  /// Makes it whole, durable and visible under its name; the last call. Errors: kOverloaded, kIo:
  /// the object may be there or not.
  virtual Status publish() = 0;
};

/// An object that is read. Its bytes stay, whatever happens to its name meanwhile. Thread-safe.
class ObjectReader {
 public:
  virtual ~ObjectReader() = default;

  virtual uint64_t bytes() const = 0;
  /// Fills `out` from `position`. Errors: kCorrupt (the object ends before), kIo.
  virtual Status read_at(uint64_t position, std::span<std::byte> out) const = 0;
};

struct ObjectInfo {
  std::string name;
  uint64_t bytes = 0;
};

/// Names are relative paths. Thread-safe; blocking: call it on a BlockingPool.
class ObjectStore {
 public:
  virtual ~ObjectStore() = default;

  /// Errors: kOverloaded, kIo.
  virtual Result<std::unique_ptr<ObjectWriter>> create(const std::string& name) = 0;

  /// All objects below a folder, in order of name; none if there is no such folder.
  virtual Result<std::vector<ObjectInfo>> list(const std::string& folder) = 0;

  /// Errors: kNotFound, kOverloaded (no file may be opened now), kIo.
  virtual Result<std::unique_ptr<ObjectReader>> read(const std::string& name) = 0;

  /// Errors: kNotFound.
  virtual Result<ObjectInfo> look(const std::string& name) = 0;

  /// Errors: kNotFound, kIo.
  virtual Status remove(const std::string& name) = 0;

  /// Where readers of files find it: an absolute path or a URL.
  virtual std::string location_of(const std::string& name) const = 0;
};

}  // namespace millrace::objects
