// A lock for a few dozen instructions: one atomic exchange where Mutex has two.
#pragma once

#include "base/mutex.h"

#include <immintrin.h>
#include <sched.h>

#include <atomic>

namespace millrace {

/// Held for copies of at most 16 KiB and never across a system call: who waits does not sleep.
class MILLRACE_ANNOTATE(capability("mutex")) SpinLock {
 public:
  void lock() MILLRACE_ANNOTATE(acquire_capability()) {
    while (is_locked_.exchange(true, std::memory_order_acquire)) {
      for (int looks = 0; is_locked_.load(std::memory_order_relaxed); ++looks) {
        if (looks < kLooks) {
          _mm_pause();
        } else {
          ::sched_yield();  // its holder may have lost its core
        }
      }
    }
  }

  void unlock() MILLRACE_ANNOTATE(release_capability()) {
    is_locked_.store(false, std::memory_order_release);
  }

 private:
  static constexpr int kLooks = 64;

  std::atomic<bool> is_locked_{false};
};

class MILLRACE_ANNOTATE(scoped_lockable) SpinGuard {
 public:
  explicit SpinGuard(SpinLock& lock) MILLRACE_ANNOTATE(acquire_capability(lock)) : lock_(lock) {
    lock_.lock();
  }

  ~SpinGuard() MILLRACE_ANNOTATE(release_capability()) { lock_.unlock(); }

  SpinGuard(const SpinGuard&) = delete;
  SpinGuard& operator=(const SpinGuard&) = delete;

 private:
  SpinLock& lock_;
};

}  // namespace millrace
