#include "fsck/work.h"

#include "bytes/buffer.h"
#include "io/simulated_disk.h"

#include <gtest/gtest.h>

namespace millrace::fsck {
namespace {

TEST(FrozenDisk, ReadsAndRefusesEveryChange) {
  io::SimulatedDisk disk(1);
  ASSERT_TRUE(disk.make_directories("/d").ok());
  ASSERT_TRUE(disk.replace_file("/d/f", bytes::as_bytes("bytes")).ok());
  const uint64_t operations = disk.operations();
  FrozenDisk frozen(disk);
  EXPECT_EQ(frozen.read_file("/d/f")->size(), 5U);
  EXPECT_TRUE(frozen.open("/d/f", io::OpenMode::kReadWrite).ok());
  EXPECT_EQ(frozen.list("/d")->size(), 1U);
  EXPECT_TRUE(frozen.list("/none")->empty());
  for (const Status& status :
       {frozen.rename("/d/f", "/d/g"), frozen.remove("/d/f"), frozen.make_directories("/e"),
        frozen.sync_directory("/d"), frozen.replace_file("/d/f", bytes::as_bytes("other"))}) {
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, Code::kReadOnly);
  }
  EXPECT_EQ(frozen.open("/d/new", io::OpenMode::kCreate).error().code, Code::kReadOnly);
  EXPECT_EQ(frozen.open("/d/new", io::OpenMode::kCreateNew).error().code, Code::kReadOnly);
  EXPECT_EQ(disk.operations(), operations);
}

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
