#include "io/disk_reserve.h"

#include "io/simulated_disk.h"

#include <gtest/gtest.h>

#include <vector>

namespace millrace::io {
namespace {

constexpr uint64_t kOthers = 10'000;  // bytes of other files
const std::string kPath = "/data/reserve";

class DiskReserveTest : public testing::Test {
 protected:
  DiskReserveTest() {
    EXPECT_TRUE(disk_.make_directories("/data").ok());
    EXPECT_TRUE(write("/data/other", kOthers).ok());
  }

  Status write(const std::string& path, uint64_t bytes) {
    MILLRACE_TRY(const auto file, disk_.open(path, OpenMode::kCreate));
    return file->write_at(0, std::vector<std::byte>(bytes));
  }

  void capacity(uint64_t bytes) { disk_.set_faults({.capacity_bytes = bytes}); }

  uint64_t kept() { return disk_.exists(kPath).value() ? disk_.read_file(kPath)->size() : 0; }

  SimulatedDisk disk_{1};
  DiskReserve reserve_{disk_, kPath};
};

TEST_F(DiskReserveTest, IsWhatAFullDiskHasLeft) {
  EXPECT_EQ(reserve_.give_up(1), 0U) << "nothing was kept yet";
  reserve_.keep();
  EXPECT_EQ(kept(), DiskReserve::kBytes);
  capacity(kOthers + DiskReserve::kBytes);
  EXPECT_EQ(write("/data/late", 5'000).error().code, Code::kOverloaded);
  EXPECT_EQ(reserve_.give_up(10'000), 10'000U);
  EXPECT_EQ(kept(), DiskReserve::kBytes - 10'000);
  EXPECT_EQ(reserve_.give_up(DiskReserve::kBytes), DiskReserve::kBytes - 10'000);
  EXPECT_EQ(reserve_.give_up(1), 0U);
  EXPECT_TRUE(write("/data/late", 5'000).ok());
  reserve_.take_back(DiskReserve::kBytes);
  EXPECT_GT(kept(), DiskReserve::kBytes - 32'000);
  EXPECT_EQ(write("/data/later", 20'000).error().code, Code::kOverloaded);
}

TEST_F(DiskReserveTest, IsTakenBackAsThereIsRoom) {
  capacity(kOthers + 100'000);
  for (int i = 0; i < 5; ++i) {
    reserve_.keep();
    EXPECT_GT(kept(), 40'000U);
    EXPECT_LE(kept(), 50'000U) << "as much is left to others";
  }
  capacity(kOthers + 3 * DiskReserve::kBytes);
  reserve_.keep();
  EXPECT_EQ(kept(), DiskReserve::kBytes);
}

TEST_F(DiskReserveTest, AnotherProcessFindsIt) {
  reserve_.keep();
  capacity(kOthers + DiskReserve::kBytes);
  const uint64_t before = disk_.operations();
  DiskReserve next(disk_, kPath);
  next.keep();
  EXPECT_EQ(disk_.operations(), before) << "what is whole is left alone";
  EXPECT_EQ(next.give_up(DiskReserve::kBytes), DiskReserve::kBytes);
}

}  // namespace
}  // namespace millrace::io
