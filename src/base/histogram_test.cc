#include "base/histogram.h"

#include <gtest/gtest.h>

#include <random>

namespace millrace {
namespace {

TEST(Histogram, IsExactForSmallValues) {
  Histogram histogram;
  EXPECT_EQ(histogram.percentile(0.5), 0);
  for (int64_t i = 1; i <= 100; ++i) {
    histogram.add(i);
  }
  EXPECT_EQ(histogram.percentile(0), 1);
  EXPECT_EQ(histogram.percentile(0.5), 50);
  EXPECT_EQ(histogram.percentile(0.99), 99);
  EXPECT_EQ(histogram.percentile(0.999), 100);
  EXPECT_EQ(histogram.percentile(1), 100);
  EXPECT_EQ(histogram.count(), 100U);
}

TEST(Histogram, NeverTellsLessAndAtMostA256thMore) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 2000; ++round) {
    const auto value = static_cast<int64_t>(random() >> (1 + random() % 62));
    Histogram histogram;
    histogram.add(value);
    histogram.add(INT64_MAX);
    const int64_t told = histogram.percentile(0.5);
    EXPECT_GE(told, value);
    EXPECT_LE(told - value, value / 256) << value;
    EXPECT_EQ(histogram.max(), INT64_MAX);
  }
}

TEST(Histogram, MergedIsAsIfOneHadSeenAll) {
  Histogram one;
  Histogram other;
  Histogram all;
  std::mt19937_64 random(3);
  for (int i = 0; i < 10'000; ++i) {
    const auto value = static_cast<int64_t>(random() % 1'000'000);
    (i % 3 == 0 ? one : other).add(value);
    all.add(value);
  }
  one.add(-5);  // a clock that went back
  all.add(0);
  one.merge(other);
  for (const double share : {0.0, 0.1, 0.5, 0.95, 0.99, 0.999, 1.0}) {
    EXPECT_EQ(one.percentile(share), all.percentile(share));
  }
  EXPECT_EQ(one.count(), all.count());
  EXPECT_EQ(one.max(), all.max());
}

}  // namespace
}  // namespace millrace
