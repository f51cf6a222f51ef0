// What a directory stands on: a local disk or somebody else's, one that turns or not.
#pragma once

#include "base/result.h"

#include <cstdint>
#include <string>

namespace millrace::io {

struct Medium {
  std::string file_system;     // "ext4"; its number in statfs(2), "0x58465342", where unknown
  bool is_network = false;     // locks and syncs are what a server far away makes of them
  bool is_rotational = false;  // a sync waits for a disk to turn; false where nobody says
};

/// Of `path`, which exists. Errors: kIo, kNotFound.
Result<Medium> medium_of(const std::string& path);

/// Of a number of statfs(2), as <linux/magic.h> and the file systems' own sources have them.
Medium medium_named(uint64_t magic);

}  // namespace millrace::io
