// A moment on the steady clock by which a wait gives up.
#pragma once

#include "base/clock.h"
#include "runtime/cancel_token.h"
#include "runtime/task.h"

#include <chrono>
#include <compare>

namespace millrace::runtime {

/// A value; any thread. Passed down a call chain unchanged, so that retries share one deadline.
class Deadline {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  using Duration = std::chrono::nanoseconds;

  constexpr explicit Deadline(TimePoint at) : at_(at) {}

  static constexpr Deadline never() { return Deadline(TimePoint::max()); }

  /// `duration` from now; at once when it is negative, never() when it is beyond the clock's range.
  static Deadline after(Duration duration, const Clock& clock = system_clock()) {
    const TimePoint now = clock.steady();
    return duration >= TimePoint::max() - now ? never() : Deadline(now + duration);
  }

  constexpr bool is_never() const { return at_ == TimePoint::max(); }

  bool has_passed(const Clock& clock = system_clock()) const {
    return !is_never() && clock.steady() >= at_;
  }

  /// Time left: zero once passed, Duration::max() for never().
  Duration remaining(const Clock& clock = system_clock()) const {
    if (is_never()) {
      return Duration::max();
    }
    const TimePoint now = clock.steady();
    return at_ > now ? at_ - now : Duration::zero();
  }

  constexpr TimePoint at() const { return at_; }

  constexpr auto operator<=>(const Deadline&) const = default;

 private:
  TimePoint at_;
};

/// Suspends until `deadline` on the clock of the calling shard.
/// Returns: false when `cancel` came first. Shard: any; resumes on the same one.
Task<bool> sleep_until(Deadline deadline, CancelToken cancel = {});

}  // namespace millrace::runtime
