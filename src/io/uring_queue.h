// The machine's WriteQueue.
#pragma once

#include "io/write_queue.h"

#include <memory>
#include <string>

namespace millrace::io {

/// `descriptor`: open for as long as the queue lives. Errors: kUnsupported (the kernel has no
/// io_uring, or it is forbidden here).
Result<std::unique_ptr<WriteQueue>> make_uring_queue(int descriptor, const std::string& path,
                                                     unsigned depth);

}  // namespace millrace::io
