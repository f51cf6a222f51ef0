#include "journal/fair_queue.h"

#include "journal/test_log.h"

#include <gtest/gtest.h>

#include <gmock/gmock.h>

#include <deque>
#include <random>

namespace millrace::journal {
namespace {

using testing::ElementsAre;

constexpr uint64_t kNoLimit = uint64_t{1} << 40;

/// Commits by number, and the queue that they wait in.
class FairQueueTest : public testing::Test {
 protected:
  void put(const std::vector<int32_t>& partitions, size_t bytes = 10) {
    Pending pending;
    for (const int32_t partition : partitions) {
      pending.request.batches.push_back(
          batch_of(partition_of(1, partition), std::string(bytes, 'x')));
    }
    if (partitions.empty()) {
      pending.request.system.push_back({record::SystemKind::kTopic, false, "key", "value"});
    }
    all_.push_back(partitions);
    queue_.put(items_.emplace_back(std::move(pending)));
  }

  std::vector<size_t> take(uint64_t max_bytes = kNoLimit) {
    std::vector<size_t> numbers;
    for (const FairQueue::Item* item : queue_.take(max_bytes)) {
      const auto at = std::ranges::find_if(items_, [&](const auto& one) { return &one == item; });
      numbers.push_back(static_cast<size_t>(at - items_.begin()));
    }
    return numbers;
  }

  std::deque<FairQueue::Item> items_;
  std::vector<std::vector<int32_t>> all_;
  FairQueue queue_;
};

TEST_F(FairQueueTest, APartitionKeepsItsOrder) {
  for (int i = 0; i < 4; ++i) {
    put({7});
  }
  EXPECT_THAT(take(), ElementsAre(0, 1, 2, 3));
  EXPECT_TRUE(queue_.empty());
  EXPECT_EQ(queue_.bytes(), 0U);
  EXPECT_TRUE(queue_.take(kNoLimit).empty());
}

TEST_F(FairQueueTest, TakesWhatFitsAndAtLeastOne) {
  put({1}, 1000);
  put({1}, 1000);
  const uint64_t one = queue_.bytes() / 2;
  EXPECT_THAT(take(1), ElementsAre(0));
  put({1}, 1000);
  EXPECT_THAT(take(2 * one - 1), ElementsAre(1));
  put({1}, 1000);
  EXPECT_THAT(take(2 * one), ElementsAre(2, 3));
}

TEST_F(FairQueueTest, WhatComesBehindAFloodOfAnotherPartitionDoesNotWaitForIt) {
  for (int i = 0; i < 100; ++i) {
    put({1}, 1 << 20);
  }
  put({2});
  put({2});
  EXPECT_THAT(take(2 << 20), ElementsAre(0, 100, 101));
  EXPECT_THAT(take(2 << 20), ElementsAre(1));
}

TEST_F(FairQueueTest, ATurnEndsWithTheCommitThatReachesItsBytes) {
  const size_t quarter = FairQueue::kTurnBytes / 4;
  for (int i = 0; i < 6; ++i) {
    put({1}, quarter);  // with its frame header a little more: four are a turn
  }
  put({2}, quarter);
  put({3}, quarter);
  EXPECT_THAT(take(), ElementsAre(0, 1, 2, 3, 6, 7, 4, 5));
}

TEST_F(FairQueueTest, ACommitOfSeveralPartitionsWaitsForItsTurnInEach) {
  put({1});
  put({1, 2});
  put({2});
  put({3});
  put({2, 3, 2});
  EXPECT_THAT(take(), ElementsAre(0, 1, 2, 3, 4));
}

TEST_F(FairQueueTest, SystemFramesAloneKeepTheirOrder) {
  put({});
  put({1});
  put({});
  EXPECT_THAT(take(), ElementsAre(0, 2, 1));
}

TEST_F(FairQueueTest, WhoeverSharesAPartitionIsTakenInOrder) {
  std::mt19937_64 random(1);
  std::vector<size_t> taken;
  const auto take_some = [&](uint64_t max_bytes) {
    const auto some = take(max_bytes);
    EXPECT_FALSE(some.empty() && !queue_.empty());
    taken.insert(taken.end(), some.begin(), some.end());
  };
  for (int i = 0; i < 3000; ++i) {
    std::vector<int32_t> partitions(random() % 4);
    for (int32_t& partition : partitions) {
      partition = static_cast<int32_t>(random() % 6);
    }
    put(partitions, random() % 8 == 0 ? random() % 600'000 : random() % 3000);
    if (random() % 3 == 0) {
      take_some(random() % 500'000);
    }
  }
  while (!queue_.empty()) {
    take_some(1 << 20);
  }
  ASSERT_EQ(taken.size(), all_.size());
  std::map<int32_t, size_t> last;
  for (const size_t number : taken) {
    for (const int32_t partition : all_[number]) {
      ASSERT_LE(last[partition], number);
      last[partition] = number;
    }
  }
}

}  // namespace
}  // namespace millrace::journal
