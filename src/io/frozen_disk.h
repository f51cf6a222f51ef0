// A disk to look at.
#pragma once

#include "base/result.h"
#include "io/forwarding_disk.h"

#include <memory>
#include <string>
#include <vector>

namespace millrace::io {

/// A disk on which nothing changes, whatever is asked of it: what would is kReadOnly. A folder that
/// is not there is an empty one.
class FrozenDisk final : public ForwardingDisk {
 public:
  using ForwardingDisk::ForwardingDisk;
  using ForwardingDisk::open;

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode,
                                     Access access) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Status make_directories(const std::string& path) override;
  Status sync_directory(const std::string& path) override;
  Result<std::vector<DirectoryEntry>> list(const std::string& path) override;
};

}  // namespace millrace::io
