// One process a directory.
#pragma once

#include "base/result.h"

#include <string>

namespace millrace::io {

/// Holds an exclusive flock(2) on a file until destruction; the kernel lets go of it when the
/// process dies in any way. The file holds the owner's process id, for people, and is never
/// removed.
class LockFile {
 public:
  /// Errors: kConflict (another process holds it: names the file and that process), kIo,
  /// kOverloaded.
  static Result<LockFile> acquire(const std::string& path);

  /// For who changes nothing: where nothing can be written, holds the file that is there, or
  /// nothing, as no process ever used the directory.
  static Result<LockFile> acquire_to_read(const std::string& path);

  LockFile(LockFile&& other) noexcept;
  LockFile& operator=(LockFile&& other) noexcept;
  ~LockFile();

 private:
  explicit LockFile(int descriptor) : descriptor_(descriptor) {}

  Status lock(const std::string& path) const;

  int descriptor_ = -1;  // -1: none
};

}  // namespace millrace::io
