#include "broker/cut_plan.h"

#include <gtest/gtest.h>

#include <gmock/gmock.h>

namespace millrace::broker {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using Plan = std::vector<std::vector<int32_t>>;

constexpr CutRules kRules{.bytes = 1000, .least_segment = 100, .age = 10min};

Uncut uncut_of(int32_t partition, uint64_t bytes, std::chrono::steady_clock::duration age = 0s) {
  TopicPartition id;
  id.partition = PartitionId{partition};
  const Offset first{int64_t{10} * partition};
  return {.partition = id, .first = first, .next = first + 5, .bytes = bytes, .age = age};
}

/// All of it, and as much again behind it.
Uncut pressing(int32_t partition, uint64_t bytes) {
  Uncut uncut = uncut_of(partition, bytes * 2);
  uncut.pressing = uncut.next;
  uncut.pressing_bytes = bytes;
  uncut.next = uncut.next + 5;
  return uncut;
}

/// Partitions by object.
Plan plan(std::vector<Uncut> uncut, const CutRules& rules = kRules) {
  Plan partitions;
  for (const auto& object : plan_cuts(std::move(uncut), rules)) {
    auto& out = partitions.emplace_back();
    for (const auto& part : object) {
      EXPECT_EQ(part.first, Offset{int64_t{10} * part.partition.partition.value});
      EXPECT_EQ(part.next, part.first + 5);
      out.push_back(part.partition.partition.value);
    }
  }
  return partitions;
}

TEST(CutPlan, APartitionIsCutWhenASegmentIsFull) {
  EXPECT_THAT(plan({uncut_of(1, 999), uncut_of(2, 1000), uncut_of(3, 1001)}),
              ElementsAre(ElementsAre(2), ElementsAre(3)));
  EXPECT_THAT(plan({}), IsEmpty());
}

TEST(CutPlan, OldRemaindersAreCutLargeOnesAlone) {
  EXPECT_THAT(plan({uncut_of(1, 99, 10min), uncut_of(2, 100, 10min), uncut_of(3, 99, 10min - 1ns),
                    uncut_of(4, 1, 1h)}),
              ElementsAre(ElementsAre(2), ElementsAre(1, 4)));
}

TEST(CutPlan, WhatTheJournalIsKeptForDoesNotWait) {
  EXPECT_THAT(plan({uncut_of(1, 5), pressing(2, 5), pressing(3, 400)}),
              ElementsAre(ElementsAre(3), ElementsAre(2)));
}

TEST(CutPlan, AFullSegmentWaitsAsLongAsTheRuleSaysUnlessRoomIsWanted) {
  constexpr CutRules kLate{.bytes = 1000, .least_segment = 100, .age = 10min, .least_age = 5min};
  EXPECT_THAT(plan({uncut_of(1, 1000, 5min - 1ns), uncut_of(2, 1000, 5min)}, kLate),
              ElementsAre(ElementsAre(2)));
  auto full = uncut_of(3, 1000);
  full.pressing = full.first + 1;
  full.pressing_bytes = 1;
  EXPECT_THAT(plan({uncut_of(1, 1000), full}, kLate), ElementsAre(ElementsAre(3)));
}

TEST(CutPlan, MixedObjectsEndWithTheRemainderThatFillsThem) {
  std::vector<Uncut> many;
  many.reserve(25);
  for (int32_t i = 25; i-- > 0;) {
    many.push_back(uncut_of(i, 99, 1h));
  }
  const auto planned = plan(std::move(many));
  ASSERT_EQ(planned.size(), 3U);
  EXPECT_THAT(planned[0], ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10));  // 11 x 99 >= 1000
  EXPECT_EQ(planned[1].size(), 11U);
  EXPECT_THAT(planned[2], ElementsAre(22, 23, 24));
}

TEST(CutPlan, FullSegmentsComeFirst) {
  EXPECT_THAT(plan({uncut_of(1, 5, 1h), uncut_of(2, 500, 1h), uncut_of(3, 5000)}),
              ElementsAre(ElementsAre(3), ElementsAre(2), ElementsAre(1)));
}

}  // namespace
}  // namespace millrace::broker
