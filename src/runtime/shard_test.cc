#include "runtime/shard.h"

#include "runtime/deadline.h"
#include "runtime/on_shard.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>
#include <stdexcept>

namespace millrace::runtime {
namespace {

std::unique_ptr<ShardSet> start(size_t count) {
  return std::move(ShardSet::start(count, "test")).value();
}

Task<size_t> index_here() {
  co_return Shard::here().index();
}

Task<Result<int>> half(int n) {
  if (n % 2 != 0) {
    co_return make_error(Code::kInvalid, "{} is odd", n);
  }
  co_return n / 2;
}

Task<void> throw_here() {
  throw std::runtime_error("thrown there");
  co_return;
}

Task<bool> hops(ShardSet& set) {
  bool right = Shard::here().index() == 0;
  for (int i = 0; i < 1000; ++i) {
    right = right && co_await on_shard(set.shard(1), index_here()) == 1;
    right = right && co_await on_shard(set.shard(0), index_here()) == 0;
    right = right && Shard::here().index() == 0;
  }
  co_return right;
}

Task<int> half_there(Shard& shard, int n) {
  auto result = co_await on_shard(shard, half(n));
  co_return result.ok() ? *result : -1;
}

Task<std::string> catch_from(Shard& shard) {
  std::string caught;
  try {
    co_await on_shard(shard, throw_here());
  } catch (const std::runtime_error& error) {
    caught = error.what();
  }
  co_return caught;
}

TEST(Shard, TasksRunOnTheirShardAndComeBack) {
  auto set = start(2);
  EXPECT_EQ(block_on(set->shard(1), index_here()), 1U);
  EXPECT_TRUE(block_on(set->shard(0), hops(*set)));
  EXPECT_EQ(Shard::current(), nullptr);
}

TEST(Shard, ResultsAndExceptionsCrossShards) {
  auto set = start(2);
  EXPECT_EQ(block_on(set->shard(0), half_there(set->shard(1), 8)), 4);
  EXPECT_EQ(block_on(set->shard(0), half_there(set->shard(1), 7)), -1);
  EXPECT_EQ(block_on(set->shard(0), catch_from(set->shard(1))), "thrown there");
}

TEST(Shard, PostKeepsOrderAndStopRunsWhatWasPosted) {
  auto set = start(1);
  std::vector<int> seen;
  for (int i = 0; i < 1000; ++i) {
    set->shard(0).post([&seen, i] { seen.push_back(i); });
  }
  set->stop();
  ASSERT_EQ(seen.size(), 1000U);
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
  set->stop();
}

TEST(Shard, NoShardsIsRefused) {
  EXPECT_EQ(ShardSet::start(0, "test").error().code, Code::kInvalid);
}

TEST(Shard, WorkPostedByFourThreadsAllRuns) {
  auto set = start(2);
  std::atomic<int> ran = 0;
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (size_t i = 0; i < 2000; ++i) {
        set->shard(i % 2).post([&ran] { ++ran; });
      }
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  set->stop();
  EXPECT_EQ(ran, 8000);
}

TEST(ShardDeathTest, AnExceptionOutOfAPostEndsTheProcess) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        auto set = start(1);
        set->shard(0).post([] { throw std::runtime_error("boom"); });
        set->stop();
      },
      "exception on shard test-0: boom");
}

}  // namespace
}  // namespace millrace::runtime
