#include "runtime/blocking_pool.h"

#include "runtime/gate.h"
#include "runtime/on_shard.h"
#include "runtime/shard.h"

#include <gtest/gtest.h>

#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <future>
#include <thread>

namespace millrace::runtime {
namespace {

using namespace std::chrono_literals;

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

Task<Result<Result<int>>> ask_until(BlockingPool& pool, std::function<Result<int>()> function,
                                    Deadline deadline, CancelToken cancel) {
  co_return co_await pool.run_until(std::move(function), deadline, cancel);
}

/// Calls that are not waited for any longer, to a pool of one thread.
class LeftCalls : public testing::Test {
 protected:
  ~LeftCalls() override { open(); }

  /// Waits for open(), and says that it has begun to.
  Result<int> stay() {
    running_.set_value();
    until_.wait();
    return 5;
  }

  void open() {
    if (!is_open_) {
      is_open_ = true;
      open_.set_value();
    }
  }

  Result<Result<int>> ask(std::function<Result<int>()> function, Deadline deadline,
                          const CancelToken& cancel = {}) {
    return block_on(shards_->shard(0), ask_until(*pool_, std::move(function), deadline, cancel));
  }

  std::promise<void> running_;
  std::promise<void> open_;
  const std::shared_future<void> until_ = open_.get_future().share();
  bool is_open_ = false;
  std::unique_ptr<ShardSet> shards_ = start_shards(1);
  std::unique_ptr<BlockingPool> pool_ = start_pool(1, 0, 10);
};

TEST_F(LeftCalls, OneThatEndsInTimeIsAnswered) {
  EXPECT_EQ(ask([] { return Result<int>(5); }, Deadline::after(60s)).value().value(), 5);
  const auto failed =
      ask([] { return Result<int>(make_error(Code::kIo, "x")); }, Deadline::never());
  ASSERT_TRUE(failed.ok());
  EXPECT_EQ(failed->error().code, Code::kIo);
}

TEST_F(LeftCalls, OneThatDoesNotEndIsLeftAtItsDeadlineAndDelaysNoStop) {
  auto running = running_.get_future();
  do {  // again where the thread was not even there yet
    const auto answer = ask([this] { return stay(); }, Deadline::after(20ms));
    ASSERT_EQ(answer.error().code, Code::kTimeout);
  } while (running.wait_for(0s) != std::future_status::ready);
  EXPECT_EQ(pool_->stop(Deadline::after(20ms)), 1U);
  EXPECT_EQ(ask([] { return Result<int>(5); }, Deadline::never()).error().code, Code::kCancelled);
  open();
  EXPECT_EQ(pool_->stop(Deadline::after(60s)), 0U);
  EXPECT_EQ(pool_->stop(Deadline::after(60s)), 0U);
}

TEST_F(LeftCalls, OneThatIsCancelledIsLeftAtOnce) {
  CancelSource cancel;
  auto answer = std::async(std::launch::async, [&] {
    return ask([this] { return stay(); }, Deadline::never(), cancel.token());
  });
  running_.get_future().wait();
  cancel.cancel();
  EXPECT_EQ(answer.get().error().code, Code::kCancelled);
}

TEST_F(LeftCalls, OneWithoutAThreadIsTakenBackAtItsDeadline) {
  ASSERT_TRUE(pool_->submit([this] { static_cast<void>(stay()); }).ok());
  running_.get_future().wait();
  const auto owned = std::make_shared<std::atomic<int>>(0);
  const auto answer = ask([owned] { return Result<int>(++*owned); }, Deadline::after(20ms));
  EXPECT_EQ(answer.error().code, Code::kTimeout);
  EXPECT_EQ(pool_->queued(), 0U);
  open();
  pool_->stop();
  EXPECT_EQ(*owned, 0);
  EXPECT_EQ(owned.use_count(), 1);
}

TEST(BlockingPool, NoThreadsIsRefused) {
  EXPECT_EQ(BlockingPool::start({"pool", 0, 0, 1}).error().code, Code::kInvalid);
}

}  // namespace
}  // namespace millrace::runtime
