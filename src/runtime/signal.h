// "It is done": told once by any thread, awaited by at most one coroutine.
#pragma once

#include "runtime/deadline.h"
#include "runtime/task.h"

#include <atomic>
#include <cstddef>
#include <span>

namespace millrace::runtime {

class Shard;

/// One event that happens once. No allocation of its own: the waiting coroutine is kept inside.
///
/// Lifetime: may be destroyed as soon as wait() has returned true, even while set() has not yet
/// returned on its thread: set() does not touch it after that. After a wait() that returned false
/// the setter may still come, so whoever owns both must keep the Signal until it did.
class Signal {
 public:
  Signal() = default;
  ~Signal();
  Signal(const Signal&) = delete;
  Signal& operator=(const Signal&) = delete;

  /// Wakes the waiter, now or whenever it comes. Any thread; a second call does nothing. The waiter
  /// resumes from its shard's loop, never inside this call.
  void set();

  /// set() for each, in this order, with one post per shard: a batch of any size costs one wake-up
  /// of each shard that waits. Null pointers are allowed.
  static void set_all(std::span<Signal* const> signals);

  bool is_set() const { return state_.load(std::memory_order_acquire) == State::kSet; }

  /// Returns: true once set (at once when it was already), false when `deadline` passed first; then
  /// it may be awaited again. Shard: any; one waiter at a time (checked).
  Task<bool> wait(Deadline deadline);

 private:
  enum class State : unsigned char { kIdle, kWaiting, kSet };

  static constexpr size_t kHandlerBytes = 32;

  /// true: a waiter was there and is now ours to resume.
  bool claim();
  void park(void* handler);
  void resume(bool value);
  static void resume_all(Shard& shard, Signal* first);
  static void expired(void* self);

  // Who moves state_ away from kWaiting owns the handler, the shard and the link.
  std::atomic<State> state_{State::kIdle};
  alignas(std::max_align_t) std::byte handler_[kHandlerBytes];
  Shard* shard_ = nullptr;
  Signal* next_ = nullptr;
};

}  // namespace millrace::runtime
