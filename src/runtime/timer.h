// Deadlines that move with every request: arming one again is a store, not a system call.
#pragma once

#include "runtime/deadline.h"

#include <cstddef>
#include <memory>
#include <vector>

namespace millrace::runtime {

class TimerQueue;

/// One deadline of the shard it was made on. Lives on that shard only.
///
/// Moving the deadline later, or disarming it, only writes it down: the queue looks again when the
/// moment comes that it was sorted by. After disarm() or destruction the function is not called.
class Timer {
 public:
  /// Runs on the shard, from its loop; may arm or destroy any Timer, this one included.
  using Expired = void (*)(void* owner);

  /// Calls `expired(owner)` at the deadline. Needs Shard::current().
  Timer(Expired expired, void* owner);
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  /// Replaces the deadline. One that has passed fires from the loop, never from here.
  void arm(Deadline deadline);

  void disarm() { deadline_ = Deadline::never(); }

 private:
  friend class TimerQueue;

  static constexpr size_t kNotQueued = static_cast<size_t>(-1);

  TimerQueue& queue_;
  const Expired expired_;
  void* const owner_;
  Deadline deadline_ = Deadline::never();   // what the owner wants
  Deadline sorted_by_ = Deadline::never();  // place in the heap, never later than deadline_
  size_t index_ = kNotQueued;
};

/// The armed Timers of one shard: a binary heap behind one Asio timer. Owned by the Shard.
class TimerQueue {
 public:
  TimerQueue(boost::asio::io_context& context, const Clock& clock);
  ~TimerQueue();

  const Clock& clock() const { return clock_; }

  /// Calls what is due. For a clock that was moved by hand.
  void run_due();

 private:
  friend class Timer;
  struct Alarm;

  void insert(Timer& timer);
  void remove(Timer& timer);
  void sift_up(size_t index);
  void sift_down(size_t index);
  void place(size_t index, Timer* timer);
  void arm_alarm();

  const Clock& clock_;
  std::vector<Timer*> heap_;
  std::unique_ptr<Alarm> alarm_;
  Deadline alarm_at_ = Deadline::never();
};

}  // namespace millrace::runtime
