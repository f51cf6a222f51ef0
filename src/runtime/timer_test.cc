#include "runtime/timer.h"

#include "runtime/cancel_token.h"
#include "runtime/on_shard.h"
#include "runtime/shard.h"

#include <gtest/gtest.h>

#include <future>
#include <list>
#include <random>
#include <thread>

namespace millrace::runtime {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

/// A timer that writes down when it fired.
struct Recorder {
  Recorder(std::vector<int>& into, int label) : seen(into), id(label) {}

  static void expired(void* self) {
    auto* recorder = static_cast<Recorder*>(self);
    recorder->seen.push_back(recorder->id);
  }

  std::vector<int>& seen;
  const int id;
  Timer timer{&Recorder::expired, this};
};

/// Runs `step` on the shard of a set whose clock stands still.
class TimerTest : public testing::Test {
 protected:
  void on_shard_now(const std::function<void()>& step) {
    std::promise<void> done;
    set_->shard(0).post([&] {
      step();
      done.set_value();
    });
    done.get_future().get();
  }

  void advance(Deadline::Duration by) {
    clock_.advance(by);
    set_->clock_moved();
  }

  Deadline in(Deadline::Duration duration) { return Deadline::after(duration, clock_); }

  ManualClock clock_;
  std::unique_ptr<ShardSet> set_ = std::move(ShardSet::start(1, "test", clock_)).value();
  std::vector<int> seen_;
};

TEST_F(TimerTest, FiresInOrderOfDeadlineAndOnce) {
  std::list<Recorder> timers;
  on_shard_now([&] {
    for (const int id : {5, 1, 4, 2, 3}) {
      timers.emplace_back(seen_, id).timer.arm(in(hours(id)));
    }
  });
  advance(hours(3));
  on_shard_now([&] { EXPECT_EQ(seen_, (std::vector<int>{1, 2, 3})); });
  advance(hours(9));
  advance(hours(9));
  on_shard_now([&] { EXPECT_EQ(seen_, (std::vector<int>{1, 2, 3, 4, 5})); });
  on_shard_now([&] { timers.clear(); });
}

TEST_F(TimerTest, MovedLaterFiresLaterAndMovedEarlierFiresEarlier) {
  std::list<Recorder> timers;
  on_shard_now([&] {
    auto& later = timers.emplace_back(seen_, 1).timer;
    later.arm(in(hours(1)));
    later.arm(in(hours(5)));
    auto& earlier = timers.emplace_back(seen_, 2).timer;
    earlier.arm(in(hours(9)));
    earlier.arm(in(hours(2)));
  });
  advance(hours(1));
  on_shard_now([&] { EXPECT_TRUE(seen_.empty()); });
  advance(hours(1));
  on_shard_now([&] { EXPECT_EQ(seen_, std::vector<int>{2}); });
  advance(hours(3));
  on_shard_now([&] { EXPECT_EQ(seen_, (std::vector<int>{2, 1})); });
  on_shard_now([&] { timers.clear(); });
}

TEST_F(TimerTest, DisarmedOrDestroyedNeverFires) {
  std::list<Recorder> timers;
  on_shard_now([&] {
    timers.emplace_back(seen_, 1).timer.arm(in(hours(1)));
    timers.back().timer.disarm();
    timers.emplace_back(seen_, 2).timer.arm(in(hours(1)));
    timers.pop_back();
  });
  advance(hours(2));
  on_shard_now([&] { EXPECT_TRUE(seen_.empty()); });
  on_shard_now([&] { timers.clear(); });
}

TEST_F(TimerTest, ThousandsArmedMovedAndDestroyedAtRandomKeepTheOrder) {
  std::mt19937 random(7);
  std::list<Recorder> timers;
  on_shard_now([&] {
    for (int round = 0; round < 5000; ++round) {
      const int at = static_cast<int>(random() % 1000) + 1;
      timers.emplace_back(seen_, at).timer.arm(in(hours(at)));
      if (random() % 3 == 0) {
        timers.erase(std::next(timers.begin(), static_cast<long>(random() % timers.size())));
      }
    }
  });
  advance(hours(1000));
  on_shard_now([&] {
    EXPECT_EQ(seen_.size(), timers.size());
    EXPECT_TRUE(std::is_sorted(seen_.begin(), seen_.end()));
    timers.clear();
  });
}

Task<bool> sleep_for(Deadline deadline, CancelToken cancel) {
  co_return co_await sleep_until(deadline, std::move(cancel));
}

TEST(Deadline, IsAValueThatSaturates) {
  ManualClock clock;
  EXPECT_TRUE(Deadline::after(Deadline::Duration::max(), clock).is_never());
  EXPECT_EQ(Deadline::never().remaining(clock), Deadline::Duration::max());
  EXPECT_FALSE(Deadline::never().has_passed(clock));
  const auto deadline = Deadline::after(seconds(2), clock);
  EXPECT_LT(deadline, Deadline::never());
  EXPECT_EQ(deadline.remaining(clock), seconds(2));
  clock.advance(seconds(2));
  EXPECT_TRUE(deadline.has_passed(clock));
  EXPECT_EQ(deadline.remaining(clock), Deadline::Duration::zero());
}

TEST(Deadline, SleepEndsAtTheDeadlineOfTheRealClock) {
  auto set = std::move(ShardSet::start(1, "test")).value();
  const auto deadline = Deadline::after(milliseconds(3));
  EXPECT_TRUE(block_on(set->shard(0), sleep_for(deadline, {})));
  EXPECT_TRUE(deadline.has_passed());
  EXPECT_TRUE(block_on(set->shard(0), sleep_for(Deadline::after(-seconds(1)), {})));
}

TEST(Deadline, SleepEndsWhenCancelledFromAnotherThread) {
  auto set = std::move(ShardSet::start(1, "test")).value();
  for (int i = 0; i < 500; ++i) {
    CancelSource source;
    std::thread other([&source] { source.cancel(); });
    EXPECT_FALSE(block_on(set->shard(0), sleep_for(Deadline::never(), source.token())));
    other.join();
  }
}

TEST(CancelToken, CallsOnceAlsoWhenLate) {
  CancelSource source;
  EXPECT_FALSE(CancelToken().is_cancelled());
  int called = 0;
  const CancelCallback before(source.token(), [&] { ++called; });
  {
    const CancelCallback gone(source.token(), [&] { called += 100; });
  }
  EXPECT_FALSE(source.token().is_cancelled());
  source.cancel();
  source.cancel();
  EXPECT_TRUE(source.token().is_cancelled());
  const CancelCallback after(source.token(), [&] { ++called; });
  EXPECT_EQ(called, 2);
}

}  // namespace
}  // namespace millrace::runtime
