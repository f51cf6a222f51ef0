// Coroutines that wait until something changes: long polls.
#pragma once

#include "runtime/cancel_token.h"
#include "runtime/deadline.h"
#include "runtime/task.h"

#include <cstddef>

namespace millrace::runtime {

enum class Woken : unsigned char { kNotified, kTimeout, kCancelled };

/// Lives on one shard; every call is from there. Outlives its waiters (checked).
///
///   while (!log.has(offset)) {
///     if (co_await changed.wait(deadline, cancel) != Woken::kNotified) { break; }
///   }
class WaitList {
 public:
  WaitList() = default;
  ~WaitList();
  WaitList(const WaitList&) = delete;
  WaitList& operator=(const WaitList&) = delete;

  /// Suspends until the next notify_all(). What came before is not remembered: look at the
  /// condition first, without a suspension in between. `cancel` may be cancelled from any thread.
  Task<Woken> wait(Deadline deadline, CancelToken cancel = {});

  /// Wakes all that wait now, in the order they came. They resume from the loop, after this call.
  void notify_all();

  size_t size() const { return size_; }

 private:
  struct Waiter;

  void unlink(Waiter& waiter);

  Waiter* first_ = nullptr;
  Waiter* last_ = nullptr;
  size_t size_ = 0;
};

}  // namespace millrace::runtime
