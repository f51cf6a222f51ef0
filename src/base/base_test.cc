#include "base/backoff.h"
#include "base/clock.h"
#include "base/edit_distance.h"
#include "base/ids.h"
#include "base/memory_budget.h"
#include "base/result.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <set>

namespace millrace {
namespace {

Result<int> half(int n) {
  if (n % 2 != 0) {
    return make_error(Code::kInvalid, "{} is odd", n);
  }
  return n / 2;
}

Result<int> quarter(int n) {
  MILLRACE_TRY(const int h, half(n));
  MILLRACE_TRY(const int q, half(h));
  return q;
}

TEST(Result, TryLeavesWithTheFirstError) {
  EXPECT_EQ(quarter(12).value(), 3);
  EXPECT_EQ(quarter(6).error().message, "3 is odd");
  EXPECT_EQ(quarter(5).error().code, Code::kInvalid);
}

TEST(Result, FullDiskIsRetriable) {
  const Error error = errno_error("write", "/x", ENOSPC);
  EXPECT_EQ(error.code, Code::kOverloaded);
  EXPECT_EQ(error.retry, Retry::kBackoff);
  EXPECT_EQ(errno_error("read", "/x", EIO).retry, Retry::kNo);
}

TEST(EditDistance, CountsChangedAddedAndLeftOutBytes) {
  EXPECT_EQ(edit_distance("", ""), 0U);
  EXPECT_EQ(edit_distance("", "abc"), 3U);
  EXPECT_EQ(edit_distance("abc", ""), 3U);
  EXPECT_EQ(edit_distance("weather", "wether"), 1U);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
}

TEST(Uuid, TextRoundTripsAndRefusesJunk) {
  const Uuid uuid = Uuid::random();
  EXPECT_EQ(Uuid::parse(uuid.to_string()), uuid);
  EXPECT_NE(uuid, Uuid::random());
  EXPECT_FALSE(Uuid::parse("").has_value());
  EXPECT_FALSE(Uuid::parse(uuid.to_string().substr(1)).has_value());
  EXPECT_FALSE(Uuid::parse("zf1c8f0e-0000-0000-0000-000000000000").has_value());
  EXPECT_TRUE(Uuid::parse("00000000000000000000000000000000")->is_none());
}

TEST(MemoryBudget, RefusesOneByteOverTheLimit) {
  MemoryBudget budget("test", 100);
  auto first = budget.try_reserve(99);
  ASSERT_TRUE(first);
  EXPECT_FALSE(budget.try_reserve(2));
  auto second = budget.try_reserve(1);
  EXPECT_TRUE(second);
  EXPECT_EQ(budget.used(), 100U);
  first = {};
  EXPECT_EQ(budget.used(), 1U);
  EXPECT_FALSE(budget.try_reserve(SIZE_MAX));
}

TEST(MemoryBudget, ResizesWhatIsHeldEvenBeyondTheLimit) {
  MemoryBudget budget("test", 100);
  auto held = budget.try_reserve(60);
  held.resize(10);
  EXPECT_EQ(budget.used(), 10U);
  held.resize(130);
  EXPECT_EQ(budget.used(), 130U);
  EXPECT_FALSE(budget.try_reserve(0));
  auto both = budget.reserve_anyway(5);
  both.add(std::move(held));
  both.add({});
  EXPECT_EQ(both.bytes(), 135U);
  MemoryBudget::Reservation all;
  all.add(std::move(both));
  EXPECT_EQ(budget.used(), 135U);
  all.release();
  EXPECT_EQ(budget.used(), 0U);
}

TEST(MemoryBudget, OneAtATimeGrowsBesideTheLimit) {
  MemoryBudget budget("test", 100);
  auto small = budget.try_reserve(50);
  auto large = budget.try_reserve(10);
  ASSERT_TRUE(large.try_grow(50));
  EXPECT_EQ(budget.used(), 100U);
  ASSERT_TRUE(large.try_grow(51)) << "beside";
  EXPECT_EQ(budget.used(), 101U);
  EXPECT_TRUE(budget.try_reserve(50)) << "which leaves the others what it had";
  EXPECT_FALSE(small.try_grow(500)) << "one is there";
  EXPECT_EQ(budget.used(), 101U);
  large.resize(40);
  EXPECT_EQ(budget.used(), 101U) << "it is counted until it ends";
  large.resize(60);
  EXPECT_EQ(budget.used(), 110U) << "what is more comes within";
  auto both = std::move(small);
  both.add(std::move(large));
  EXPECT_EQ(both.bytes(), 110U);
  both = {};
  EXPECT_EQ(budget.used(), 0U);
  auto next = budget.try_reserve(1);
  EXPECT_TRUE(next.try_grow(500)) << "it is free again";
}

TEST(ManualClock, JumpMovesOnlyTheWall) {
  ManualClock clock;
  const auto wall = clock.wall();
  const auto steady = clock.steady();
  clock.jump(std::chrono::hours(-1));
  EXPECT_EQ(clock.wall(), wall - std::chrono::hours(1));
  EXPECT_EQ(clock.steady(), steady);
}

TEST(Backoff, PausesDoubleUpToTheLimitAndAreNotTheSame) {
  using std::chrono::milliseconds;
  Backoff backoff(milliseconds(1000), milliseconds(5000));
  const auto is_half_to_all_of = [&backoff](int64_t all) {
    const int64_t pause = backoff.next().count();
    return pause >= all / 2 && pause <= all;
  };
  for (const int64_t all : {1000, 2000, 4000, 5000, 5000}) {
    EXPECT_TRUE(is_half_to_all_of(all)) << all;
  }
  backoff.reset();
  EXPECT_TRUE(is_half_to_all_of(1000));
  std::set<milliseconds> seen;
  for (int i = 0; i < 20; ++i) {
    Backoff other(milliseconds(100'000), milliseconds(100'000));
    seen.insert(other.next());
  }
  EXPECT_GT(seen.size(), 10U);
}

}  // namespace
}  // namespace millrace
