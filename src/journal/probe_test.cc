#include "journal/probe.h"

#include "io/forwarding_disk.h"
#include "io/simulated_disk.h"
#include "journal/test_log.h"

#include <gtest/gtest.h>

#include <gmock/gmock.h>

namespace millrace::journal {
namespace {

using testing::HasSubstr;

constexpr const char* kDirectory = "/data/journal";

using std::chrono::microseconds;

/// A sync takes its time, by `clock`; there is no queue, as on a kernel that forbids io_uring.
class SlowFile final : public io::ForwardingFile {
 public:
  SlowFile(std::unique_ptr<io::File> file, ManualClock& clock, microseconds sync)
      : ForwardingFile(std::move(file)), clock_(clock), sync_(sync) {}

  Status sync() override {
    clock_.advance(sync_);
    return ForwardingFile::sync();
  }

  Result<std::unique_ptr<io::WriteQueue>> make_queue(unsigned depth) override {
    return make_error(Code::kUnsupported, "no queue of {} writes", depth);
  }

 private:
  ManualClock& clock_;
  const microseconds sync_;
};

/// kUnsupported for kDirect when `direct` is microseconds::max().
class SlowDisk final : public io::ForwardingDisk {
 public:
  SlowDisk(io::Disk& disk, ManualClock& clock, microseconds page_cache, microseconds direct)
      : ForwardingDisk(disk), clock_(clock), page_cache_(page_cache), direct_(direct) {
    EXPECT_TRUE(disk.make_directories(kDirectory).ok());
  }

  using io::Disk::open;

  Result<std::unique_ptr<io::File>> open(const std::string& path, io::OpenMode mode,
                                         io::Access access) override {
    const microseconds sync = access == io::Access::kDirect ? direct_ : page_cache_;
    if (sync == microseconds::max()) {
      return make_error(Code::kUnsupported, "no O_DIRECT");
    }
    MILLRACE_TRY(auto file, ForwardingDisk::open(path, mode, access));
    return std::unique_ptr<io::File>(std::make_unique<SlowFile>(std::move(file), clock_, sync));
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
  }
}

TEST(Probe, AWriterThatIsNotToldAsks) {
  TestLog log;
  log.options.writer.method.reset();
  ASSERT_TRUE(log.start().ok());
  EXPECT_THAT(log.report.method.figures, HasSubstr("page_cache"));
  EXPECT_THAT(log.report.method.figures, HasSubstr("io_uring"));
  ASSERT_TRUE(log.append(partition_of(1, 0), "a").ok());
  log.kill();
  log.options.writer.method = io::AppendMethod::kUring;
  ASSERT_TRUE(log.start().ok());
  EXPECT_EQ(log.report.method.figures, "");
  EXPECT_EQ(log.report.method.method, io::AppendMethod::kUring);
  ASSERT_TRUE(log.append(partition_of(1, 0), "b").ok());
  EXPECT_THAT(log.texts(partition_of(1, 0)), testing::ElementsAre("a", "b"));
}

}  // namespace
}  // namespace millrace::journal
