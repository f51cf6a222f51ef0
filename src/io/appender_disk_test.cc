// Appenders on a file system of their own, in an image that is mounted here: full for real, and
// read-only for real.
#include "io/appender.h"

#include <gtest/gtest.h>

#include <gmock/gmock.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

namespace millrace::io {
namespace {

using testing::AnyOf;
using testing::HasSubstr;

constexpr size_t kRecord = 10'000;
constexpr uint64_t kImageBytes = uint64_t{32} << 20;

bool runs(const std::string& command) {
  // NOLINTNEXTLINE(cert-env33-c,concurrency-mt-unsafe): mount(8), by one thread
  return std::system((command + " > /dev/null 2>&1").c_str()) == 0;
}

std::vector<std::byte> record_of(uint64_t number) {
  std::vector<std::byte> record(kRecord);
  for (size_t i = 0; i < kRecord; ++i) {
    record[i] = static_cast<std::byte>(number * 31 + i);
  }
  return record;
}

std::string name_of(const testing::TestParamInfo<AppendMethod>& info) {
  constexpr std::array kNames{"PageCache", "Direct", "Uring"};
  return kNames.at(static_cast<size_t>(info.param));
}

class AppenderDiskTest : public testing::TestWithParam<AppendMethod> {
 protected:
  AppenderDiskTest()
      : image_(testing::TempDir() + "disk-" + std::to_string(::getpid()) + ".image"),
        mount_(testing::TempDir() + "disk-" + std::to_string(::getpid())),
        path_(mount_ + "/log") {}

  void SetUp() override {
    ASSERT_TRUE(posix_disk().make_directories(mount_).ok());
    ASSERT_TRUE(posix_disk().open(image_, OpenMode::kCreate).value()->resize(kImageBytes).ok());
    if (!runs("mkfs.ext4 -q -F " + image_) || !mount()) {
      GTEST_SKIP() << "a file system cannot be mounted here; the simulated disk is tested without";
    }
  }

  void TearDown() override {
    unmount();
    std::filesystem::remove(image_);
    std::filesystem::remove(mount_);
  }

  bool mount() {
    is_mounted_ = runs("mount -o loop " + image_ + " " + mount_);
    return is_mounted_;
  }

  void unmount() {
    if (is_mounted_) {
      EXPECT_TRUE(runs("umount " + mount_));
      is_mounted_ = false;
    }
  }

  std::unique_ptr<Appender> open(uint64_t position = 0) {
    return open_appender(posix_disk(), path_, OpenMode::kCreate, position,
                         {.method = GetParam(), .buffer_bytes = size_t{64} << 10})
        .value();
  }

  /// Records until one is refused; every tenth is synced. Returns why.
  static Error fill(Appender& appender) {
    for (uint64_t number = appender.position() / kRecord;; ++number) {
      if (const auto at = appender.append(record_of(number)); !at.ok()) {
        return at.error();
      }
      const Status synced = number % 10 == 9 ? appender.sync() : Status();
      if (!synced.ok()) {
        return synced.error();
      }
    }
  }

  void expect_records(uint64_t bytes) {
    const auto found = posix_disk().read_file(path_).value();
    ASSERT_GE(found.size(), bytes);
    for (uint64_t number = 0; number < bytes / kRecord; ++number) {
      const auto at = found.begin() + static_cast<std::ptrdiff_t>(number * kRecord);
      ASSERT_TRUE(std::equal(at, at + kRecord, record_of(number).begin())) << number;
    }
  }

  const std::string image_;
  const std::string mount_;
  const std::string path_;
  bool is_mounted_ = false;
};

TEST_P(AppenderDiskTest, AFullDiskEndsItAndWhatWasSyncedIsThere) {
  auto appender = open();
  const Error full = fill(*appender);
  EXPECT_EQ(full.code, Code::kOverloaded);
  EXPECT_THAT(full.message, HasSubstr("No space left on device"));
  EXPECT_THAT(full.message, HasSubstr(path_));
  const uint64_t synced = appender->synced_position();
  EXPECT_GT(synced, kImageBytes / 2);
  EXPECT_EQ(appender->append(record_of(0)).error().message, full.message);
  EXPECT_EQ(appender->sync().error().message, full.message);
  EXPECT_EQ(appender->close().error().message, full.message);
  appender.reset();
  expect_records(synced);

  // With room again it goes on from the last sync.
  ASSERT_TRUE(posix_disk().open(path_, OpenMode::kReadWrite).value()->resize(synced / 2).ok());
  const uint64_t kept = synced / 2 / kRecord * kRecord;
  appender = open(kept);
  ASSERT_TRUE(appender->append(record_of(kept / kRecord)).ok());
  ASSERT_TRUE(appender->close().ok());
  expect_records(kept + kRecord);
}

TEST_P(AppenderDiskTest, ARoomThatThereIsNotTakesNothing) {
  auto appender = open();
  const Status refused = appender->reserve(2 * kImageBytes);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Code::kOverloaded);
  EXPECT_THAT(refused.error().message, HasSubstr("No space left on device"));
  ASSERT_TRUE(appender->append(record_of(0)).ok());
  ASSERT_TRUE(appender->sync().ok());
  ASSERT_TRUE(appender->close().ok());
  expect_records(kRecord);
}

TEST_P(AppenderDiskTest, AReadOnlyRemountEndsItAndWhatWasSyncedIsThere) {
  auto appender = open();
  for (uint64_t number = 0; number < 100; ++number) {
    ASSERT_TRUE(appender->append(record_of(number)).ok());
  }
  ASSERT_TRUE(appender->sync().ok());
  // What ext4 does with errors=remount-ro when its disk fails.
  ASSERT_TRUE(runs("mount -o remount,abort " + mount_));
  const Error refused = fill(*appender);
  EXPECT_EQ(refused.code, Code::kIo);
  EXPECT_THAT(refused.message,
              AnyOf(HasSubstr("Read-only file system"), HasSubstr("Input/output error"),
                    HasSubstr("Structure needs cleaning")));
  EXPECT_EQ(appender->sync().error().message, refused.message);
  EXPECT_EQ(appender->synced_position(), 100 * kRecord);
  appender.reset();
  unmount();
  ASSERT_TRUE(mount());
  expect_records(100 * kRecord);
}

INSTANTIATE_TEST_SUITE_P(Methods, AppenderDiskTest,
                         testing::Values(AppendMethod::kPageCache, AppendMethod::kDirect,
                                         AppendMethod::kUring),
                         name_of);

}  // namespace
}  // namespace millrace::io
