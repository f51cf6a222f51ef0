#include "io/appender.h"

#include "io/forwarding_disk.h"
#include "io/simulated_disk.h"
#include "io/test_bytes.h"

#include <gtest/gtest.h>

#include <gmock/gmock.h>
#include <unistd.h>

#include <cstring>
#include <random>
#include <thread>

namespace millrace::io {
namespace {

using testing::HasSubstr;

constexpr size_t kBuffer = 4096;
constexpr const char* kPath = "/d/log";

std::string test_name_of(AppendMethod method) {
  switch (method) {
    case AppendMethod::kPageCache:
      return "PageCache";
    case AppendMethod::kDirect:
      return "Direct";
    case AppendMethod::kUring:
      return "Uring";
  }
  return "";
}

class AppenderTest : public testing::TestWithParam<AppendMethod> {
 protected:
  AppenderTest() { EXPECT_TRUE(disk_.make_directories("/d").ok()); }

  std::unique_ptr<Appender> open(uint64_t position = 0, size_t buffers = 2,
                                 size_t buffer_bytes = kBuffer) {
    return open_appender(disk_, kPath, OpenMode::kCreate, position,
                         {.method = GetParam(), .buffer_bytes = buffer_bytes, .buffers = buffers})
        .value();
  }

  /// What is in the file, but for the zeros up to a whole block after a flush past the page cache.
  std::vector<std::byte> flushed(uint64_t size) {
    auto found = content();
    if (GetParam() != AppendMethod::kPageCache) {
      EXPECT_EQ(found.size(), (size + kDirectBlock - 1) / kDirectBlock * kDirectBlock);
      found.resize(std::min<size_t>(found.size(), size));
    }
    return found;
  }

  std::vector<std::byte> content() { return disk_.read_file(kPath).value(); }

  SimulatedDisk disk_{1};
};

TEST_P(AppenderTest, RecordsOfEverySizeAroundABufferLieBackToBack) {
  std::vector<std::byte> expected;
  auto appender = open();
  uint32_t seed = 0;
  for (const size_t size :
       {size_t{0}, size_t{1}, kBuffer - 1, kBuffer, kBuffer + 1, 2 * kBuffer - 1, 2 * kBuffer,
        2 * kBuffer + 1, 9 * kBuffer + 17, size_t{1}}) {
    const auto record = random_bytes(size, ++seed);
    EXPECT_EQ(appender->append(record).value(), expected.size());
    expected.insert(expected.end(), record.begin(), record.end());
    EXPECT_EQ(appender->position(), expected.size());
  }
  ASSERT_TRUE(appender->close().ok());
  EXPECT_EQ(content(), expected);
}

TEST_P(AppenderTest, AFlushShowsAllThatCameBeforeAndOnlyWritesItOnce) {
  auto appender = open();
  std::vector<std::byte> expected;
  for (uint32_t i = 0; i < 200; ++i) {
    const auto record = random_bytes(1 + i * 7 % 300, i);
    ASSERT_TRUE(appender->append(record).ok());
    expected.insert(expected.end(), record.begin(), record.end());
    ASSERT_TRUE(appender->flush().ok());
    ASSERT_EQ(flushed(expected.size()), expected) << i;
    const uint64_t before = disk_.operations();
    ASSERT_TRUE(appender->flush().ok());
    ASSERT_EQ(disk_.operations(), before);
  }
}

TEST_P(AppenderTest, GoesOnWhereAFileEnds) {
  const auto first = random_bytes(kBuffer + 100, 1);
  const auto second = random_bytes(3 * kBuffer, 2);
  auto appender = open();
  ASSERT_TRUE(appender->append(first).ok());
  ASSERT_TRUE(appender->close().ok());
  appender = open(first.size());
  EXPECT_EQ(appender->append(second).value(), first.size());
  ASSERT_TRUE(appender->close().ok());
  auto expected = first;
  expected.insert(expected.end(), second.begin(), second.end());
  EXPECT_EQ(content(), expected);
}

TEST_P(AppenderTest, WhatIsReservedAndNotUsedIsGivenBack) {
  auto appender = open();
  ASSERT_TRUE(appender->reserve(100 * kBuffer).ok());
  ASSERT_TRUE(appender->append(random_bytes(10, 1)).ok());
  ASSERT_TRUE(appender->close().ok());
  EXPECT_EQ(content(), random_bytes(10, 1));
}

/// thread, number, length, and bytes that follow from them.
std::vector<std::byte> record_of(uint32_t thread, uint32_t number, uint32_t size) {
  auto record = random_bytes(12 + size, thread * 1'000'003 + number);
  std::memcpy(record.data(), &thread, 4);
  std::memcpy(record.data() + 4, &number, 4);
  std::memcpy(record.data() + 8, &size, 4);
  return record;
}

TEST_P(AppenderTest, ManyThreadsLoseNothingAndKeepTheirOrder) {
  constexpr uint32_t kThreads = 6;
  constexpr uint32_t kRecords = 400;
  auto appender = open(0, 4);
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (uint32_t thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      std::mt19937 random(thread);
      for (uint32_t number = 0; number < kRecords; ++number) {
        const auto record = record_of(thread, number, random() % (number % 50 == 0 ? 9000 : 200));
        EXPECT_TRUE(appender->append(record).ok());
        if (number % 16 == thread) {
          EXPECT_TRUE(number % 32 < 16 ? appender->flush().ok() : appender->sync().ok());
        }
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  ASSERT_TRUE(appender->close().ok());
  const auto found = content();
  std::vector<uint32_t> next(kThreads);
  for (size_t at = 0; at < found.size();) {
    uint32_t thread = 0;
    uint32_t number = 0;
    uint32_t size = 0;
    std::memcpy(&thread, found.data() + at, 4);
    std::memcpy(&number, found.data() + at + 4, 4);
    std::memcpy(&size, found.data() + at + 8, 4);
    ASSERT_LT(thread, kThreads);
    ASSERT_EQ(number, next[thread]++);
    const auto record = record_of(thread, number, size);
    ASSERT_TRUE(std::equal(record.begin(), record.end(), found.begin() + static_cast<long>(at)));
    at += record.size();
  }
  EXPECT_EQ(next, std::vector<uint32_t>(kThreads, kRecords));
}

TEST_P(AppenderTest, WhatWasSyncedSurvivesAPowerCut) {
  for (uint32_t round = 0; round < 50; ++round) {
    auto appender = open();
    ASSERT_TRUE(disk_.sync_directory("/d").ok());
    disk_.set_faults({.writes_short = round % 2 == 1});
    std::mt19937 random(round);
    std::vector<std::byte> expected;
    for (uint32_t i = 0; i < 20; ++i) {
      const auto record = random_bytes(random() % 2000, round * 100 + i);
      ASSERT_TRUE(appender->append(record).ok());
      expected.insert(expected.end(), record.begin(), record.end());
    }
    ASSERT_TRUE(appender->sync().ok());
    EXPECT_EQ(appender->synced_position(), expected.size());
    ASSERT_TRUE(appender->append(random_bytes(random() % 9000, round)).ok());
    appender.reset();
    disk_.power_cut();
    auto found = content();
    ASSERT_GE(found.size(), expected.size());
    found.resize(expected.size());
    ASSERT_EQ(found, expected) << round;
    ASSERT_TRUE(disk_.remove(kPath).ok());
  }
}

TEST_P(AppenderTest, EverySyncCoversWhatCameBeforeIt) {
  constexpr int kThreads = 8;
  auto appender = open();
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < 50; ++k) {
        const uint64_t at = appender->append(random_bytes(100, 1)).value();
        EXPECT_TRUE(appender->sync().ok());
        EXPECT_GE(appender->synced_position(), at + 100);
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  const uint64_t before = disk_.operations();
  EXPECT_TRUE(appender->sync().ok());
  EXPECT_EQ(disk_.operations(), before) << "nothing is left to sync";
}

/// Its syncs are counted; the first one does not end before it may.
class GatedDisk final : public ForwardingDisk {
 public:
  using Disk::open;
  using ForwardingDisk::ForwardingDisk;

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode,
                                     Access access) override {
    class Gated final : public ForwardingFile {
     public:
      Gated(std::unique_ptr<File> file, GatedDisk& disk)
          : ForwardingFile(std::move(file)), disk_(disk) {}

      Status sync() override {
        if (disk_.syncs.fetch_add(1) == 0) {
          disk_.syncs.notify_all();
          disk_.may_end.wait(false);
        }
        return ForwardingFile::sync();
      }

     private:
      GatedDisk& disk_;
    };

    MILLRACE_TRY(auto file, ForwardingDisk::open(path, mode, access));
    return std::unique_ptr<File>(std::make_unique<Gated>(std::move(file), *this));
  }

  std::atomic<int> syncs{0};
  std::atomic<bool> may_end{false};
};

TEST_P(AppenderTest, ThoseWhoComeDuringASyncShareTheNext) {
  constexpr uint64_t kThreads = 9;
  GatedDisk disk(disk_);
  const auto appender =
      open_appender(disk, kPath, OpenMode::kCreate, 0, {.method = GetParam()}).value();
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  const auto append_and_sync = [&] {
    EXPECT_TRUE(appender->append(random_bytes(100, 1)).ok());
    EXPECT_TRUE(appender->sync().ok());
  };
  threads.emplace_back(append_and_sync);
  disk.syncs.wait(0);  // the first is at its sync, and stays there
  for (uint64_t i = 1; i < kThreads; ++i) {
    threads.emplace_back(append_and_sync);
  }
  while (appender->position() < kThreads * 100) {
    std::this_thread::yield();
  }
  EXPECT_EQ(appender->synced_position(), 0U);
  disk.may_end = true;
  disk.may_end.notify_all();
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(disk.syncs, 2) << "one for the first, one for all others";
  EXPECT_EQ(appender->synced_position(), kThreads * 100);
}

TEST_P(AppenderTest, AFullDiskIsTheLastWord) {
  auto appender = open();
  disk_.set_faults({.capacity_bytes = 3 * kBuffer});
  Status failed;
  for (int i = 0; i < 10 && failed.ok(); ++i) {
    if (const auto at = appender->append(random_bytes(kBuffer / 2, 1)); !at.ok()) {
      failed = at.error();
    }
  }
  failed = failed.ok() ? appender->flush() : failed;
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().code, Code::kOverloaded);
  EXPECT_THAT(failed.error().message, HasSubstr(kPath));
  disk_.set_faults({});
  EXPECT_EQ(appender->append(random_bytes(1, 1)).error().message, failed.error().message);
  EXPECT_EQ(appender->flush().error().message, failed.error().message);
  EXPECT_EQ(appender->sync().error().message, failed.error().message);
}

TEST_P(AppenderTest, AFailedSyncIsTheLastWord) {
  auto appender = open();
  ASSERT_TRUE(appender->append(random_bytes(10, 1)).ok());
  disk_.set_faults({.fails_syncs = true});
  EXPECT_EQ(appender->sync().error().code, Code::kIo);
  disk_.set_faults({});
  EXPECT_EQ(appender->sync().error().code, Code::kIo) << "a second sync proves nothing";
  EXPECT_EQ(appender->synced_position(), 0U);
}

TEST_P(AppenderTest, AnErrorEndsThoseWhoWaitForABuffer) {
  constexpr int kThreads = 6;
  auto appender = open();
  disk_.set_faults({.capacity_bytes = 8 * kBuffer});
  std::atomic<int> failed{0};
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      while (appender->append(random_bytes(kBuffer / 3, 1)).ok()) {
      }
      ++failed;
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(failed, kThreads);
}

TEST_P(AppenderTest, AReadOnlyFileSystemIsTheLastWord) {
  auto appender = open();
  ASSERT_TRUE(appender->append(random_bytes(10, 1)).ok());
  ASSERT_TRUE(appender->sync().ok());
  disk_.set_faults({.is_read_only = true});
  ASSERT_TRUE(appender->append(random_bytes(10, 2)).ok());
  const Status failed = appender->sync();
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().code, Code::kIo);
  EXPECT_THAT(failed.error().message, HasSubstr("Read-only file system"));
  disk_.set_faults({});
  EXPECT_EQ(appender->append(random_bytes(1, 1)).error().message, failed.error().message);
  EXPECT_EQ(appender->reserve(kBuffer).error().message, failed.error().message);
  EXPECT_EQ(appender->close().error().message, failed.error().message);
  EXPECT_EQ(appender->synced_position(), 10U);
}

TEST_P(AppenderTest, AFailedWriteIsTheLastWord) {
  for (uint64_t fails_at = 1; fails_at <= 4; ++fails_at) {
    auto appender = open();
    disk_.set_faults({.fail_at = disk_.operations() + fails_at});
    Status failed;
    for (uint32_t i = 0; i < 8 && failed.ok(); ++i) {
      if (const auto at = appender->append(random_bytes(kBuffer / 2 + 1, i)); !at.ok()) {
        failed = at.error();
      }
    }
    failed = failed.ok() ? appender->flush() : failed;
    ASSERT_FALSE(failed.ok()) << fails_at;
    EXPECT_EQ(failed.error().code, Code::kIo);
    EXPECT_THAT(failed.error().message, HasSubstr("Input/output error"));
    disk_.set_faults({});
    EXPECT_EQ(appender->sync().error().message, failed.error().message);
    EXPECT_EQ(appender->synced_position(), 0U);
  }
}

TEST_P(AppenderTest, ShortAndInterruptedWritesAreGoneOnWith) {
  disk_.set_faults({.writes_short = true});
  std::vector<std::byte> expected;
  auto appender = open(0, 4, 4 * kBuffer);
  for (uint32_t i = 0; i < 100; ++i) {
    const auto record = random_bytes(1 + i * 397 % 20'000, i);
    ASSERT_EQ(appender->append(record).value(), expected.size());
    expected.insert(expected.end(), record.begin(), record.end());
    if (i % 10 == 9) {
      ASSERT_TRUE(appender->flush().ok());
    }
  }
  ASSERT_TRUE(appender->close().ok());
  EXPECT_EQ(content(), expected);
}

TEST_P(AppenderTest, AFullDiskRefusesARoomThatIsAskedForAndTakesNothing) {
  auto appender = open();
  disk_.set_faults({.capacity_bytes = 4 * kBuffer});
  EXPECT_EQ(appender->reserve(5 * kBuffer).error().code, Code::kOverloaded);
  ASSERT_TRUE(appender->reserve(4 * kBuffer).ok());
  EXPECT_EQ(appender->append(random_bytes(4 * kBuffer, 1)).value(), 0U);
  EXPECT_TRUE(appender->close().ok());
  EXPECT_EQ(content(), random_bytes(4 * kBuffer, 1));
}

TEST_P(AppenderTest, PartsOfARecordLieBackToBack) {
  auto appender = open();
  std::vector<std::byte> expected;
  for (const size_t size : {size_t{7}, kBuffer / 2, 5 * kBuffer}) {
    const auto head = random_bytes(size, 1);
    const auto tail = random_bytes(size + 3, 2);
    const std::vector<ConstBytes> parts{head, {}, tail};
    EXPECT_EQ(appender->append(parts).value(), expected.size());
    expected.insert(expected.end(), head.begin(), head.end());
    expected.insert(expected.end(), tail.begin(), tail.end());
  }
  ASSERT_TRUE(appender->close().ok());
  EXPECT_EQ(content(), expected);
}

TEST_P(AppenderTest, AFileThatWasLongerKeepsItsSize) {
  const auto old = random_bytes(10 * kBuffer, 1);
  ASSERT_TRUE(disk_.open(kPath, OpenMode::kCreate).value()->write_at(0, old).ok());
  auto appender = open(2 * kBuffer);
  const auto record = random_bytes(kBuffer, 2);
  ASSERT_TRUE(appender->append(record).ok());
  ASSERT_TRUE(appender->close().ok());
  auto expected = old;
  std::copy(record.begin(), record.end(), expected.begin() + 2 * kBuffer);
  EXPECT_EQ(content(), expected);
}

TEST_P(AppenderTest, AfterCloseNothingIsTaken) {
  auto appender = open();
  ASSERT_TRUE(appender->append(random_bytes(1, 1)).ok());
  ASSERT_TRUE(appender->close().ok());
  for (const Status& status : {appender->close(), appender->flush(), appender->sync(),
                               Status(appender->append(random_bytes(1, 1)).error())}) {
    EXPECT_EQ(status.error().code, Code::kInvalid);
    EXPECT_THAT(status.error().message, HasSubstr("is closed"));
  }
}

TEST_P(AppenderTest, OptionsOutOfRangeAreRefused) {
  for (AppenderOptions options :
       {AppenderOptions{.buffer_bytes = 2048}, AppenderOptions{.buffer_bytes = 4097},
        AppenderOptions{.buffer_bytes = (4 << 20) + 4096}, AppenderOptions{.buffers = 1},
        AppenderOptions{.buffers = 65}}) {
    options.method = GetParam();
    EXPECT_EQ(open_appender(disk_, kPath, OpenMode::kCreate, 0, options).error().code,
              Code::kInvalid);
  }
}

/// The machine's own disk: what is written is read, and what a reader of the file sees is all that
/// was flushed.
TEST_P(AppenderTest, OnTheMachinesDisk) {
  const std::string path = testing::TempDir() + "appender-" + test_name_of(GetParam()) + "-" +
                           std::to_string(::getpid());
  static_cast<void>(posix_disk().remove(path));
  auto opened = open_appender(posix_disk(), path, OpenMode::kCreateNew, 0,
                              {.method = GetParam(), .buffer_bytes = 4 * kBuffer, .buffers = 8});
  if (!opened.ok() && opened.error().code == Code::kUnsupported) {
    GTEST_SKIP() << opened.error().message;
  }
  auto& appender = *opened.value();
  std::vector<std::byte> expected;
  for (uint32_t i = 0; i < 300; ++i) {
    const auto record = random_bytes(1 + i * 397 % 20'000, i);
    ASSERT_EQ(appender.append(record).value(), expected.size());
    expected.insert(expected.end(), record.begin(), record.end());
    if (i % 7 == 0) {
      ASSERT_TRUE(i % 2 == 0 ? appender.flush().ok() : appender.sync().ok());
      auto found = posix_disk().read_file(path).value();
      ASSERT_GE(found.size(), expected.size());
      found.resize(expected.size());
      ASSERT_EQ(found, expected);
    }
  }
  ASSERT_TRUE(appender.close().ok());
  EXPECT_EQ(posix_disk().read_file(path).value(), expected);
  EXPECT_TRUE(posix_disk().remove(path).ok());
}

INSTANTIATE_TEST_SUITE_P(Methods, AppenderTest,
                         testing::Values(AppendMethod::kPageCache, AppendMethod::kDirect,
                                         AppendMethod::kUring),
                         [](const auto& info) { return test_name_of(info.param); });

}  // namespace
}  // namespace millrace::io
