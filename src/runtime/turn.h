// "One after the other" for coroutines: a lock that may be held across a suspension.
#pragma once

#include "base/mutex.h"
#include "runtime/signal.h"
#include "runtime/task.h"

#include <deque>
#include <utility>

namespace millrace::runtime {

/// At most one coroutine holds it; the others get it in the order they came. For rare things that
/// span a wait, such as a change of schema. Any shard. Outlives its holders (checked).
class Turn {
 public:
  /// Has the turn until it is destroyed.
  class Holder {
   public:
    Holder(Holder&& other) noexcept : turn_(std::exchange(other.turn_, nullptr)) {}

    Holder& operator=(Holder&&) = delete;

    ~Holder() {
      if (turn_ != nullptr) {
        turn_->pass_on();
      }
    }

   private:
    friend class Turn;

    explicit Holder(Turn& turn) : turn_(&turn) {}

    Turn* turn_;
  };

  Turn() = default;
  ~Turn();
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

  Task<Holder> take();

 private:
  void pass_on();

  Mutex mutex_;
  bool is_taken_ MILLRACE_GUARDED_BY(mutex_) = false;
  std::deque<Signal*> waiting_ MILLRACE_GUARDED_BY(mutex_);
};

}  // namespace millrace::runtime
