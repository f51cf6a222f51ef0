#include "runtime/turn.h"

#include "base/check.h"
#include "runtime/coroutine.h"

namespace millrace::runtime {

Turn::~Turn() {
  MutexLock lock(mutex_);
  MILLRACE_CHECK(!is_taken_, "a turn destroyed while somebody has it");
}

Task<Turn::Holder> Turn::take() {
  Signal ours;
  bool must_wait = false;
  {
    MutexLock lock(mutex_);
    must_wait = is_taken_;
    is_taken_ = true;
    if (must_wait) {
      waiting_.push_back(&ours);
    }
  }
  if (must_wait) {
    co_await ours.wait(Deadline::never());
  }
  co_return Holder(*this);
}

void Turn::pass_on() {
  Signal* next = nullptr;
  {
    MutexLock lock(mutex_);
    if (waiting_.empty()) {
      is_taken_ = false;
    } else {
      next = waiting_.front();
      waiting_.pop_front();
    }
  }
  if (next != nullptr) {
    next->set();
  }
}

}  // namespace millrace::runtime
