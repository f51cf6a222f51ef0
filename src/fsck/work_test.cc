#include "fsck/work.h"

#include "io/simulated_disk.h"

#include <gtest/gtest.h>

namespace millrace::fsck {
namespace {

TEST(Work, CountsAndStops) {
  io::SimulatedDisk disk(1);
  Report report;
  std::atomic<bool> stop{false};
  uint64_t shown = 0;
  Work work{.disk = disk,
            .data = "/d",
            .report = report,
            .progress = [&](uint64_t done) { shown = done; },
            .stop = &stop};
  EXPECT_TRUE(work.read(3).ok());
  stop = true;
  EXPECT_EQ(work.read(4).error().code, Code::kCancelled);
  EXPECT_EQ(report.bytes, 7U);
  EXPECT_EQ(shown, 7U);
}

}  // namespace
}  // namespace millrace::fsck
