#include "fsck/work.h"

#include <algorithm>

namespace millrace::fsck {
namespace {

Error refused(const std::string& path) {
  return make_error(Code::kReadOnly, "{}: a check changes nothing", path);
}

}  // namespace

size_t Report::count(Kind kind) const {
  return static_cast<size_t>(std::ranges::count(findings, kind, &Finding::kind));
}

Result<std::unique_ptr<io::File>> FrozenDisk::open(const std::string& path, io::OpenMode mode,
                                                   io::Access access) {
  if (mode == io::OpenMode::kCreate || mode == io::OpenMode::kCreateNew) {
    return refused(path);
  }
  return io::ForwardingDisk::open(path, io::OpenMode::kRead, access);
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

Result<std::vector<io::DirectoryEntry>> FrozenDisk::list(const std::string& path) {
  auto entries = io::ForwardingDisk::list(path);
  if (!entries.ok() && entries.error().code == Code::kNotFound) {
    return std::vector<io::DirectoryEntry>();
  }
  return entries;
}

Status Work::read(uint64_t bytes) {
  report.bytes += bytes;
  if (progress) {
    progress(report.bytes);
  }
  return stop != nullptr && stop->load() ? Status(make_error(Code::kCancelled, "interrupted"))
                                         : Status();
}

}  // namespace millrace::fsck
