#include "io/lock_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

namespace millrace::io {

Result<LockFile> LockFile::acquire(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor < 0) {
    return errno_error("open(2)", path, errno);
  }
  LockFile lock(descriptor);
  MILLRACE_TRY_STATUS(lock.lock(path));
  const std::string pid = std::to_string(::getpid());
  if (::ftruncate(descriptor, 0) != 0 || ::pwrite(descriptor, pid.data(), pid.size(), 0) < 0) {
    // The lock counts, not what the file says: a full disk must not keep the server from starting.
    static_cast<void>(errno);
  }
  return lock;
}

Result<LockFile> LockFile::acquire_to_read(const std::string& path) {
  auto lock = acquire(path);
  if (lock.ok() || lock.error().code == Code::kConflict) {
    return lock;
  }
  LockFile read_only(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (read_only.descriptor_ < 0) {
    return errno == ENOENT ? std::move(read_only) : Result<LockFile>(std::move(lock).error());
  }
  MILLRACE_TRY_STATUS(read_only.lock(path));
  return read_only;
}

Status LockFile::lock(const std::string& path) const {
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) == 0) {
    return {};
  }
  if (errno != EWOULDBLOCK) {
    return errno_error("flock(2)", path, errno);
  }
  std::array<char, 32> owner{};
  const ssize_t n = ::pread(descriptor_, owner.data(), owner.size() - 1, 0);
  const std::string pid(owner.data(), n > 0 ? static_cast<size_t>(n) : 0);
  return make_error(Code::kConflict,
                    "{}: in use by another process (pid {}); stop it, or choose another directory",
                    path, pid.empty() ? "unknown" : pid);
}

LockFile::LockFile(LockFile&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

LockFile& LockFile::operator=(LockFile&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

LockFile::~LockFile() {
  if (descriptor_ >= 0) {
    ::close(descriptor_);
  }
}

}  // namespace millrace::io
