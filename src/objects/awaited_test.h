// For tests of what happens on other threads.
#pragma once

#include "base/mutex.h"

#include <chrono>
#include <cstdint>

namespace millrace::objects {

/// A number that goes up and that is waited for.
class Awaited {
 public:
  void add() {
    {
      MutexLock lock(mutex_);
      ++value_;
    }
    changed_.notify_all();
  }

  uint64_t value() {
    MutexLock lock(mutex_);
    return value_;
  }

  /// false: it does not come.
  bool reaches(uint64_t value) {
    constexpr std::chrono::seconds kPatience{30};
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    MutexLock lock(mutex_);
    while (value_ < value) {
      if (!changed_.wait_for(mutex_, deadline - std::chrono::steady_clock::now())) {
        return false;
      }
    }
    return true;
  }

 private:
  Mutex mutex_;
  Condition changed_;
  uint64_t value_ MILLRACE_GUARDED_BY(mutex_) = 0;
};

}  // namespace millrace::objects
