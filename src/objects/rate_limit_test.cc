#include "objects/rate_limit.h"

#include "objects/awaited_test.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace millrace::objects {
namespace {

using std::chrono::milliseconds;

/// Tells when it is looked at.
class WatchedClock final : public Clock {
 public:
  std::chrono::sys_time<std::chrono::nanoseconds> wall() const override { return manual.wall(); }

  std::chrono::steady_clock::time_point steady() const override {
    looks.add();
    return manual.steady();
  }

  ManualClock manual;
  mutable Awaited looks;
};

class RateLimitTest : public ::testing::Test {
 protected:
  /// Another thread, which has looked at the clock twice, and waits, when this returns.
  void begin(uint64_t bytes) {
    const uint64_t looks = clock_.looks.value();
    waiting_ = std::thread([this, bytes] {
      limit_.wait_for(bytes);
      is_through_ = true;
    });
    EXPECT_TRUE(clock_.looks.reaches(looks + 2));
    EXPECT_FALSE(is_through_);
  }

  void expect_waits_until(std::chrono::nanoseconds wait) {
    constexpr std::chrono::milliseconds kLittle{20};
    clock_.manual.advance(wait - kLittle);
    const uint64_t looks = clock_.looks.value();
    limit_.set(1000);  // has it look again
    EXPECT_TRUE(clock_.looks.reaches(looks + 1));
    EXPECT_FALSE(is_through_);
    clock_.manual.advance(kLittle);
    limit_.set(1000);
    waiting_.join();
    EXPECT_TRUE(is_through_);
    is_through_ = false;
  }

  WatchedClock clock_;
  RateLimit limit_{clock_, 1000};
  std::atomic<bool> is_through_{false};
  std::thread waiting_;
};

TEST_F(RateLimitTest, ABurstIsFreeAndThenItCostsTime) {
  limit_.wait_for(100);
  limit_.wait_for(150);
  limit_.wait_for(600);  // now 250 are given, and these are paid for in 600 ms
  begin(1);
  expect_waits_until(milliseconds(600));
  clock_.manual.advance(milliseconds(10'000));
  limit_.wait_for(350);  // no more than a burst was saved up
  begin(1);
  expect_waits_until(milliseconds(100));
}

TEST_F(RateLimitTest, NoLimitAndTheEndLetGo) {
  limit_.wait_for(1'000'000);
  begin(1);
  limit_.set(0);
  waiting_.join();
  is_through_ = false;
  limit_.wait_for(1'000'000'000);
  limit_.set(1000);
  limit_.wait_for(1'000'000);
  begin(1);
  limit_.stop();
  waiting_.join();
  limit_.wait_for(1'000'000);
}

}  // namespace
}  // namespace millrace::objects
