// The one Appender of this folder: buffers that many threads fill.
#pragma once

#include "io/appender.h"

#include <cstdint>
#include <memory>

namespace millrace::io {

/// `file` was opened as the method needs it; `options` are in range. Errors: as open_appender.
Result<std::unique_ptr<Appender>> make_buffered_appender(std::unique_ptr<File> file,
                                                         uint64_t position,
                                                         const AppenderOptions& options);

}  // namespace millrace::io
