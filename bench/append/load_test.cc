#include "bench/append/load.h"

#include "bench/append/matrix.h"
#include "bench/append/measure.h"

#include <gtest/gtest.h>

#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <string>

namespace millrace::bench {
namespace {

using testing::HasSubstr;

class LoadTest : public testing::Test {
 protected:
  LoadTest() : directory_(testing::TempDir() + "load-" + std::to_string(::getpid())) {
    EXPECT_TRUE(io::posix_disk().make_directories(directory_).ok());
  }

  void TearDown() override { std::filesystem::remove_all(directory_); }

  uint64_t size_of(const std::string& name) const {
    return std::filesystem::file_size(directory_ + "/" + name);
  }

  const std::string directory_;
};

/// One of each method and policy, with few records.
std::vector<Case> all_kinds() {
  std::vector<Case> cases;
  for (Scenario& scenario : full_matrix()) {
    for (Case& load : scenario.cases) {
      const bool is_chosen = load.bytes() < uint64_t{1} << 30 && load.record_bytes == 1024 &&
                             (load.buffer_bytes == 0 || load.buffer_bytes == size_t{64} << 10) &&
                             load.threads < 8;
      if (is_chosen) {
        load.records = 200;
        cases.push_back(load);
      }
    }
  }
  return cases;
}

TEST_F(LoadTest, EveryKindOfCaseWritesAllItsRecords) {
  for (const Case& load : all_kinds()) {
    SCOPED_TRACE(fmt::format("{} {} {} {}", name_of(load.method), name_of(load.policy),
                             load.threads, load.is_shared));
    const auto sample =
        run(load, io::posix_disk(), {.directory = directory_, .has_latencies = true});
    ASSERT_TRUE(sample.ok()) << sample.error().message;
    EXPECT_GT(sample->seconds, 0);
    EXPECT_EQ(sample->latencies_ns.count(), load.records);
    const size_t files = load.is_shared ? 1 : load.threads;
    for (size_t i = 0; i < files; ++i) {
      EXPECT_EQ(size_of("fresh-" + std::to_string(i)), load.bytes() / files);
    }
  }
}

Case small(Method method, std::string_view policy, unsigned threads) {
  Case load;
  load.method = method;
  load.buffer_bytes = size_t{64} << 10;
  load.record_bytes = 1024;
  load.records = 300;
  load.policy = parse_policy(policy).value();
  load.threads = threads;
  return load;
}

uint64_t calls(const Case& load, const std::string& directory) {
  return run(load, io::posix_disk(), {.directory = directory}).value().system_calls.value();
}

TEST_F(LoadTest, SystemCallsAreThoseThatThePolicyNeeds) {
  EXPECT_EQ(calls(small(Method::kWrite, "none", 1), directory_), 300U);
  EXPECT_EQ(calls(small(Method::kWrite, "end", 1), directory_), 301U);
  EXPECT_EQ(calls(small(Method::kWrite, "each", 2), directory_), 600U);
  EXPECT_EQ(calls(small(Method::kWrite, "every-100", 1), directory_), 303U);
  // 300 KiB in buffers of 64 KiB.
  EXPECT_EQ(calls(small(Method::kPageCache, "none", 1), directory_), 5U);
  EXPECT_EQ(calls(small(Method::kPageCache, "end", 1), directory_), 6U);
  EXPECT_EQ(calls(small(Method::kPageCache, "group", 1), directory_), 600U);
  EXPECT_LE(calls(small(Method::kPageCache, "group", 8), directory_), 600U);
}

TEST_F(LoadTest, RecordsPutTogetherAreFewerAppends) {
  Case load = small(Method::kWrite, "none", 1);
  load.batch_bytes = 8192;
  EXPECT_EQ(calls(load, directory_), 38U);  // 37 of 8 records, one of 4
  EXPECT_EQ(size_of("fresh-0"), load.bytes());
}

TEST_F(LoadTest, ARecycledFileKeepsItsSize) {
  Case load = small(Method::kDirect, "end", 1);
  load.ground = Ground::kRecycled;
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(run(load, io::posix_disk(), {.directory = directory_}).ok());
    EXPECT_EQ(size_of("recycled-307200-0"), load.bytes());
  }
  load.method = Method::kRawDisk;
  EXPECT_TRUE(run(load, io::posix_disk(), {.directory = directory_}).ok());
}

TEST_F(LoadTest, WhatMakesNoSenseOrIsStoppedIsAnError) {
  Case load = small(Method::kWrite, "none", 1);
  load.threads = 0;
  EXPECT_EQ(run(load, io::posix_disk(), {.directory = directory_}).error().code, Code::kInvalid);
  load.threads = 1;
  const std::atomic<bool> stop{true};
  EXPECT_EQ(run(load, io::posix_disk(), {.directory = directory_, .stop = &stop}).error().code,
            Code::kCancelled);
  EXPECT_THAT(run(load, io::posix_disk(), {.directory = directory_ + "/none"}).error().message,
              HasSubstr(directory_ + "/none"));
}

TEST_F(LoadTest, RowsAreOfTheMedianRun) {
  Row row;
  row.load = small(Method::kWrite, "none", 1);
  row.load.records = 3 << 10;  // 3 MiB
  row.seconds = {1, 2, 6};
  row.cpu_seconds = {1, 2, 3};
  EXPECT_DOUBLE_EQ(row.megabytes_per_second(), 1.5);
  EXPECT_DOUBLE_EQ(row.least_megabytes_per_second(), 0.5);
  EXPECT_DOUBLE_EQ(row.most_megabytes_per_second(), 3);
  EXPECT_DOUBLE_EQ(row.records_per_second(), 1536);
  EXPECT_NEAR(row.cpu_seconds_per_gb(), 635.78, 0.01);
}

TEST_F(LoadTest, EveryCaseIsRunAsOftenAsTheScenarioSays) {
  Scenario scenario;
  scenario.repeats = 3;
  scenario.cases = {small(Method::kWrite, "none", 1), small(Method::kPageCache, "group", 2)};
  int runs = 0;
  const auto rows = measure(scenario, io::posix_disk(), {.directory = directory_}, [&] { ++runs; });
  ASSERT_TRUE(rows.ok());
  EXPECT_EQ(runs, 7);  // one more of the first, for its latencies
  EXPECT_EQ(runs_of(scenario), 7U);
  ASSERT_EQ(rows->size(), 2U);
  EXPECT_EQ((*rows)[0].seconds.size(), 3U);
  EXPECT_EQ((*rows)[0].latencies_ns.count(), 300U);
  EXPECT_EQ((*rows)[1].latencies_ns.count(), 900U);
}

}  // namespace
}  // namespace millrace::bench
