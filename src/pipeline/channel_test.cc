#include "pipeline/channel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <numeric>
#include <thread>
#include <vector>

namespace millrace::pipeline {
namespace {

TEST(Channel, IsFullAtItsCapacityAndNotBefore) {
  Channel<int> channel(2);
  EXPECT_TRUE(channel.try_put(1).ok());
  EXPECT_TRUE(channel.try_put(2).ok());
  EXPECT_EQ(channel.try_put(3).error().code, Code::kOverloaded);
  EXPECT_EQ(channel.take()->item(), 1);
  EXPECT_TRUE(channel.try_put(3).ok());
}

TEST(Channel, AnItemIsDoneWhenItsTicketIs) {
  Channel<std::unique_ptr<int>> channel(4);
  ASSERT_TRUE(channel.try_put(std::make_unique<int>(5)).ok());
  {
    auto ticket = channel.take();
    ASSERT_TRUE(ticket.has_value());
    EXPECT_EQ(*ticket->item(), 5);
    EXPECT_EQ(channel.queued(), 0U);
    EXPECT_EQ(channel.counters().finished, 0U);
  }
  EXPECT_EQ(channel.counters().finished, 1U);
  channel.wait_idle();
}

TEST(Channel, AClosedOneGivesOutWhatItHoldsAndTakesNoMore) {
  Channel<int> channel(4);
  ASSERT_TRUE(channel.try_put(1).ok());
  channel.close();
  EXPECT_EQ(channel.try_put(2).error().code, Code::kCancelled);
  EXPECT_EQ(channel.put(2).error().code, Code::kCancelled);
  EXPECT_EQ(channel.take()->item(), 1);
  EXPECT_FALSE(channel.take().has_value());
}

TEST(Channel, CloseWakesWhoWaitsForRoom) {
  Channel<int> channel(1);
  ASSERT_TRUE(channel.try_put(1).ok());
  std::thread waiting([&] { EXPECT_EQ(channel.put(2).error().code, Code::kCancelled); });
  channel.close();
  waiting.join();
}

TEST(Channel, EveryItemOfManyThreadsIsWorkedOffOnceAndIdleMeansAll) {
  constexpr int kItems = 20'000;
  Channel<int> channel(8);
  std::vector<std::atomic<int>> seen(kItems);
  std::vector<std::thread> workers;
  for (int i = 0; i < 3; ++i) {
    workers.emplace_back([&] {
      while (auto ticket = channel.take()) {
        ++seen[static_cast<size_t>(ticket->item())];
      }
    });
  }
  std::vector<std::thread> makers;
  for (int i = 0; i < 4; ++i) {
    makers.emplace_back([&, i] {
      for (int item = i; item < kItems; item += 4) {
        ASSERT_TRUE(channel.put(int{item}).ok());
      }
    });
  }
  for (auto& maker : makers) {
    maker.join();
  }
  channel.wait_idle();
  for (const auto& count : seen) {
    ASSERT_EQ(count.load(), 1);
  }
  EXPECT_EQ(channel.counters().accepted, uint64_t{kItems});
  EXPECT_EQ(channel.counters().finished, uint64_t{kItems});
  channel.close();
  for (auto& worker : workers) {
    worker.join();
  }
}

}  // namespace
}  // namespace millrace::pipeline
