#include "journal/test_log.h"

#include <gtest/gtest.h>

namespace millrace::journal {
namespace {

TEST(JournalWriter, TimesAndSizesOfRunsAreCounted) {
  TestLog log;
  ASSERT_TRUE(log.start().ok());
  const WriterCounters& counters = log.writer->counters();
  const uint64_t before = counters.runs;  // of the start
  Pending first;
  Pending second;
  first.request.batches.push_back(batch_of(partition_of(1, 0), "a"));
  first.queued = log.clock.steady();
  log.clock.advance(std::chrono::milliseconds(3));
  second.request.batches.push_back(batch_of(partition_of(1, 1), std::string(9000, 'b')));
  second.queued = log.clock.steady();
  Pending* queue[] = {&first, &second};
  ASSERT_EQ(log.writer->write(queue), 2U);
  const auto count = [](const Distribution& of) { return of.counts().back().up_to; };
  EXPECT_EQ(count(counters.run_bytes), before + 1);
  EXPECT_EQ(count(counters.write), before + 1);
  EXPECT_EQ(count(counters.sync), before + 1);
  EXPECT_EQ(count(counters.gather), 1U);
  EXPECT_EQ(count(counters.wait), 2U);
  EXPECT_DOUBLE_EQ(counters.wait.sum(), 0.003);
  EXPECT_EQ(counters.run_bytes.sum(), static_cast<double>(counters.bytes));
  EXPECT_EQ(count(counters.run_records), before + 1);
  EXPECT_EQ(counters.run_records.sum(), 2);
  EXPECT_EQ(counters.in_flight, 0U);
}

}  // namespace
}  // namespace millrace::journal
