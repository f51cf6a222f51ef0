#include "io/frozen_disk.h"

#include "io/simulated_disk.h"
#include "io/test_bytes.h"

#include <gtest/gtest.h>

namespace millrace::io {
namespace {

TEST(FrozenDisk, ReadsAndRefusesEveryChange) {
  SimulatedDisk disk(1);
  ASSERT_TRUE(disk.make_directories("/d").ok());
  ASSERT_TRUE(disk.replace_file("/d/f", random_bytes(5, 1)).ok());
  const uint64_t operations = disk.operations();
  FrozenDisk frozen(disk);
  EXPECT_EQ(frozen.read_file("/d/f")->size(), 5U);
  EXPECT_TRUE(frozen.open("/d/f", OpenMode::kReadWrite).ok());
  EXPECT_EQ(frozen.list("/d")->size(), 1U);
  EXPECT_TRUE(frozen.list("/none")->empty());
  for (const Status& status :
       {frozen.rename("/d/f", "/d/g"), frozen.remove("/d/f"), frozen.make_directories("/e"),
        frozen.sync_directory("/d"), frozen.replace_file("/d/f", random_bytes(5, 2))}) {
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, Code::kReadOnly);
  }
  EXPECT_EQ(frozen.open("/d/new", OpenMode::kCreate).error().code, Code::kReadOnly);
  EXPECT_EQ(frozen.open("/d/new", OpenMode::kCreateNew).error().code, Code::kReadOnly);
  EXPECT_EQ(disk.operations(), operations);
}

}  // namespace
}  // namespace millrace::io
