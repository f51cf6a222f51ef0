#include "runtime/timer.h"

#include "base/check.h"
#include "runtime/shard.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <utility>

namespace millrace::runtime {

struct TimerQueue::Alarm {
  explicit Alarm(boost::asio::io_context& context) : timer(context) {}

  boost::asio::steady_timer timer;
};

Timer::Timer(Expired expired, void* owner)
    : queue_(Shard::here().timers()), expired_(expired), owner_(owner) {}

Timer::~Timer() {
  if (index_ != kNotQueued) {
    queue_.remove(*this);
  }
}

void Timer::arm(Deadline deadline) {
  deadline_ = deadline;
  if (deadline.is_never() || (index_ != kNotQueued && deadline >= sorted_by_)) {
    return;
  }
  sorted_by_ = deadline;
  if (index_ == kNotQueued) {
    queue_.insert(*this);
  } else {
    queue_.sift_up(index_);
  }
  if (index_ == 0) {
    queue_.arm_alarm();
  }
}

TimerQueue::TimerQueue(boost::asio::io_context& context, const Clock& clock)
    : clock_(clock), alarm_(std::make_unique<Alarm>(context)) {}

TimerQueue::~TimerQueue() {
  for (Timer* timer : heap_) {
    timer->index_ = Timer::kNotQueued;
  }
}

void TimerQueue::run_due() {
  const Deadline now(clock_.steady());
  while (!heap_.empty() && heap_.front()->sorted_by_ <= now) {
    Timer& timer = *heap_.front();
    remove(timer);
    if (timer.deadline_ > now) {
      if (!timer.deadline_.is_never()) {
        timer.sorted_by_ = timer.deadline_;
        insert(timer);
      }
      continue;
    }
    timer.deadline_ = Deadline::never();
    timer.expired_(timer.owner_);
  }
  arm_alarm();
}

void TimerQueue::arm_alarm() {
  if (heap_.empty() || heap_.front()->sorted_by_ >= alarm_at_) {
    return;  // an alarm for a timer that went away finds nothing to do
  }
  alarm_at_ = heap_.front()->sorted_by_;
  alarm_->timer.expires_after(alarm_at_.remaining(clock_));
  alarm_->timer.async_wait([this](boost::system::error_code error) {
    if (!error) {
      alarm_at_ = Deadline::never();
      run_due();
    }
  });
}

void TimerQueue::insert(Timer& timer) {
  heap_.push_back(&timer);
  timer.index_ = heap_.size() - 1;
  sift_up(timer.index_);
}

void TimerQueue::remove(Timer& timer) {
  const size_t index = std::exchange(timer.index_, Timer::kNotQueued);
  MILLRACE_DCHECK(index < heap_.size() && heap_[index] == &timer, "timer used off its shard");
  Timer* last = heap_.back();
  heap_.pop_back();
  if (last != &timer) {
    place(index, last);
    sift_up(index);
    sift_down(last->index_);
  }
}

void TimerQueue::place(size_t index, Timer* timer) {
  heap_[index] = timer;
  timer->index_ = index;
}

void TimerQueue::sift_up(size_t index) {
  Timer* timer = heap_[index];
  while (index > 0) {
    const size_t parent = (index - 1) / 2;
    if (heap_[parent]->sorted_by_ <= timer->sorted_by_) {
      break;
    }
    place(index, heap_[parent]);
    index = parent;
  }
  place(index, timer);
}

void TimerQueue::sift_down(size_t index) {
  Timer* timer = heap_[index];
  for (size_t child = 2 * index + 1; child < heap_.size(); child = 2 * index + 1) {
    if (child + 1 < heap_.size() && heap_[child + 1]->sorted_by_ < heap_[child]->sorted_by_) {
      ++child;
    }
    if (timer->sorted_by_ <= heap_[child]->sorted_by_) {
      break;
    }
    place(index, heap_[child]);
    index = child;
  }
  place(index, timer);
}

}  // namespace millrace::runtime
