#include "io/disk.h"
#include "io/simulated_disk.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include <cstdlib>
#include <string>
#include <vector>

namespace millrace::io {
namespace {

std::vector<std::byte> bytes_of(std::string_view text, size_t times = 1) {
  std::vector<std::byte> bytes;
  for (size_t i = 0; i < times; ++i) {
    for (const char c : text) {
      bytes.push_back(static_cast<std::byte>(c));
    }
  }
  return bytes;
}

std::string text_of(Disk& disk, const std::string& path) {
  const auto content = disk.read_file(path);
  if (!content.ok()) {
    return "error: " + content.error().message;
  }
  return {reinterpret_cast<const char*>(content->data()), content->size()};
}

class DiskTest : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (GetParam()) {
      root_ = "/tmp/millrace-io-XXXXXX";
      ASSERT_NE(mkdtemp(root_.data()), nullptr);
    } else {
      root_ = "/disk";
      ASSERT_TRUE(simulated_.make_directories(root_).ok());
    }
  }

  void TearDown() override {
    if (GetParam()) {
      for (const auto& entry : disk().list(root_).value()) {
        EXPECT_TRUE(disk().remove(root_ + "/" + entry.name).ok());
      }
      ::rmdir(root_.c_str());
    }
  }

  Disk& disk() { return GetParam() ? posix_disk() : static_cast<Disk&>(simulated_); }

  std::string path(const std::string& name) const { return root_ + "/" + name; }

  SimulatedDisk simulated_{1};
  std::string root_;
};

TEST_P(DiskTest, GatherWriteKeepsOrderAcrossManyParts) {
  auto file = disk().open(path("a"), OpenMode::kCreateNew).value();
  std::vector<std::vector<std::byte>> parts;
  std::vector<ConstBytes> spans;
  std::string expected = "xxx";
  for (int i = 0; i < 600; ++i) {
    parts.push_back(bytes_of(std::to_string(i) + (i % 7 == 0 ? "" : ",")));
    expected += std::to_string(i) + (i % 7 == 0 ? "" : ",");
  }
  parts.emplace_back();  // an empty part at the end
  spans.assign(parts.begin(), parts.end());
  ASSERT_TRUE(file->write_at(0, bytes_of("xxx")).ok());
  ASSERT_TRUE(file->write_at(3, spans).ok());
  EXPECT_EQ(text_of(disk(), path("a")), expected);
}

TEST_P(DiskTest, PartsOfMoreThanOneCallAreAllWritten) {
  auto file = disk().open(path("a"), OpenMode::kCreateNew).value();
  const std::vector<std::vector<std::byte>> parts{bytes_of("a", 700'000), bytes_of("b", 1),
                                                  bytes_of("c", 524'288), bytes_of("d", 1'200'001)};
  const std::vector<ConstBytes> spans(parts.begin(), parts.end());
  ASSERT_TRUE(file->write_at(5, spans).ok());
  const std::string expected = std::string(5, '\0') + std::string(700'000, 'a') + "b" +
                               std::string(524'288, 'c') + std::string(1'200'001, 'd');
  EXPECT_TRUE(text_of(disk(), path("a")) == expected);
}

TEST_P(DiskTest, ReadPastTheEndIsShort) {
  auto file = disk().open(path("a"), OpenMode::kCreate).value();
  ASSERT_TRUE(file->write_at(0, bytes_of("0123456789")).ok());
  std::array<std::byte, 4> out{};
  EXPECT_EQ(file->read_at(6, out).value(), 4U);
  EXPECT_EQ(file->read_at(7, out).value(), 3U);
  EXPECT_EQ(file->read_at(10, out).value(), 0U);
  EXPECT_EQ(file->read_exactly_at(7, out).error().code, Code::kCorrupt);
}

TEST_P(DiskTest, NamesBehave) {
  EXPECT_EQ(disk().open(path("a"), OpenMode::kRead).error().code, Code::kNotFound);
  ASSERT_TRUE(disk().open(path("a"), OpenMode::kCreateNew).ok());
  EXPECT_EQ(disk().open(path("a"), OpenMode::kCreateNew).error().code, Code::kConflict);
  ASSERT_TRUE(disk().replace_file(path("b"), bytes_of("new")).ok());
  ASSERT_TRUE(disk().rename(path("b"), path("a")).ok());
  EXPECT_EQ(text_of(disk(), path("a")), "new");
  EXPECT_FALSE(disk().exists(path("b")).value());
  EXPECT_EQ(disk().remove(path("b")).error().code, Code::kNotFound);
  EXPECT_EQ(disk().list(root_).value().size(), 1U);
}

TEST_P(DiskTest, ADirectoryIsNoFile) {
  ASSERT_TRUE(disk().make_directories(path("folder")).ok());
  for (const OpenMode mode : {OpenMode::kRead, OpenMode::kReadWrite, OpenMode::kCreate}) {
    const auto opened = disk().open(path("folder"), mode);
    ASSERT_FALSE(opened.ok());
    EXPECT_EQ(opened.error().code, Code::kIo) << opened.error().message;
  }
}

TEST_P(DiskTest, ReserveGrowsWithZeros) {
  auto file = disk().open(path("a"), OpenMode::kCreate).value();
  ASSERT_TRUE(file->reserve(8192).ok());
  EXPECT_EQ(file->size().value(), 8192U);
  EXPECT_EQ(text_of(disk(), path("a")), std::string(8192, '\0'));
}

INSTANTIATE_TEST_SUITE_P(Both, DiskTest, testing::Bool(),
                         [](const auto& info) { return info.param ? "Posix" : "Simulated"; });

TEST(PosixDisk, ADirectoryThatCannotBeMadeIsAnError) {
  EXPECT_FALSE(posix_disk().make_directories("/proc/no/such/place").ok());
  EXPECT_FALSE(posix_disk().make_directories("/dev/null/below").ok());
}

TEST(SimulatedDisk, PowerCutTakesUnsyncedSectorsInAnySubset) {
  bool saw_old = false;
  bool saw_new = false;
  bool saw_mixed = false;
  for (uint64_t seed = 0; seed < 64; ++seed) {
    SimulatedDisk disk(seed);
    ASSERT_TRUE(disk.make_directories("/d").ok());
    {
      auto file = disk.open("/d/a", OpenMode::kCreate).value();
      ASSERT_TRUE(file->write_at(0, bytes_of("o", 1024)).ok());
      ASSERT_TRUE(file->sync().ok());
      ASSERT_TRUE(disk.sync_directory("/d").ok());
      ASSERT_TRUE(file->write_at(0, bytes_of("n", 1024)).ok());
    }
    disk.power_cut();
    const std::string text = text_of(disk, "/d/a");
    saw_old |= text == std::string(1024, 'o');
    saw_new |= text == std::string(1024, 'n');
    saw_mixed |= text == std::string(512, 'o') + std::string(512, 'n');
  }
  EXPECT_TRUE(saw_old && saw_new && saw_mixed);
}

TEST(SimulatedDisk, SyncedBytesAndNamesSurvive) {
  for (uint64_t seed = 0; seed < 32; ++seed) {
    SimulatedDisk disk(seed);
    ASSERT_TRUE(disk.make_directories("/d").ok());
    ASSERT_TRUE(disk.replace_file("/d/a", bytes_of("kept")).ok());
    disk.kill();
    disk.power_cut();
    EXPECT_EQ(text_of(disk, "/d/a"), "kept");
  }
}

TEST(SimulatedDisk, UnsyncedNameMayVanish) {
  bool vanished = false;
  bool stayed = false;
  for (uint64_t seed = 0; seed < 32; ++seed) {
    SimulatedDisk disk(seed);
    ASSERT_TRUE(disk.make_directories("/d").ok());
    {
      auto file = disk.open("/d/a", OpenMode::kCreate).value();
      ASSERT_TRUE(file->write_at(0, bytes_of("x")).ok());
      ASSERT_TRUE(file->sync().ok());
    }
    disk.power_cut();
    (disk.exists("/d/a").value() ? stayed : vanished) = true;
  }
  EXPECT_TRUE(vanished && stayed);
}

TEST(SimulatedDisk, AfterAFailedSyncLaterOnesSucceedAndTheBytesAreGone) {
  SimulatedDisk disk(7);
  ASSERT_TRUE(disk.make_directories("/d").ok());
  ASSERT_TRUE(disk.replace_file("/d/a", bytes_of("old")).ok());
  {
    auto file = disk.open("/d/a", OpenMode::kReadWrite).value();
    ASSERT_TRUE(file->write_at(0, bytes_of("new")).ok());
    disk.set_faults({.fail_at = disk.operations() + 1});
    EXPECT_EQ(file->sync().error().code, Code::kIo);
    EXPECT_TRUE(file->sync().ok());
    EXPECT_EQ(text_of(disk, "/d/a"), "new");
  }
  disk.power_cut();
  EXPECT_EQ(text_of(disk, "/d/a"), "old");
}

TEST(SimulatedDisk, WhatGrowsAgainAfterACutIsZerosOnceSynced) {
  for (const bool by_write : {false, true}) {
    SimulatedDisk disk(1);
    ASSERT_TRUE(disk.make_directories("/d").ok());
    ASSERT_TRUE(disk.replace_file("/d/a", bytes_of("o", 2048)).ok());
    {
      auto file = disk.open("/d/a", OpenMode::kReadWrite).value();
      ASSERT_TRUE(file->resize(100).ok());
      ASSERT_TRUE((by_write ? file->write_at(2047, bytes_of("n")) : file->resize(2048)).ok());
      ASSERT_TRUE(file->sync().ok());
    }
    disk.power_cut();
    EXPECT_EQ(text_of(disk, "/d/a"),
              std::string(100, 'o') + std::string(1947, '\0') + (by_write ? 'n' : '\0'));
  }
}

TEST(SimulatedDisk, FullDiskRefusesGrowthButNotReservedSpace) {
  SimulatedDisk disk(7);
  ASSERT_TRUE(disk.make_directories("/d").ok());
  auto file = disk.open("/d/a", OpenMode::kCreate).value();
  ASSERT_TRUE(file->reserve(4096).ok());
  disk.set_faults({.capacity_bytes = 4096});
  EXPECT_TRUE(file->write_at(0, bytes_of("x", 4096)).ok());
  EXPECT_EQ(file->write_at(4096, bytes_of("x")).error().code, Code::kOverloaded);
  EXPECT_EQ(file->reserve(8192).error().code, Code::kOverloaded);
}

TEST(SimulatedDisk, PowerOffFailsEverythingUntilRestart) {
  SimulatedDisk disk(7);
  ASSERT_TRUE(disk.make_directories("/d").ok());
  ASSERT_TRUE(disk.replace_file("/d/a", bytes_of("old")).ok());
  disk.set_faults({.off_at = disk.operations() + 1});
  EXPECT_FALSE(disk.replace_file("/d/a", bytes_of("new")).ok());
  EXPECT_TRUE(disk.is_off());
  EXPECT_FALSE(disk.read_file("/d/a").ok());
  disk.power_cut();
  EXPECT_EQ(text_of(disk, "/d/a"), "old");
}

TEST(SimulatedDisk, DirectoryThatDidNotArriveTakesItsFilesAlong) {
  bool vanished = false;
  bool stayed = false;
  for (uint64_t seed = 0; seed < 32; ++seed) {
    SimulatedDisk disk(seed);
    ASSERT_TRUE(disk.make_directories("/d").ok());
    ASSERT_TRUE(disk.make_directory("/d/e").ok());
    EXPECT_EQ(disk.make_directory("/d/e").error().code, Code::kConflict);
    EXPECT_EQ(disk.make_directory("/d/none/e").error().code, Code::kNotFound);
    ASSERT_TRUE(disk.replace_file("/d/e/a", bytes_of("x")).ok());  // syncs /d/e, not /d
    EXPECT_FALSE(disk.remove("/d/e").ok());
    disk.power_cut();
    EXPECT_EQ(disk.exists("/d/e").value(), disk.exists("/d/e/a").value());
    (disk.exists("/d/e").value() ? stayed : vanished) = true;
  }
  EXPECT_TRUE(vanished && stayed);
}

TEST(SimulatedDisk, EmptyDirectoryIsRemovedAndFilesStayOpen) {
  SimulatedDisk disk(7);
  ASSERT_TRUE(disk.make_directories("/d/e").ok());
  {
    auto file = disk.open("/d/e/a", OpenMode::kCreate).value();
    ASSERT_TRUE(disk.remove("/d/e/a").ok());
    ASSERT_TRUE(file->write_at(0, bytes_of("x")).ok());
    EXPECT_EQ(file->size().value(), 1U);
  }
  EXPECT_TRUE(disk.entry("/d/e").value().is_directory);
  EXPECT_EQ(disk.open("/d/e", OpenMode::kRead).error().code, Code::kIo);
  ASSERT_TRUE(disk.remove("/d/e").ok());
  EXPECT_EQ(disk.entry("/d/e").error().code, Code::kNotFound);
}

TEST(SimulatedDisk, CutOffBytesDoNotComeBackWhenTheFileGrows) {
  SimulatedDisk disk(7);
  ASSERT_TRUE(disk.make_directories("/d").ok());
  ASSERT_TRUE(disk.replace_file("/d/a", bytes_of("x", 2000)).ok());
  {
    auto file = disk.open("/d/a", OpenMode::kReadWrite).value();
    ASSERT_TRUE(file->resize(100).ok());
    ASSERT_TRUE(file->resize(2000).ok());
    ASSERT_TRUE(file->sync().ok());
  }
  disk.power_cut();
  EXPECT_EQ(text_of(disk, "/d/a"), std::string(100, 'x') + std::string(1900, '\0'));
}

TEST(SimulatedDisk, PowerCutTellsWhatItTook) {
  PowerLoss all;
  for (uint64_t seed = 0; seed < 16; ++seed) {
    SimulatedDisk disk(seed);
    ASSERT_TRUE(disk.make_directories("/d").ok());
    ASSERT_TRUE(disk.replace_file("/d/a", bytes_of("x")).ok());
    {
      auto file = disk.open("/d/a", OpenMode::kReadWrite).value();
      ASSERT_TRUE(file->write_at(0, bytes_of("y", 2048)).ok());
    }
    ASSERT_TRUE(disk.open("/d/b", OpenMode::kCreate).ok());
    disk.power_off();
    EXPECT_FALSE(disk.exists("/d/a").ok());
    const PowerLoss loss = disk.power_cut();
    EXPECT_EQ(loss.sectors_kept + loss.sectors_lost, 4U);
    EXPECT_EQ(loss.changes_kept + loss.changes_lost, 1U);
    all.sectors_kept += loss.sectors_kept;
    all.sectors_lost += loss.sectors_lost;
  }
  EXPECT_TRUE(all.sectors_kept > 0 && all.sectors_lost > 0);
}

TEST(SimulatedDisk, FailingSyncsKeepNothing) {
  SimulatedDisk disk(7);
  ASSERT_TRUE(disk.make_directories("/d").ok());
  ASSERT_TRUE(disk.replace_file("/d/a", bytes_of("old")).ok());
  disk.set_faults({.fails_syncs = true});
  {
    auto file = disk.open("/d/a", OpenMode::kReadWrite).value();
    ASSERT_TRUE(file->write_at(0, bytes_of("new")).ok());
    EXPECT_EQ(file->sync().error().code, Code::kIo);
    EXPECT_EQ(disk.sync_directory("/d").error().code, Code::kIo);
  }
  disk.power_cut();
  EXPECT_EQ(text_of(disk, "/d/a"), "old");
}

TEST(SimulatedDisk, PlantedLieLosesSyncedBytes) {
  bool lost = false;
  for (uint64_t seed = 0; seed < 32; ++seed) {
    SimulatedDisk disk(seed);
    ASSERT_TRUE(disk.make_directories("/d").ok());
    disk.set_faults({.lies_about = [](const std::string& path) { return path.ends_with(".tmp"); }});
    ASSERT_TRUE(disk.replace_file("/d/a", bytes_of("kept")).ok());
    disk.power_cut();
    lost |= text_of(disk, "/d/a") != "kept";
  }
  EXPECT_TRUE(lost);
}

}  // namespace
}  // namespace millrace::io
