#include "runtime/blocking_pool.h"

#include "runtime/gate.h"
#include "runtime/on_shard.h"
#include "runtime/shard.h"

#include <gtest/gtest.h>

#include <sys/resource.h>

#include <atomic>
#include <future>
#include <thread>

namespace millrace::runtime {
namespace {

std::unique_ptr<ShardSet> start_shards(size_t count) {
  return std::move(ShardSet::start(count, "test")).value();
}

std::unique_ptr<BlockingPool> start_pool(size_t threads, int nice, size_t queue_bound) {
  return std::move(BlockingPool::start({"pool", threads, nice, queue_bound})).value();
}

Result<int> nice_here() {
  if (Shard::current() != nullptr) {
    return make_error(Code::kInternal, "on a shard");
  }
  return getpriority(PRIO_PROCESS, 0);
}

Task<Result<int>> ask_nice(BlockingPool& pool) {
  auto answer = co_await pool.run(nice_here);
  EXPECT_NE(Shard::current(), nullptr);
  co_return answer;
}

Status block(std::shared_future<void> until) {
  until.wait();
  return {};
}

Task<Status> run_block(BlockingPool& pool, std::shared_future<void> until) {
  co_return co_await pool.run([until] { return block(until); });
}

Task<void> count_ok(BlockingPool& pool, std::shared_future<void> until, std::atomic<int>& ok) {
  const Status status = co_await run_block(pool, until);
  ok += status.ok() ? 1 : 0;
}

Task<void> close(Gate& gate) {
  co_await gate.close();
}

TEST(BlockingPool, RunsOnItsOwnThreadsAtItsOwnPriority) {
  auto shards = start_shards(1);
  auto pool = start_pool(2, 5, 10);
  const int ours = getpriority(PRIO_PROCESS, 0);
  EXPECT_EQ(block_on(shards->shard(0), ask_nice(*pool)).value(), std::min(ours + 5, 19));
}

TEST(BlockingPool, RefusesBeyondItsQueueAndDrainsWhenStopped) {
  auto shards = start_shards(2);
  auto pool = start_pool(1, 0, 3);
  std::promise<void> open;
  const std::shared_future<void> until = open.get_future().share();
  Gate gate;
  std::atomic<int> ok = 0;
  std::promise<void> running;
  ASSERT_TRUE(pool->submit([&] {
                    running.set_value();
                    until.wait();
                  })
                  .ok());
  running.get_future().wait();
  for (size_t i = 0; i < 3; ++i) {
    ASSERT_TRUE(gate.spawn(shards->shard(i % 2), "count", count_ok(*pool, until, ok)));
  }
  while (pool->queued() != 3) {
    std::this_thread::yield();
  }
  EXPECT_EQ(block_on(shards->shard(0), run_block(*pool, until)).error().code, Code::kOverloaded);
  open.set_value();
  pool->stop();
  EXPECT_EQ(block_on(shards->shard(0), run_block(*pool, until)).error().code, Code::kCancelled);
  block_on(shards->shard(0), close(gate));
  EXPECT_EQ(ok, 3);
}

TEST(BlockingPool, ThousandsOfCallsFromTwoShards) {
  auto shards = start_shards(2);
  auto pool = start_pool(3, 0, 10'000);
  std::promise<void> open;
  const std::shared_future<void> until = open.get_future().share();
  open.set_value();
  Gate gate;
  std::atomic<int> ok = 0;
  for (size_t i = 0; i < 4000; ++i) {
    ASSERT_TRUE(gate.spawn(shards->shard(i % 2), "count", count_ok(*pool, until, ok)));
  }
  block_on(shards->shard(0), close(gate));
  EXPECT_EQ(ok, 4000);
}

TEST(BlockingPool, NoThreadsIsRefused) {
  EXPECT_EQ(BlockingPool::start({"pool", 0, 0, 1}).error().code, Code::kInvalid);
}

}  // namespace
}  // namespace millrace::runtime
