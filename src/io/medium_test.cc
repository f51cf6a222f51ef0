#include "io/medium.h"

#include <gtest/gtest.h>

#include <string>

namespace millrace::io {
namespace {

TEST(Medium, KnowsWhoseDiskItIs) {
  for (const uint64_t magic : {0x6969U, 0xFF534D42U, 0xFE534D42U, 0x00C36400U}) {
    EXPECT_TRUE(medium_named(magic).is_network) << medium_named(magic).file_system;
  }
  for (const uint64_t magic :
       {0xEF53U, 0x58465342U, 0x9123683EU, 0x01021994U, 0x65735546U, 0x01021997U}) {
    EXPECT_FALSE(medium_named(magic).is_network) << medium_named(magic).file_system;
  }
  EXPECT_EQ(medium_named(0x6969).file_system, "nfs");
  EXPECT_EQ(medium_named(0x12345).file_system, "0x12345");
  EXPECT_FALSE(medium_named(0x12345).is_network);
}

TEST(Medium, OfThisMachine) {
  const auto proc = medium_of("/proc");
  ASSERT_TRUE(proc.ok());
  EXPECT_EQ(proc->file_system, "0x9fa0");
  EXPECT_FALSE(proc->is_rotational);
  EXPECT_TRUE(medium_of(testing::TempDir()).ok());
  EXPECT_EQ(medium_of("/no/such/place").error().code, Code::kNotFound);
}

}  // namespace
}  // namespace millrace::io
