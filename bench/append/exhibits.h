// Four ways of appending that programs use today, behind the interface of io::Appender, to be
// measured beside it. Each has one lock, as io::Appender allows any thread.
#pragma once

#include "io/appender.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace millrace::bench {

enum class Exhibit : uint8_t {
  kWriteEach,    // one pwritev(2) a record
  kBuffered,     // one buffer, filled to its last byte: a record may be split between two writes
  kPageAligned,  // one buffer of whole pages, written when the next record does not fit in it
  kMapped,       // memory that is the file: mmap(2), msync(2)
};

/// Makes `path`, or writes over it from its start. `buffer_bytes`: of kBuffered and kPageAligned.
/// kMapped takes what reserve() made room for and no more (kTooLarge); its close() cuts the file to
/// what was appended. Errors: as io::open_appender.
Result<std::unique_ptr<io::Appender>> open_exhibit(Exhibit exhibit, io::Disk& disk,
                                                   const std::string& path, size_t buffer_bytes);

}  // namespace millrace::bench
