#include "bench/append/exhibits.h"

#include "io/simulated_disk.h"
#include "io/test_bytes.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include <string>
#include <vector>

namespace millrace::bench {
namespace {

constexpr size_t kBuffer = 4096;

std::string name_of(const testing::TestParamInfo<Exhibit>& info) {
  constexpr std::array kNames{"WriteEach", "Buffered", "PageAligned", "Mapped"};
  return kNames.at(static_cast<size_t>(info.param));
}

class ExhibitTest : public testing::TestWithParam<Exhibit> {
 protected:
  ExhibitTest() : path_(testing::TempDir() + "exhibit-" + std::to_string(::getpid())) {
    static_cast<void>(io::posix_disk().remove(path_));
  }

  void TearDown() override { static_cast<void>(io::posix_disk().remove(path_)); }

  std::unique_ptr<io::Appender> open() {
    auto appender = open_exhibit(GetParam(), io::posix_disk(), path_, kBuffer).value();
    EXPECT_TRUE(appender->reserve(64 * kBuffer).ok());
    return appender;
  }

  std::vector<std::byte> content(size_t size) const {
    auto found = io::posix_disk().read_file(path_).value();
    found.resize(std::min(found.size(), size));
    return found;
  }

  const std::string path_;
};

TEST_P(ExhibitTest, RecordsOfEverySizeAroundABufferLieBackToBack) {
  std::vector<std::byte> expected;
  auto appender = open();
  uint32_t seed = 0;
  for (const size_t size : {size_t{0}, size_t{1}, kBuffer - 1, kBuffer, kBuffer + 1, size_t{7},
                            2 * kBuffer + 1, kBuffer - 8, size_t{1}}) {
    const auto record = io::random_bytes(size, ++seed);
    EXPECT_EQ(appender->append(record).value(), expected.size());
    expected.insert(expected.end(), record.begin(), record.end());
  }
  ASSERT_TRUE(appender->flush().ok());
  EXPECT_EQ(content(expected.size()), expected);
  ASSERT_TRUE(appender->sync().ok());
  EXPECT_EQ(appender->synced_position(), expected.size());
  ASSERT_TRUE(appender->close().ok());
  EXPECT_EQ(content(expected.size()), expected);
}

TEST_P(ExhibitTest, WhatIsKeptBackIsNotWrittenBeforeItMust) {
  auto appender = open_exhibit(GetParam(), io::posix_disk(), path_, kBuffer).value();
  ASSERT_TRUE(appender->reserve(64 * kBuffer).ok());
  ASSERT_TRUE(appender->append(io::random_bytes(100, 1)).ok());
  const bool is_seen = content(100) == io::random_bytes(100, 1);
  const bool keeps_back = GetParam() == Exhibit::kBuffered || GetParam() == Exhibit::kPageAligned;
  EXPECT_EQ(is_seen, !keeps_back);
}

INSTANTIATE_TEST_SUITE_P(All, ExhibitTest,
                         testing::Values(Exhibit::kWriteEach, Exhibit::kBuffered,
                                         Exhibit::kPageAligned, Exhibit::kMapped),
                         name_of);

TEST(Exhibits, AMapTakesWhatItHasRoomForAndNoMore) {
  const std::string path = testing::TempDir() + "mapped-" + std::to_string(::getpid());
  auto appender = open_exhibit(Exhibit::kMapped, io::posix_disk(), path, 0).value();
  ASSERT_TRUE(appender->reserve(kBuffer).ok());
  ASSERT_TRUE(appender->append(io::random_bytes(kBuffer, 1)).ok());
  const auto beyond = appender->append(io::random_bytes(1, 2));
  EXPECT_EQ(beyond.error().code, Code::kTooLarge);
  EXPECT_TRUE(io::posix_disk().remove(path).ok());
}

TEST(Exhibits, AFailedWriteIsTheLastWord) {
  io::SimulatedDisk disk(1);
  ASSERT_TRUE(disk.make_directories("/d").ok());
  auto appender = open_exhibit(Exhibit::kBuffered, disk, "/d/log", kBuffer).value();
  ASSERT_TRUE(appender->append(io::random_bytes(1, 1)).ok());
  disk.set_faults({.fail_at = disk.operations() + 1});
  const Status failed = appender->flush();
  EXPECT_EQ(failed.error().code, Code::kIo);
  EXPECT_EQ(appender->sync().error().message, failed.error().message);
  EXPECT_EQ(appender->append(io::random_bytes(1, 1)).error().message, failed.error().message);
}

}  // namespace
}  // namespace millrace::bench
