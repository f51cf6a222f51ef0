#include "runtime/waiters.h"

#include "base/check.h"
#include "runtime/coroutine.h"
#include "runtime/signal.h"

#include <array>
#include <span>

namespace millrace::runtime {

struct WaitList::Waiter {
  Signal signal;
  Waiter* next = nullptr;
  Waiter* previous = nullptr;
  bool is_linked = true;
};

WaitList::~WaitList() {
  MILLRACE_CHECK(first_ == nullptr, "a wait list was destroyed under its waiters");
}

Task<Woken> WaitList::wait(Deadline deadline, CancelToken cancel) {
  Waiter waiter;
  waiter.previous = last_;
  (last_ == nullptr ? first_ : last_->next) = &waiter;
  last_ = &waiter;
  ++size_;
  bool in_time = false;
  {
    const CancelCallback wake(cancel, [&waiter] { waiter.signal.set(); });
    in_time = co_await waiter.signal.wait(deadline);
  }
  if (!waiter.is_linked) {
    co_return Woken::kNotified;  // also when the deadline or the cancel came in the same turn
  }
  unlink(waiter);
  co_return in_time ? Woken::kCancelled : Woken::kTimeout;
}

void WaitList::unlink(Waiter& waiter) {
  (waiter.previous == nullptr ? first_ : waiter.previous->next) = waiter.next;
  (waiter.next == nullptr ? last_ : waiter.next->previous) = waiter.previous;
  waiter.is_linked = false;
  --size_;
}

void WaitList::notify_all() {
  std::array<Signal*, 64> batch;
  while (first_ != nullptr) {
    size_t used = 0;
    for (; first_ != nullptr && used < batch.size(); ++used) {
      batch[used] = &first_->signal;
      unlink(*first_);
    }
    Signal::set_all(std::span(batch).first(used));
  }
}

}  // namespace millrace::runtime
