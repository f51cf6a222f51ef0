#include "bench/append/cases.h"

#include "bench/append/matrix.h"
#include "bench/append/recommend.h"

#include <gtest/gtest.h>

#include <gmock/gmock.h>

#include <set>

namespace millrace::bench {
namespace {

using testing::HasSubstr;

TEST(Cases, NamesAreReadAsTheyAreWritten) {
  for (const char* name : {"write", "buffered", "page_aligned", "mapped", "page_cache", "direct",
                           "io_uring", "raw_disk"}) {
    EXPECT_EQ(name_of(parse_method(name).value()), name);
  }
  for (const char* name : {"none", "end", "each", "group", "every-1", "every-100", "10ms"}) {
    EXPECT_EQ(name_of(parse_policy(name).value()), name);
  }
}

TEST(Cases, WhatIsNoNameIsRefusedWithTheNames) {
  EXPECT_THAT(parse_method("uring").error().message, HasSubstr("\"uring\" is no method; there are "
                                                               "write, buffered"));
  for (const char* text : {"", "every-", "every-0", "every-x", "every--1", "0ms", "ms", "-1ms",
                           "10 ms", "10s", "ends"}) {
    EXPECT_THAT(parse_policy(text).error().message, HasSubstr("is no policy; there are none"));
  }
}

TEST(Matrix, ASubsetHasOnlyWhatWasAskedFor) {
  const Subset subset{.methods = {Method::kDirect, Method::kUring},
                      .buffer_bytes = {64 << 10},
                      .policies = {parse_policy("group").value()}};
  const auto matrix = only(default_matrix(), subset);
  ASSERT_FALSE(matrix.empty());
  for (const Scenario& scenario : matrix) {
    ASSERT_FALSE(scenario.cases.empty());
    for (const Case& load : scenario.cases) {
      EXPECT_TRUE(load.method == Method::kDirect || load.method == Method::kUring);
      EXPECT_EQ(load.buffer_bytes, size_t{64} << 10);
      EXPECT_EQ(name_of(load.policy), "group");
    }
  }
  EXPECT_TRUE(only(default_matrix(), {.buffer_bytes = {4095}}).empty());
  for (const Scenario& scenario : only(default_matrix(), {.is_quick = true})) {
    EXPECT_EQ(scenario.repeats, 1U);
    for (const Case& load : scenario.cases) {
      EXPECT_LE(load.bytes(), uint64_t{128} << 20);
    }
  }
}

TEST(Matrix, TheWholeProductHasEveryChoiceWithEveryOther) {
  std::set<std::string> seen;
  std::set<std::string> titles;
  for (const Scenario& scenario : full_matrix()) {
    titles.insert(scenario.title);
    for (const Case& load : scenario.cases) {
      seen.insert(fmt::format("{} {} {} {} {} {} {}", name_of(load.method), load.buffer_bytes,
                              load.record_bytes, name_of(load.policy), load.threads, load.is_shared,
                              name_of(load.ground)));
      EXPECT_EQ(load.buffer_bytes != 0, has_buffer(load.method));
    }
  }
  for (const Scenario& scenario : default_matrix()) {
    EXPECT_TRUE(titles.contains(scenario.title)) << scenario.title;
  }
  // 5 methods with 6 buffers, 2 without; 1 thread, or 2, 8, 64 on one appender or one each.
  EXPECT_GE(seen.size(), size_t{3} * 6 * (5 * 6 + 2) * 7);
}

Row row_of(Method method, size_t buffer, Policy::Kind policy, size_t record, double seconds) {
  Row row;
  row.load.method = method;
  row.load.buffer_bytes = buffer;
  row.load.policy.kind = policy;
  row.load.record_bytes = record;
  row.load.records = 1 << 20;
  row.seconds = {seconds};
  row.cpu_seconds = {seconds};
  row.latencies_ns.add(static_cast<int64_t>(seconds * 1e6));
  return row;
}

TEST(Recommend, ChoosesWhatWasFastestOfOurWays) {
  const auto end = Policy::Kind::kEnd;
  const auto group = Policy::Kind::kGroup;
  std::vector<Row> rows{row_of(Method::kMapped, 0, end, 128, 0.1),  // an exhibit: not for choice
                        row_of(Method::kPageCache, 65536, end, 128, 1),
                        row_of(Method::kPageCache, 65536, end, 512, 3),
                        row_of(Method::kDirect, 65536, end, 128, 2),
                        row_of(Method::kDirect, 65536, end, 512, 1),
                        row_of(Method::kUring, 65536, end, 128, 0.5),  // 512 was not measured
                        row_of(Method::kPageCache, 65536, group, 128, 2),
                        row_of(Method::kUring, 4096, group, 128, 1)};
  auto advice = recommend(rows);
  ASSERT_EQ(advice.size(), 2U);
  EXPECT_EQ(advice[0].purpose, "low latency");
  EXPECT_THAT(advice[0].choice, HasSubstr("io_uring, buffers of 4 KiB"));
  EXPECT_EQ(advice[1].purpose, "general");
  EXPECT_THAT(advice[1].choice, HasSubstr("direct, buffers of 64 KiB"));

  rows = {row_of(Method::kUring, 1 << 20, end, 2048, 2),
          row_of(Method::kRawDisk, 1 << 20, end, 2048, 1)};
  advice = recommend(rows);
  ASSERT_EQ(advice.size(), 1U);
  EXPECT_EQ(advice[0].purpose, "bulk");
  EXPECT_THAT(advice[0].choice, HasSubstr("50 % of the disk"));
  EXPECT_TRUE(recommend({}).empty());
}

}  // namespace
}  // namespace millrace::bench
