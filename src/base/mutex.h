// A mutex that clang's -Wthread-safety understands: state it guards is marked MILLRACE_GUARDED_BY.
#pragma once

#include <condition_variable>
#include <mutex>

#if defined(__clang__)
#define MILLRACE_ANNOTATE(x) __attribute__((x))
#else
#define MILLRACE_ANNOTATE(x)
#endif
#define MILLRACE_GUARDED_BY(x) MILLRACE_ANNOTATE(guarded_by(x))
#define MILLRACE_REQUIRES(...) MILLRACE_ANNOTATE(requires_capability(__VA_ARGS__))
#define MILLRACE_EXCLUDES(...) MILLRACE_ANNOTATE(locks_excluded(__VA_ARGS__))

namespace millrace {

class MILLRACE_ANNOTATE(capability("mutex")) Mutex {
 public:
  void lock() MILLRACE_ANNOTATE(acquire_capability()) { mutex_.lock(); }

  void unlock() MILLRACE_ANNOTATE(release_capability()) { mutex_.unlock(); }

 private:
  std::mutex mutex_;
};

class MILLRACE_ANNOTATE(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) MILLRACE_ANNOTATE(acquire_capability(mutex)) : mutex_(mutex) {
    mutex_.lock();
  }

  ~MutexLock() MILLRACE_ANNOTATE(release_capability()) { mutex_.unlock(); }

  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

/// Waits with a Mutex that the caller holds.
class Condition {
 public:
  void wait(Mutex& mutex) MILLRACE_REQUIRES(mutex) { condition_.wait(mutex); }

  /// false when `duration` passed first.
  template <typename Rep, typename Period>
  bool wait_for(Mutex& mutex, std::chrono::duration<Rep, Period> duration)
      MILLRACE_REQUIRES(mutex) {
    return condition_.wait_for(mutex, duration) == std::cv_status::no_timeout;
  }

  void notify_one() { condition_.notify_one(); }

  void notify_all() { condition_.notify_all(); }

 private:
  std::condition_variable_any condition_;
};

}  // namespace millrace
