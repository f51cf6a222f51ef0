#include "runtime/signal.h"

#include "runtime/gate.h"
#include "runtime/on_shard.h"
#include "runtime/shard.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <random>
#include <thread>
#include <vector>

namespace millrace::runtime {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

std::unique_ptr<ShardSet> start(size_t count) {
  return std::move(ShardSet::start(count, "test")).value();
}

Task<bool> wait_for(Signal& signal, Deadline deadline) {
  co_return co_await signal.wait(deadline);
}

Task<void> wait_and_count(Signal& signal, size_t shard, std::atomic<size_t>& woken) {
  const bool set = co_await signal.wait(Deadline::never());
  EXPECT_TRUE(set);
  EXPECT_EQ(Shard::here().index(), shard);
  ++woken;
}

Task<void> wait_and_own(std::unique_ptr<Signal> signal, std::atomic<size_t>& woken) {
  const bool set = co_await signal->wait(Deadline::never());
  EXPECT_TRUE(set);
  signal.reset();
  ++woken;
}

Task<void> close(Gate& gate) {
  co_await gate.close();
}

TEST(Signal, SetBeforeWaitIsRemembered) {
  auto set = start(1);
  Signal signal;
  signal.set();
  signal.set();
  EXPECT_TRUE(signal.is_set());
  EXPECT_TRUE(block_on(set->shard(0), wait_for(signal, Deadline::after(-seconds(1)))));
  EXPECT_TRUE(block_on(set->shard(0), wait_for(signal, Deadline::never())));
}

TEST(Signal, TimesOutAndMayBeAwaitedAgain) {
  auto set = start(1);
  Signal signal;
  EXPECT_FALSE(block_on(set->shard(0), wait_for(signal, Deadline::after(milliseconds(1)))));
  EXPECT_FALSE(block_on(set->shard(0), wait_for(signal, Deadline::after(-seconds(1)))));
  std::thread other([&signal] { signal.set(); });
  EXPECT_TRUE(block_on(set->shard(0), wait_for(signal, Deadline::after(seconds(30)))));
  other.join();
}

TEST(Signal, ThousandsOfRacesBetweenSetAndTimeout) {
  auto set = start(1);
  std::mt19937 random(3);
  int timed_out = 0;
  for (int i = 0; i < 3000; ++i) {
    Signal signal;
    std::atomic<bool> go = false;
    const auto delay = microseconds(random() % 60);
    std::thread other([&] {
      while (!go) {
      }
      const auto until = std::chrono::steady_clock::now() + delay;
      while (std::chrono::steady_clock::now() < until) {
      }
      signal.set();
    });
    go = true;
    const auto deadline = Deadline::after(microseconds(random() % 60));
    if (!block_on(set->shard(0), wait_for(signal, deadline))) {
      ++timed_out;
      EXPECT_TRUE(block_on(set->shard(0), wait_for(signal, Deadline::never())));
    }
    other.join();
  }
  RecordProperty("timed_out", timed_out);
}

TEST(Signal, MayBeDestroyedByItsWaiterWhileSetReturns) {
  auto set = start(2);
  Gate gate;
  std::atomic<size_t> woken = 0;
  constexpr size_t kRounds = 5000;
  for (size_t i = 0; i < kRounds; ++i) {
    auto signal = std::make_unique<Signal>();
    Signal* setter = signal.get();
    ASSERT_TRUE(
        gate.spawn(set->shard(i % 2), "wait_and_own", wait_and_own(std::move(signal), woken)));
    setter->set();
  }
  block_on(set->shard(0), close(gate));
  EXPECT_EQ(woken, kRounds);
}

TEST(Signal, SetAllWakesEachWaiterOnItsShardAndSkipsNulls) {
  auto set = start(3);
  Gate gate;
  std::atomic<size_t> woken = 0;
  constexpr size_t kSignals = 1000;
  for (int round = 0; round < 20; ++round) {
    woken = 0;
    std::vector<Signal> signals(kSignals);
    std::vector<Signal*> pointers;
    for (size_t i = 0; i < kSignals; ++i) {
      ASSERT_TRUE(gate.spawn(set->shard(i % 3), "wait", wait_and_count(signals[i], i % 3, woken)));
      pointers.push_back(&signals[i]);
      pointers.push_back(nullptr);
    }
    Signal::set_all(pointers);
    while (woken != kSignals) {
      std::this_thread::yield();
    }
    EXPECT_EQ(gate.count() <= kSignals, true);
  }
  block_on(set->shard(0), close(gate));
}

Task<void> wait_in_turn(Signal& signal, int id, std::vector<int>& order) {
  co_await signal.wait(Deadline::never());
  order.push_back(id);
}

TEST(Signal, SetAllKeepsTheOrderOfTheBatch) {
  auto set = start(1);
  Gate gate;
  std::vector<Signal> signals(100);
  std::vector<Signal*> reversed;
  std::vector<int> order;
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(
        gate.spawn(set->shard(0), "wait", wait_in_turn(signals[static_cast<size_t>(i)], i, order)));
    reversed.insert(reversed.begin(), &signals[static_cast<size_t>(i)]);
  }
  std::atomic<bool> all_wait = false;
  set->shard(0).post([&] { all_wait = true; });
  while (!all_wait) {
    std::this_thread::yield();
  }
  Signal::set_all(reversed);
  block_on(set->shard(0), close(gate));
  ASSERT_EQ(order.size(), 100U);
  EXPECT_TRUE(std::is_sorted(order.rbegin(), order.rend()));
}

}  // namespace
}  // namespace millrace::runtime
