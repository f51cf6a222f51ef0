#include "io/medium.h"

#include <fmt/format.h>

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>
#include <string_view>

namespace millrace::io {
namespace {

struct Known {
  uint64_t magic;
  std::string_view name;
  bool is_network;
};

constexpr std::array kKnown{
    Known{0xEF53, "ext4", false},         Known{0x58465342, "xfs", false},
    Known{0x9123683E, "btrfs", false},    Known{0x01021994, "tmpfs", false},
    Known{0x2FC12FC1, "zfs", false},      Known{0xF2F52010, "f2fs", false},
    Known{0x794C7630, "overlay", false},  Known{0x65735546, "fuse", false},
    Known{0xCA451A4E, "bcachefs", false}, Known{0x6969, "nfs", true},
    Known{0xFF534D42, "cifs", true},      Known{0xFE534D42, "smb2", true},
    Known{0x517B, "smb", true},           Known{0x00C36400, "ceph", true},
    Known{0x5346414F, "afs", true},       Known{0x6B414653, "afs", true},
    Known{0x01021997, "9p", false},       Known{0x0BD00BD0, "lustre", true},
    Known{0x47504653, "gpfs", true},      Known{0x20030528, "orangefs", true},
};

/// What the kernel says of the block device below a file; for a partition, of its disk.
bool is_rotational(dev_t device) {
  const std::string folder = fmt::format("/sys/dev/block/{}:{}/", major(device), minor(device));
  for (const char* queue : {"queue/rotational", "../queue/rotational"}) {
    std::ifstream in(folder + queue);
    int rotational = 0;
    if (in >> rotational) {
      return rotational == 1;
    }
  }
  return false;
}

}  // namespace

Medium medium_named(uint64_t magic) {
  const auto known = std::ranges::find(kKnown, magic, &Known::magic);
  return known == kKnown.end() ? Medium{fmt::format("{:#x}", magic), false, false}
                               : Medium{std::string(known->name), known->is_network, false};
}

Result<Medium> medium_of(const std::string& path) {
  struct statfs system{};
  struct stat info{};
  if (::statfs(path.c_str(), &system) != 0) {
    return errno_error("statfs(2)", path, errno);
  }
  if (::stat(path.c_str(), &info) != 0) {
    return errno_error("stat(2)", path, errno);
  }
  Medium medium = medium_named(static_cast<uint32_t>(system.f_type));
  medium.is_rotational = is_rotational(info.st_dev);
  return medium;
}

}  // namespace millrace::io
