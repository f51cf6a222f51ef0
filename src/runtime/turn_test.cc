#include "runtime/turn.h"

#include "runtime/coroutine.h"
#include "runtime/gate.h"
#include "runtime/on_shard.h"
#include "runtime/shard.h"

#include <gtest/gtest.h>

#include <atomic>

namespace millrace::runtime {
namespace {

Task<void> use(Turn& turn, int times, int& counter, std::atomic<int>& inside) {
  for (int i = 0; i < times; ++i) {
    const auto held = co_await turn.take();
    EXPECT_EQ(inside.fetch_add(1), 0);
    const int before = counter;  // not atomic: only the holder may touch it
    co_await sleep_until(Deadline::after(std::chrono::nanoseconds(1)));
    counter = before + 1;
    inside.fetch_sub(1);
  }
}

Task<void> close(Gate& gate) {
  co_await gate.close();
}

TEST(Turn, OneCoroutineAtATimeOverAllShards) {
  auto shards = ShardSet::start(2, "turn").value();
  Turn turn;
  int counter = 0;
  std::atomic<int> inside{0};
  Gate gate;
  for (size_t i = 0; i < 8; ++i) {
    ASSERT_TRUE(gate.spawn(shards->shard(i % 2), "user", use(turn, 50, counter, inside)));
  }
  block_on(shards->shard(0), close(gate));
  EXPECT_EQ(counter, 400);
}

Task<void> note(Turn& turn, std::vector<int>& order, int number) {
  const auto held = co_await turn.take();
  order.push_back(number);
}

Task<void> in_order(Turn& turn, Gate& gate, std::vector<int>& order) {
  {
    const auto held = co_await turn.take();
    for (int i = 0; i < 5; ++i) {
      EXPECT_TRUE(gate.spawn(Shard::here(), "note", note(turn, order, i)));
    }
    co_await sleep_until(Deadline::after(std::chrono::nanoseconds(1)));
    EXPECT_TRUE(order.empty());
  }
  co_await gate.close();
}

TEST(Turn, PassesInTheOrderTheyCame) {
  auto shards = ShardSet::start(1, "turn").value();
  Turn turn;
  Gate gate;
  std::vector<int> order;
  block_on(shards->shard(0), in_order(turn, gate, order));
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4}));
}

}  // namespace
}  // namespace millrace::runtime
