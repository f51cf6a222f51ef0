// Calls a function at a moment, unless it is taken back before: ends queries that run too long.
#pragma once

#include "base/mutex.h"
#include "runtime/deadline.h"

#include <cstdint>
#include <functional>
#include <map>
#include <thread>
#include <utility>

namespace millrace::query {

/// One thread that sleeps until the nearest deadline; there is none before the first add().
/// Thread-safe.
class DeadlineWatch {
 public:
  DeadlineWatch() = default;
  ~DeadlineWatch();
  DeadlineWatch(const DeadlineWatch&) = delete;
  DeadlineWatch& operator=(const DeadlineWatch&) = delete;

  /// `expired` is called once, on the watch's thread, at the deadline; it must be quick, and
  /// neither throw nor call this object.
  uint64_t add(runtime::Deadline deadline, std::function<void()> expired);
  /// It is not called any more once this has returned.
  void remove(uint64_t id);

 private:
  using Key = std::pair<runtime::Deadline, uint64_t>;

  void run() noexcept;

  Mutex mutex_;
  Condition changed_;
  std::map<Key, std::function<void()>> waiting_ MILLRACE_GUARDED_BY(mutex_);
  std::map<uint64_t, runtime::Deadline> deadlines_ MILLRACE_GUARDED_BY(mutex_);
  uint64_t next_id_ MILLRACE_GUARDED_BY(mutex_) = 1;
  bool is_stopped_ MILLRACE_GUARDED_BY(mutex_) = false;
  std::thread thread_ MILLRACE_GUARDED_BY(mutex_);
};

}  // namespace millrace::query
