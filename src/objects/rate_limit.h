// So many bytes a second: who wants more waits.
#pragma once

#include "base/clock.h"
#include "base/mutex.h"

#include <chrono>
#include <cstdint>

namespace millrace::objects {

/// A bucket of tokens that holds what kBurst brings. Callers are served in the order in which they
/// came, each when those before it are paid for: also more bytes than the bucket holds are given,
/// and paid for by those who come after. Thread-safe; blocks; the clock outlives it.
class RateLimit {
 public:
  static constexpr std::chrono::milliseconds kBurst{250};

  /// 0 bytes a second: no limit.
  RateLimit(const Clock& clock, uint64_t bytes_per_second)
      : clock_(clock), bytes_per_second_(bytes_per_second) {}

  /// Returns when `bytes` may be read.
  void wait_for(uint64_t bytes);

  /// For those who come from now on; who waits keeps its time, which is looked at again. 0 lets
  /// all of them go.
  void set(uint64_t bytes_per_second);

  /// Nobody waits any more.
  void stop();

 private:
  const Clock& clock_;
  Mutex mutex_;
  Condition changed_;
  uint64_t bytes_per_second_ MILLRACE_GUARDED_BY(mutex_);
  bool is_stopped_ MILLRACE_GUARDED_BY(mutex_) = false;
  /// When all that was given is paid for.
  std::chrono::steady_clock::time_point paid_at_ MILLRACE_GUARDED_BY(mutex_);
};

}  // namespace millrace::objects
