// The disk alone, as a measure beside the appenders.
#pragma once

#include "io/disk.h"

#include <cstdint>
#include <string>

namespace millrace::bench {

/// Writes [0, bytes) of `path`, which is as long, by O_DIRECT out of eight ready buffers that are
/// all under way at once, then syncs. Errors: as io::open_appender; kInvalid (`bytes` or
/// `buffer_bytes` is no multiple of a block).
Status write_raw(io::Disk& disk, const std::string& path, uint64_t bytes, size_t buffer_bytes);

constexpr size_t kRawDepth = 8;

}  // namespace millrace::bench
