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
  if (::flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) {
      return errno_error("flock(2)", path, errno);
    }
    std::array<char, 32> owner{};
    const ssize_t n = ::pread(descriptor, owner.data(), owner.size() - 1, 0);
    const std::string pid(owner.data(), n > 0 ? static_cast<size_t>(n) : 0);
    return make_error(
        Code::kConflict,
        "{}: in use by another process (pid {}); stop it, or choose another directory", path,
        pid.empty() ? "unknown" : pid);
  }
  const std::string pid = std::to_string(::getpid());
  if (::ftruncate(descriptor, 0) != 0 || ::pwrite(descriptor, pid.data(), pid.size(), 0) < 0) {
    // The lock counts, not what the file says: a full disk must not keep the server from starting.
    static_cast<void>(errno);
  }
  return lock;
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
