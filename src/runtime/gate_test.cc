#include "runtime/gate.h"

#include "runtime/on_shard.h"
#include "runtime/shard.h"
#include "runtime/signal.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <stdexcept>

namespace millrace::runtime {
namespace {

using std::chrono::milliseconds;

std::unique_ptr<ShardSet> start(size_t count) {
  return std::move(ShardSet::start(count, "test")).value();
}

Task<void> wait(Signal& signal) {
  co_await signal.wait(Deadline::never());
}

Task<void> add_one(std::atomic<int>& counter) {
  ++counter;
  co_return;
}

Task<void> close(Gate& gate) {
  co_await gate.close();
}

Task<bool> close_by(Gate& gate, Deadline deadline) {
  co_return co_await gate.close(deadline);
}

Task<void> fail() {
  throw std::runtime_error("boom");
  co_return;
}

TEST(Gate, CloseWaitsForTheLastTask) {
  auto set = start(2);
  Gate gate;
  Signal first;
  Signal second;
  ASSERT_TRUE(gate.spawn(set->shard(0), "wait", wait(first)));
  ASSERT_TRUE(gate.spawn(set->shard(1), "wait", wait(second)));
  EXPECT_EQ(gate.count(), 2U);
  EXPECT_FALSE(block_on(set->shard(0), close_by(gate, Deadline::after(milliseconds(1)))));
  first.set();
  EXPECT_FALSE(block_on(set->shard(1), close_by(gate, Deadline::after(milliseconds(1)))));
  second.set();
  block_on(set->shard(0), close(gate));
  EXPECT_EQ(gate.count(), 0U);
}

TEST(Gate, RefusesAfterCloseAndDestroysTheTask) {
  auto set = start(1);
  Gate gate;
  block_on(set->shard(0), close(gate));
  block_on(set->shard(0), close(gate));
  std::atomic<int> counter = 0;
  EXPECT_FALSE(gate.spawn(set->shard(0), "add_one", add_one(counter)));
  EXPECT_EQ(counter, 0);
}

TEST(Gate, SeveralMayCloseAtOnce) {
  auto set = start(2);
  for (int round = 0; round < 300; ++round) {
    auto gate = std::make_unique<Gate>();
    Gate closers;
    Signal signal;
    ASSERT_TRUE(gate->spawn(set->shard(0), "wait", wait(signal)));
    ASSERT_TRUE(closers.spawn(set->shard(0), "close", close(*gate)));
    ASSERT_TRUE(closers.spawn(set->shard(1), "close", close(*gate)));
    signal.set();
    block_on(set->shard(1), close(closers));
    gate.reset();
  }
}

TEST(Gate, EveryTaskAcceptedHasRunWhenCloseReturns) {
  auto set = start(2);
  for (int round = 0; round < 50; ++round) {
    Gate gate;
    std::atomic<int> counter = 0;
    std::atomic<int> accepted = 0;
    std::thread other([&] {
      for (size_t i = 0; i < 200; ++i) {
        accepted += gate.spawn(set->shard(i % 2), "add_one", add_one(counter)) ? 1 : 0;
      }
    });
    block_on(set->shard(0), close(gate));
    other.join();
    EXPECT_EQ(counter, accepted);
  }
}

TEST(GateDeathTest, AnExceptionEndsTheProcessWithTheNameOfTheTask) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        auto set = start(1);
        Gate gate;
        if (gate.spawn(set->shard(0), "flush table", fail())) {
          block_on(set->shard(0), close(gate));
        }
      },
      "exception out of coroutine flush table: boom");
}

}  // namespace
}  // namespace millrace::runtime
