#include "io/frozen_disk.h"

namespace millrace::io {
namespace {

Error refused(const std::string& path) {
  return make_error(Code::kReadOnly, "{}: it is only looked at, and nothing is changed", path);
}

}  // namespace

Result<std::unique_ptr<File>> FrozenDisk::open(const std::string& path, OpenMode mode,
                                               Access access) {
  if (mode == OpenMode::kCreate || mode == OpenMode::kCreateNew) {
    return refused(path);
  }
  return ForwardingDisk::open(path, OpenMode::kRead, access);
}

Status FrozenDisk::rename(const std::string& from, const std::string& /*to*/) {
  return refused(from);
}

Status FrozenDisk::remove(const std::string& path) {
  return refused(path);
}

Status FrozenDisk::make_directories(const std::string& path) {
  return refused(path);
}

Status FrozenDisk::sync_directory(const std::string& path) {
  return refused(path);
}

Result<std::vector<DirectoryEntry>> FrozenDisk::list(const std::string& path) {
  auto entries = ForwardingDisk::list(path);
  if (!entries.ok() && entries.error().code == Code::kNotFound) {
    return std::vector<DirectoryEntry>();
  }
  return entries;
}

}  // namespace millrace::io
