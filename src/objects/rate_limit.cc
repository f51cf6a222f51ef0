#include "objects/rate_limit.h"

#include <algorithm>

namespace millrace::objects {

void RateLimit::wait_for(uint64_t bytes) {
  MutexLock lock(mutex_);
  if (bytes_per_second_ == 0) {
    return;
  }
  const auto start = std::max(paid_at_, clock_.steady() - kBurst);
  const std::chrono::duration<double> price(static_cast<double>(bytes) /
                                            static_cast<double>(bytes_per_second_));
  paid_at_ = start + std::chrono::duration_cast<std::chrono::nanoseconds>(price);
  while (!is_stopped_ && bytes_per_second_ != 0) {
    const auto left = start - clock_.steady();
    if (left <= left.zero()) {
      return;
    }
    changed_.wait_for(mutex_, left);
  }
}

void RateLimit::set(uint64_t bytes_per_second) {
  {
    MutexLock lock(mutex_);
    bytes_per_second_ = bytes_per_second;
    if (bytes_per_second == 0) {
      paid_at_ = {};
    }
  }
  changed_.notify_all();
}

void RateLimit::stop() {
  {
    MutexLock lock(mutex_);
    is_stopped_ = true;
  }
  changed_.notify_all();
}

}  // namespace millrace::objects
