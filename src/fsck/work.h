// What the parts of a check share.
#pragma once

#include "base/result.h"
#include "fsck/report.h"
#include "io/forwarding_disk.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

namespace millrace::fsck {

/// A disk on which nothing changes, whatever is asked of it: what would is kReadOnly. A folder that
/// is not there is an empty one.
class FrozenDisk final : public io::ForwardingDisk {
 public:
  using io::ForwardingDisk::ForwardingDisk;
  using io::ForwardingDisk::open;

  Result<std::unique_ptr<io::File>> open(const std::string& path, io::OpenMode mode,
                                         io::Access access) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Status make_directories(const std::string& path) override;
  Status sync_directory(const std::string& path) override;
  Result<std::vector<io::DirectoryEntry>> list(const std::string& path) override;
};

/// One thread.
struct Work {
  io::Disk& disk;
  std::string data;  // the directory
  Report& report;
  std::function<void(uint64_t)> progress;  // bytes read so far
  const std::atomic<bool>* stop = nullptr;

  void add(Finding finding) { report.findings.push_back(std::move(finding)); }

  /// Counts what was read. Errors: kCancelled.
  Status read(uint64_t bytes);
};

}  // namespace millrace::fsck
