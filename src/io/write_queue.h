// Writes to one file that are under way while their caller goes on.
#pragma once

#include "base/result.h"
#include "io/disk.h"

#include <cstdint>

namespace millrace::io {

/// Begun by submit(), ended by wait(), in any order. On Linux io_uring: io_uring(7).
///
/// Threads: one in submit() and one in wait() at a time, both at once.
class WriteQueue {
 public:
  struct Done {
    uint64_t id = 0;            // as submitted
    Result<size_t> written{0};  // as File::write_some
  };

  /// Waits for all that is under way.
  virtual ~WriteQueue() = default;

  /// Begins to write `bytes`, which stay as they are until wait() has returned `id`. No more than
  /// the depth are under way. Errors: kIo (not begun).
  virtual Status submit(uint64_t position, ConstBytes bytes, uint64_t id) = 0;

  /// Waits for the end of any one write. One at least is under way.
  virtual Done wait() = 0;
};

}  // namespace millrace::io
