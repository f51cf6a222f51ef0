#include "server/background.h"

#include "base/backoff.h"
#include "base/failure_log.h"
#include "runtime/coroutine.h"

#include <algorithm>
#include <optional>

namespace millrace::server {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::milliseconds kFirstPause = 100ms;
constexpr std::chrono::milliseconds kLongestPause = 30s;

}  // namespace

runtime::Task<void> retention_loop(LookedAfter of, std::chrono::milliseconds interval,
                                   runtime::CancelToken stop) {
  const auto keep_reserve = [&of]() -> Status {
    of.reserve.keep();
    return {};
  };
  uint64_t rotations = 0;
  bool is_written = false;  // else its hold stays, perhaps from before a crash
  auto due = runtime::Deadline::after(std::min<std::chrono::milliseconds>(1s, interval));
  while (true) {
    const uint64_t now = co_await of.log.wait_for_round(rotations, due, stop);
    if (stop.is_cancelled()) {
      co_return;
    }
    if (now != rotations || !is_written) {
      is_written = co_await of.broker.write_catalog(of.catalog, of.pool);
    }
    rotations = now;
    of.tables.update_hold();
    co_await of.broker.apply_retention();
    static_cast<void>(co_await of.pool.run(keep_reserve));
    if (of.broker.is_short_of_room()) {
      of.short_of_room.notify_all();
    }
    due = runtime::Deadline::after(interval);
  }
}

runtime::Task<void> segments_loop(LookedAfter of, std::chrono::milliseconds interval,
                                  runtime::CancelToken stop) {
  Backoff backoff(kFirstPause, kLongestPause);
  FailureLog failures(
      "segments",
      "not all that is due was written or removed; nothing is lost, and it is tried again",
      "objects are written and removed again");
  auto pause = std::min<std::chrono::milliseconds>(1s, interval);
  while (co_await of.short_of_room.wait(runtime::Deadline::after(pause), stop) !=
         runtime::Woken::kCancelled) {
    const Status done = co_await of.segments.round(stop);
    if (!done.ok() && done.error().code == Code::kCancelled) {
      co_return;
    }
    failures.tell(done);
    if (!done.ok()) {
      if (!co_await runtime::sleep_until(runtime::Deadline::after(backoff.next()), stop)) {
        co_return;
      }
      pause = 0ms;
      continue;
    }
    backoff.reset();
    pause = interval;
  }
}

runtime::Task<void> cancel_at(runtime::Deadline deadline, runtime::CancelSource& what,
                              runtime::CancelToken stop) {
  if (co_await runtime::sleep_until(deadline, std::move(stop))) {
    what.cancel();
  }
}

runtime::Task<void> tables_loop(LookedAfter of, std::chrono::milliseconds age,
                                runtime::CancelToken stop) {
  const auto pause = std::clamp<std::chrono::milliseconds>(age / 4, 10ms, 100ms);
  while (co_await runtime::sleep_until(runtime::Deadline::after(pause), stop)) {
    of.tables.look_after();
  }
}

}  // namespace millrace::server
