#include "journal/probe.h"

#include "io/forwarding_disk.h"
#include "io/simulated_disk.h"
#include "journal/test_log.h"

#include <gtest/gtest.h>

#include <gmock/gmock.h>

#include <cerrno>

namespace millrace::journal {
namespace {

using testing::HasSubstr;

constexpr const char* kDirectory = "/data/journal";

using std::chrono::microseconds;

/// A sync takes its time, by `clock`; two of three take ten times that when the disk `is_busy`.
class SlowFile final : public io::ForwardingFile {
 public:
  SlowFile(std::unique_ptr<io::File> file, ManualClock& clock, microseconds sync, bool is_busy)
      : ForwardingFile(std::move(file)), clock_(clock), sync_(sync), is_busy_(is_busy) {}

  Status sync() override {
    clock_.advance(is_busy_ && ++syncs_ % 3 != 0 ? 10 * sync_ : sync_);
    return ForwardingFile::sync();
  }

 private:
  ManualClock& clock_;
  const microseconds sync_;
  const bool is_busy_;
  size_t syncs_ = 0;
};

/// kUnsupported for kDirect when `direct` is microseconds::max().
class SlowDisk final : public io::ForwardingDisk {
 public:
  SlowDisk(io::Disk& disk, ManualClock& clock, microseconds page_cache, microseconds direct)
      : ForwardingDisk(disk), clock_(clock), page_cache_(page_cache), direct_(direct) {
    EXPECT_TRUE(disk.make_directories(kDirectory).ok());
  }

  using io::Disk::open;

  bool direct_is_busy = false;

  Result<std::unique_ptr<io::File>> open(const std::string& path, io::OpenMode mode,
                                         io::Access access) override {
    const bool is_direct = access == io::Access::kDirect;
    const microseconds sync = is_direct ? direct_ : page_cache_;
    if (sync == microseconds::max()) {
      return make_error(Code::kUnsupported, "no O_DIRECT");
    }
    MILLRACE_TRY(auto file, ForwardingDisk::open(path, mode, access));
    return std::unique_ptr<io::File>(
        std::make_unique<SlowFile>(std::move(file), clock_, sync, is_direct && direct_is_busy));
  }

 private:
  ManualClock& clock_;
  const microseconds page_cache_;
  const microseconds direct_;
};

TEST(Probe, WhatIsFasterByMuchIsChosenAndTheFiguresAreTold) {
  ManualClock clock;
  io::SimulatedDisk simulated(1);
  SlowDisk disk(simulated, clock, microseconds(840), microseconds(1000));
  const Probed probed = probe(disk, kDirectory, clock);
  EXPECT_EQ(probed.method, io::AppendMethod::kPageCache);
  EXPECT_EQ(probed.figures, "direct 1.00 and 1.00 ms, page_cache 0.84 and 0.84 ms");
  EXPECT_TRUE(disk.list(kDirectory).value().empty()) << "nothing is left behind";
}

TEST(Probe, LessThan15PercentIsNotWorthIt) {
  ManualClock clock;
  io::SimulatedDisk simulated(1);
  SlowDisk disk(simulated, clock, microseconds(860), microseconds(1000));
  EXPECT_EQ(probe(disk, kDirectory, clock).method, io::AppendMethod::kDirect);
}

TEST(Probe, WhatElseTheMachineDoesMeanwhileDecidesNothing) {
  ManualClock clock;
  io::SimulatedDisk simulated(1);
  SlowDisk disk(simulated, clock, microseconds(100), microseconds(100));
  disk.direct_is_busy = true;
  const Probed probed = probe(disk, kDirectory, clock);
  EXPECT_EQ(probed.method, io::AppendMethod::kDirect) << probed.figures;
}

TEST(Probe, ADiskWithoutDirectIsWrittenByThePageCache) {
  ManualClock clock;
  io::SimulatedDisk simulated(1);
  SlowDisk disk(simulated, clock, microseconds(1000), microseconds::max());
  const Probed probed = probe(disk, kDirectory, clock);
  EXPECT_EQ(probed.method, io::AppendMethod::kPageCache);
  EXPECT_EQ(probed.figures, "page_cache 1.00 and 1.00 ms");
}

TEST(Probe, ASlowDiskIsNotAskedForLong) {
  ManualClock clock;
  io::SimulatedDisk simulated(1);
  SlowDisk disk(simulated, clock, microseconds(20'000), microseconds(20'000));
  const auto begun = clock.steady();
  static_cast<void>(probe(disk, kDirectory, clock));
  // The file is made and synced once; then two rounds of four syncs.
  EXPECT_LE(clock.steady() - begun, std::chrono::milliseconds(200));
}

TEST(Probe, ADiskThatIsFullOrFailsIsWrittenByThePageCache) {
  ManualClock clock;
  for (const auto& faults :
       {io::DiskFaults{.capacity_bytes = 4096}, io::DiskFaults{.fails_syncs = true}}) {
    io::SimulatedDisk disk(1);
    ASSERT_TRUE(disk.make_directories(kDirectory).ok());
    disk.set_faults(faults);
    const Probed probed = probe(disk, kDirectory, clock);
    EXPECT_EQ(probed.method, io::AppendMethod::kPageCache);
    EXPECT_THAT(probed.figures, HasSubstr("probe.tmp"));
    disk.set_faults({});
    EXPECT_TRUE(disk.list(kDirectory).value().empty()) << "it would take the room of others";
  }
}

TEST(Probe, AWriterThatIsNotToldAsks) {
  TestLog log;
  log.options.writer.method.reset();
  ASSERT_TRUE(log.start().ok());
  EXPECT_THAT(log.report.method.figures, HasSubstr("page_cache"));
  EXPECT_THAT(log.report.method.figures, HasSubstr("direct"));
  ASSERT_TRUE(log.append(partition_of(1, 0), "a").ok());
  log.kill();
  log.options.writer.method = io::AppendMethod::kPageCache;
  ASSERT_TRUE(log.start().ok());
  EXPECT_EQ(log.report.method.figures, "");
  EXPECT_EQ(log.report.method.method, io::AppendMethod::kPageCache);
  ASSERT_TRUE(log.append(partition_of(1, 0), "b").ok());
  EXPECT_THAT(log.texts(partition_of(1, 0)), testing::ElementsAre("a", "b"));
}

/// O_DIRECT can be opened, and then reserve() says no, as fallocate(3) on ext3 does.
class HalfDirectDisk final : public io::ForwardingDisk {
 public:
  using ForwardingDisk::ForwardingDisk;
  using io::Disk::open;

  Result<std::unique_ptr<io::File>> open(const std::string& path, io::OpenMode mode,
                                         io::Access access) override {
    class NoRoom final : public io::ForwardingFile {
     public:
      using ForwardingFile::ForwardingFile;

      Status reserve(uint64_t) override {
        return errno_error("posix_fallocate(3)", path(), EINVAL);
      }
    };

    MILLRACE_TRY(auto file, ForwardingDisk::open(path, mode, access));
    if (access == io::Access::kPageCache) {
      return file;
    }
    opened_direct = true;
    return std::unique_ptr<io::File>(std::make_unique<NoRoom>(std::move(file)));
  }

  bool opened_direct = false;
};

TEST(Files, ZerosAreWrittenByThePageCacheWhereTheyCannotBePastIt) {
  io::SimulatedDisk simulated(1);
  ASSERT_TRUE(simulated.make_directories(kDirectory).ok());
  HalfDirectDisk disk(simulated);
  Files files(disk, kDirectory);
  const auto taken = files.take_spare(FileNumber{1}, 3 << 20);
  ASSERT_TRUE(taken.ok()) << taken.error().message;
  EXPECT_TRUE(disk.opened_direct);
  EXPECT_EQ(disk.read_file(files.path_of(FileNumber{1})).value(), std::vector<std::byte>(3 << 20));
}

TEST(Writer, GoesByThePageCacheWhereThereIsNoOtherWay) {
  ManualClock clock;
  io::SimulatedDisk simulated(1);
  SlowDisk disk(simulated, clock, microseconds(1), microseconds::max());
  Files files(disk, kDirectory);
  Index index;
  RecoveryOptions options;
  options.quarantine = "/data/quarantine";
  options.writer.first_file_bytes = 1 << 20;
  options.writer.method = io::AppendMethod::kDirect;
  const auto opened = open_writer(files, index, options, clock);
  ASSERT_TRUE(opened.ok()) << opened.error().message;
  EXPECT_TRUE(opened->writer->prove().ok());
}

}  // namespace
}  // namespace millrace::journal
