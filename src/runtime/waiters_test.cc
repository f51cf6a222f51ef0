#include "runtime/waiters.h"

#include "runtime/gate.h"
#include "runtime/on_shard.h"
#include "runtime/shard.h"

#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <thread>
#include <vector>

namespace millrace::runtime {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

std::unique_ptr<ShardSet> start(size_t count) {
  return std::move(ShardSet::start(count, "test")).value();
}

Task<Woken> wait(WaitList& list, Deadline deadline, CancelToken cancel) {
  co_return co_await list.wait(deadline, std::move(cancel));
}

Task<void> wait_and_store(WaitList& list, std::vector<Woken>& woken, CancelToken cancel) {
  woken.push_back(co_await list.wait(Deadline::never(), std::move(cancel)));
}

Task<void> close(Gate& gate) {
  co_await gate.close();
}

/// Runs `step` on the shard and returns once it has.
template <typename Step>
void run_on(Shard& shard, Step step) {
  std::promise<void> done;
  shard.post([&] {
    step();
    done.set_value();
  });
  done.get_future().get();
}

TEST(WaitList, NotifyWakesEveryoneWhoWaitsAndNobodyLater) {
  auto set = start(1);
  Gate gate;
  WaitList list;
  std::vector<Woken> woken;
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE(gate.spawn(set->shard(0), "wait", wait_and_store(list, woken, {})));
  }
  run_on(set->shard(0), [&] {
    EXPECT_EQ(list.size(), 200U);
    list.notify_all();
    EXPECT_EQ(list.size(), 0U);
  });
  block_on(set->shard(0), close(gate));
  EXPECT_EQ(woken, std::vector<Woken>(200, Woken::kNotified));
  EXPECT_EQ(block_on(set->shard(0), wait(list, Deadline::after(milliseconds(1)), {})),
            Woken::kTimeout);
}

TEST(WaitList, CancelWakesItsWaiterAlone) {
  auto set = start(1);
  Gate gate;
  WaitList list;
  CancelSource source;
  std::vector<Woken> cancelled;
  std::vector<Woken> others;
  ASSERT_TRUE(gate.spawn(set->shard(0), "wait", wait_and_store(list, others, {})));
  ASSERT_TRUE(gate.spawn(set->shard(0), "wait", wait_and_store(list, cancelled, source.token())));
  ASSERT_TRUE(gate.spawn(set->shard(0), "wait", wait_and_store(list, others, {})));
  run_on(set->shard(0), [&] { EXPECT_EQ(list.size(), 3U); });
  source.cancel();
  run_on(set->shard(0), [&] {
    EXPECT_EQ(list.size(), 2U);
    EXPECT_TRUE(others.empty());
    list.notify_all();
  });
  block_on(set->shard(0), close(gate));
  EXPECT_EQ(cancelled, std::vector<Woken>{Woken::kCancelled});
  EXPECT_EQ(others, std::vector<Woken>(2, Woken::kNotified));
  EXPECT_EQ(block_on(set->shard(0), wait(list, Deadline::never(), source.token())),
            Woken::kCancelled);
}

TEST(WaitList, ThousandsOfRacesBetweenNotifyTimeoutAndCancel) {
  auto set = start(1);
  WaitList list;
  for (int i = 0; i < 3000; ++i) {
    CancelSource source;
    std::thread other([&] {
      set->shard(0).post([&list] { list.notify_all(); });
      source.cancel();
    });
    block_on(set->shard(0), wait(list, Deadline::after(microseconds(i % 50)), source.token()));
    other.join();
  }
  run_on(set->shard(0), [&] { EXPECT_EQ(list.size(), 0U); });
}

}  // namespace
}  // namespace millrace::runtime
