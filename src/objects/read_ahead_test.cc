#include "objects/read_ahead.h"

#include <gtest/gtest.h>

#include <vector>

namespace millrace::objects {
namespace {

using Order = ReadAhead::Order;
using std::chrono::milliseconds;

constexpr uint64_t kBlock = 1000;
constexpr uint64_t kNoLimit = 1'000'000;

TEST(ReadAhead, TheSecondReadInARowOrdersTwoBlocks) {
  ReadAhead ahead(100 * kBlock, kBlock, kNoLimit);
  EXPECT_EQ(ahead.add(500, 700, 0), Order());
  EXPECT_EQ(ahead.add(1200, 300, 0), (Order{2 * kBlock, 4 * kBlock}));
}

TEST(ReadAhead, NeverLessThanTheLeastIsAheadAndMoreIsOrderedWhenTheRestIsConsumed) {
  ReadAhead ahead(1000 * kBlock, kBlock, kNoLimit);
  constexpr uint64_t kOnTheWay = 4 * kBlock;
  uint64_t ordered = 0;
  std::vector<uint64_t> ahead_when_ordered;
  std::vector<uint64_t> lengths;
  for (uint64_t position = 0; position < 200 * kBlock; position += 500) {
    const uint64_t left = ordered - std::min(ordered, position + 500);
    const Order order = ahead.add(position, 500, kOnTheWay);
    if (order.end > order.begin) {
      EXPECT_TRUE(ordered == 0 || order.begin == ordered);
      ordered = order.end;
      ahead_when_ordered.push_back(left);
      lengths.push_back(ordered - position - 500);
    }
    if (position > 0) {
      EXPECT_GE(ordered, position + 500 + kOnTheWay);
    }
  }
  ASSERT_GT(lengths.size(), 6U);
  EXPECT_EQ(lengths[0], kOnTheWay);
  EXPECT_GE(lengths[1], 2 * kOnTheWay);
  EXPECT_GE(lengths[2], 4 * kOnTheWay);
  for (size_t i = 3; i < lengths.size(); ++i) {  // 80 % was consumed
    EXPECT_GE(lengths[i], 5 * kOnTheWay);
    EXPECT_LT(lengths[i], 5 * kOnTheWay + kBlock);
    EXPECT_EQ(ahead_when_ordered[i], kOnTheWay - 500);
  }
}

TEST(ReadAhead, EndsAtTheObjectsEnd) {
  ReadAhead ahead(3 * kBlock + 1, kBlock, kNoLimit);
  ahead.add(0, kBlock, 0);
  EXPECT_EQ(ahead.add(kBlock, kBlock, 50 * kBlock), (Order{2 * kBlock, 3 * kBlock + 1}));
  EXPECT_EQ(ahead.add(2 * kBlock, kBlock, 50 * kBlock), Order());
  EXPECT_EQ(ahead.add(3 * kBlock, 1, 50 * kBlock), Order());
  ReadAhead small(kBlock, kBlock, kNoLimit);
  small.add(0, 10, 0);
  EXPECT_EQ(small.add(10, 10, 0), Order());
}

TEST(ReadAhead, IsBounded) {
  ReadAhead ahead(1000 * kBlock, kBlock, 6 * kBlock);
  ahead.add(0, kBlock, 0);
  uint64_t ordered = 0;
  for (uint64_t block = 1; block < 50; ++block) {
    const Order order = ahead.add(block * kBlock, kBlock, 100 * kBlock);
    ordered = std::max(ordered, order.end);
    EXPECT_EQ(ordered, (block + 1 + 6) * kBlock);
  }
  ReadAhead none(1000 * kBlock, kBlock, 0);
  none.add(0, kBlock, 0);
  EXPECT_EQ(none.add(kBlock, kBlock, 0), Order());
}

TEST(ReadAhead, TheSameOnceMoreIsNoReadingOn) {
  ReadAhead ahead(100 * kBlock, kBlock, kNoLimit);
  ahead.add(0, 100, 0);
  EXPECT_EQ(ahead.add(0, 100, 0), Order());
  EXPECT_EQ(ahead.add(50, 50, 0), Order());
  EXPECT_EQ(ahead.add(101, 50, 0), Order());  // a gap
  EXPECT_NE(ahead.add(50, 100, 0), Order());  // begins in what was read and goes beyond
}

TEST(ReadAhead, FollowsAsManyAsItSaysAndForgetsTheOldest) {
  ReadAhead ahead(10'000 * kBlock, kBlock, kNoLimit);
  for (uint64_t stream = 0; stream < ReadAhead::kStreams; ++stream) {
    EXPECT_EQ(ahead.add(stream * 100 * kBlock, 10, 0), Order());
  }
  for (uint64_t stream = 0; stream < ReadAhead::kStreams; ++stream) {
    EXPECT_NE(ahead.add(stream * 100 * kBlock + 10, 10, 0), Order()) << stream;
  }
  EXPECT_EQ(ahead.add(5'000 * kBlock, 10, 0), Order());  // in place of the first
  EXPECT_NE(ahead.add(5'000 * kBlock + 10, 10, 0), Order());
  EXPECT_EQ(ahead.add(20, 10, 0), Order());
}

TEST(RemoteSpeed, IsBandwidthTimesLatency) {
  RemoteSpeed speed;
  EXPECT_EQ(speed.bytes_on_the_way(), 0U);
  speed.add_answer(milliseconds(50));
  EXPECT_EQ(speed.bytes_on_the_way(), 0U);
  speed.add_read(1'000'000, milliseconds(60));  // 10 ms for the bytes
  EXPECT_NEAR(static_cast<double>(speed.bytes_on_the_way()), 5'000'000, 1);
  RemoteSpeed fast;
  fast.add_answer(milliseconds(80));
  fast.add_read(1'000'000, milliseconds(40));  // before an answer was to be expected
  EXPECT_NEAR(static_cast<double>(fast.bytes_on_the_way()), 16'000'000, 1);
  RemoteSpeed at_once;
  at_once.add_answer(milliseconds(0));
  at_once.add_read(1'000'000, milliseconds(0));
  EXPECT_EQ(at_once.bytes_on_the_way(), 0U);
}

TEST(RemoteSpeed, FollowsSlowly) {
  RemoteSpeed speed;
  speed.add_answer(milliseconds(10));
  speed.add_read(1'000'000, milliseconds(20));
  for (int i = 0; i < 50; ++i) {
    speed.add_answer(milliseconds(30));
  }
  EXPECT_NEAR(static_cast<double>(speed.bytes_on_the_way()), 3'000'000, 30'000);
}

}  // namespace
}  // namespace millrace::objects
