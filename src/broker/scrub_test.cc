#include "broker/scrub.h"

#include "broker/segments_test.h"
#include "io/forwarding_disk.h"
#include "runtime/gate.h"

#include <thread>

namespace millrace::broker {
namespace {

using namespace std::chrono_literals;
using segment::ObjectCheck;

/// Does something when a file is opened.
class HookedDisk final : public io::ForwardingDisk {
 public:
  using io::ForwardingDisk::ForwardingDisk;
  using io::ForwardingDisk::open;

  Result<std::unique_ptr<io::File>> open(const std::string& path, io::OpenMode mode,
                                         io::Access access) override {
    if (hook) {
      hook(path);
    }
    return io::ForwardingDisk::open(path, mode, access);
  }

  std::function<void(const std::string& path)> hook;
};

class ScrubTest : public SegmentsTest {
 protected:
  /// Some records in objects, and some in sealed files of the journal.
  void fill() {
    topic_ = create("orders");
    write(topic_, 60);
    ASSERT_TRUE(round().ok());
    write(topic_, 60);
    ASSERT_GE(log_->sealed_files().size(), 2U);
    ASSERT_GE(history_->segments().size(), 2U);
    make();
  }

  void make(ScrubOptions options = {.bytes_per_second = uint64_t{1} << 40, .data = "DIR"}) {
    scrub_ = std::make_unique<Scrub>(ScrubParts{.broker = *broker_,
                                                .log = *log_,
                                                .disk = hooked_,
                                                .store = store_,
                                                .history = *history_,
                                                .pool = *pool_},
                                     std::move(options));
  }

  Status pass() { return run(scrub_->pass({})); }

  /// One pass meets so many places.
  void expect_met(uint64_t places) {
    ASSERT_TRUE(pass().ok());
    EXPECT_EQ(scrub_->damaged_now(), places);
  }

  void flip(const std::string& path, uint64_t position) {
    auto file = disk_.open(path, io::OpenMode::kReadWrite).value();
    std::byte byte{};
    ASSERT_TRUE(file->read_exactly_at(position, std::span(&byte, 1)).ok());
    byte ^= std::byte{0x10};
    ASSERT_TRUE(file->write_at(position, std::span<const std::byte>(&byte, 1)).ok());
  }

  std::vector<std::byte> content(const std::string& name) {
    const auto reader = memory_.read(name).value();
    std::vector<std::byte> bytes(reader->bytes());
    EXPECT_TRUE(reader->read_at(0, bytes).ok());
    return bytes;
  }

  void put(const std::string& name, std::span<const std::byte> bytes) {
    auto writer = memory_.create(name).value();
    ASSERT_TRUE(writer->write(bytes).ok());
    ASSERT_TRUE(writer->publish().ok());
  }

  void flip_object(const std::string& name, uint64_t position) {
    auto bytes = content(name);
    bytes[position] ^= std::byte{0x10};
    put(name, bytes);
  }

  std::string sealed_path() const { return log_->path_of(log_->sealed_files().front().number); }

  segment::PartitionRow row_of(const std::string& name) {
    return segment::Segment::open(memory_.read(name).value(), name).value()->tail().partitions[0];
  }

  /// Waits for what another thread does; false: it did not come, however long.
  template <typename Condition>
  static bool comes(const Condition& condition) {
    const auto give_up = runtime::Deadline::after(1min);
    while (!condition() && !give_up.has_passed()) {
      std::this_thread::yield();
    }
    return condition();
  }

  HookedDisk hooked_{disk_};
  TopicPtr topic_;
  std::unique_ptr<Scrub> scrub_;
};

TEST_F(ScrubTest, AWholeDirectoryIsReadToItsEndAndFoundWhole) {
  fill();
  uint64_t bytes = 0;
  for (const auto& file : log_->sealed_files()) {
    bytes += file.end_position;
  }
  for (const auto& row : history_->segments()) {
    bytes += row.bytes;
  }
  expect_met(0);
  EXPECT_EQ(scrub_->damaged(), 0U);
  EXPECT_EQ(scrub_->passes(), 1U);
  EXPECT_GE(scrub_->read_bytes(), bytes);
}

TEST_F(ScrubTest, APlaceIsCountedOnceAndSeenAsLongAsItIsThere) {
  fill();
  flip(sealed_path(), 100'000);
  expect_met(1);
  expect_met(1);
  EXPECT_EQ(scrub_->damaged(), 1U);
  flip(sealed_path(), 100'000);
  expect_met(0);
  EXPECT_EQ(scrub_->damaged(), 1U);
  EXPECT_EQ(scrub_->passes(), 3U);
}

TEST_F(ScrubTest, EverySealedFileIsRead) {
  fill();
  const auto files = log_->sealed_files();
  for (const auto& file : files) {
    flip(log_->path_of(file.number), file.end_position / 2);
    flip(log_->path_of(file.number), 20);  // its first run header
  }
  expect_met(2 * files.size());
}

TEST_F(ScrubTest, AFileThatIsNotThereIsDamageAndTheRestIsRead) {
  fill();
  ASSERT_TRUE(disk_.remove(sealed_path()).ok());
  flip(log_->path_of(log_->sealed_files()[1].number), 100'000);
  expect_met(2);
}

TEST_F(ScrubTest, EachPartOfAnObjectIsRead) {
  fill();
  const std::string name = history_->segments()[1].name;
  const auto row = row_of(name);
  const uint64_t size = history_->segments()[1].bytes;
  for (const uint64_t position :
       {uint64_t{20}, row.data_position + 500, row.data_position + row.data_bytes - 1,
        row.index_position + 3, size - 70, size - 30}) {
    flip_object(name, position);
    expect_met(1);
    flip_object(name, position);
  }
  EXPECT_EQ(scrub_->damaged(), 6U);
  expect_met(0);
}

TEST_F(ScrubTest, AMissingATruncatedAndAForeignObjectAreDamage) {
  fill();
  const auto rows = history_->segments();
  const auto bytes = content(rows[1].name);
  ASSERT_TRUE(memory_.remove(rows[1].name).ok());
  expect_met(1);
  put(rows[1].name, std::span(bytes).first(bytes.size() - 10));
  expect_met(1);
  auto other = content(rows[0].name);
  if (other.size() == bytes.size()) {
    put(rows[1].name, other);
    expect_met(1);
  }
  put(rows[1].name, bytes);
  expect_met(0);
}

TEST_F(ScrubTest, OfABucketTheDataIsNotReadAndAllElseIs) {
  fill();
  make({.bytes_per_second = uint64_t{1} << 40, .objects = ObjectCheck::Depth::kIndexes});
  const std::string name = history_->segments()[1].name;
  const auto row = row_of(name);
  flip_object(name, row.data_position + 500);
  expect_met(0);
  for (const uint64_t position :
       {uint64_t{20}, row.index_position + 3, history_->segments()[1].bytes - 30}) {
    flip_object(name, position);
    expect_met(1);
    flip_object(name, position);
  }
  ASSERT_TRUE(memory_.remove(name).ok());
  expect_met(1);
}

TEST_F(ScrubTest, AFileThatIsFreedWhileItIsReadIsNoDamage) {
  fill();
  const auto file = log_->sealed_files().front();
  const std::string path = log_->path_of(file.number);
  const auto spoil = [&] {  // as if it were another file's by now
    const std::vector<std::byte> zeros(file.end_position);
    ASSERT_TRUE(disk_.open(path, io::OpenMode::kReadWrite).value()->write_at(0, zeros).ok());
  };
  bool is_freed = false;
  hooked_.hook = [&](const std::string& opened) {
    if (opened == path && !std::exchange(is_freed, true)) {
      spoil();
      free_journal();
      // What it became is no longer under its name, so that the name is of none.
    }
  };
  expect_met(0);
  EXPECT_TRUE(is_freed);
  EXPECT_FALSE(log_->has_file(file.number));
  EXPECT_EQ(scrub_->damaged(), 0U);
}

TEST_F(ScrubTest, AFileThatIsSpoiledAndNotFreedIsDamage) {
  fill();
  const auto file = log_->sealed_files().front();
  const std::vector<std::byte> zeros(file.end_position);
  const std::string path = log_->path_of(file.number);
  ASSERT_TRUE(disk_.open(path, io::OpenMode::kReadWrite).value()->write_at(0, zeros).ok());
  expect_met(1);
}

TEST_F(ScrubTest, AnObjectThatIsRemovedMeanwhileIsNoDamage) {
  fill();
  const auto row = history_->segments()[0];
  bool is_removed = false;
  store_.set_faults({.least_latency = 1ns, .most_latency = 1ns});  // so that it is told of requests
  on_request_ = [&] {
    if (!std::exchange(is_removed, true)) {
      history_->apply({.added = {}, .removed = {row.object}, .place = {}});
      ASSERT_TRUE(memory_.remove(row.name).ok());
    }
  };
  expect_met(0);
  EXPECT_TRUE(is_removed);
}

TEST_F(ScrubTest, AStoreThatIsAwayIsNoDamageAndThePassIsNotWhole) {
  fill();
  store_.set_away(true);
  EXPECT_EQ(pass().error().code, Code::kOverloaded);
  EXPECT_EQ(scrub_->damaged(), 0U);
  EXPECT_EQ(scrub_->passes(), 0U);
  store_.set_away(false);
  expect_met(0);
  EXPECT_EQ(scrub_->passes(), 1U);
}

TEST_F(ScrubTest, TheRateIsKept) {
  fill();
  constexpr uint64_t kRate = uint64_t{8} << 20;
  make({.bytes_per_second = kRate});
  const auto begun = std::chrono::steady_clock::now();
  ASSERT_TRUE(pass().ok());
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
  EXPECT_GE(took.count(), static_cast<double>(scrub_->read_bytes()) / kRate);
}

TEST_F(ScrubTest, AStopIsNotHeldUpByTheRate) {
  fill();
  make({.bytes_per_second = 1024});  // an hour for all of it
  runtime::CancelSource stop;
  runtime::Gate gate;
  Status done;
  const auto work = [](Scrub& scrub, runtime::CancelToken token,
                       Status& result) -> runtime::Task<void> {
    result = co_await scrub.pass(std::move(token));
  };
  ASSERT_TRUE(gate.spawn(shards_->shard(0), "scrub", work(*scrub_, stop.token(), done)));
  EXPECT_TRUE(comes([&] { return scrub_->read_bytes() > 0; }));
  stop.cancel();
  run(gate.close());
  EXPECT_EQ(done.error().code, Code::kCancelled);
  EXPECT_EQ(scrub_->passes(), 0U);
}

TEST_F(ScrubTest, PassesFollowOneAnotherUntilTheStop) {
  fill();
  make({.interval = 10ms, .bytes_per_second = uint64_t{1} << 40});
  runtime::CancelSource stop;
  runtime::Gate gate;
  ASSERT_TRUE(gate.spawn(shards_->shard(0), "scrub", scrub_->run(stop.token())));
  EXPECT_TRUE(comes([&] { return scrub_->passes() >= 3; }));
  flip(sealed_path(), 100'000);
  EXPECT_TRUE(comes([&] { return scrub_->damaged() > 0; }));
  stop.cancel();
  run(gate.close());
}

TEST_F(ScrubTest, WithoutAnIntervalNothingIsRead) {
  fill();
  make({.interval = 0ms});
  run(scrub_->run({}));
  EXPECT_EQ(scrub_->read_bytes(), 0U);
}

/// Everything at once: records are written, files rotated, freed and used again, objects cut,
/// merged, expired and removed.
TEST_F(ScrubTest, OfWhatIsInUseNothingIsCalledDamage) {
  const auto topic = create("orders", {{"retention.ms", "7200000"}});
  const auto small = create("small");
  make({.interval = 1ms, .bytes_per_second = uint64_t{1} << 40});
  runtime::CancelSource stop;
  runtime::Gate gate;
  ASSERT_TRUE(gate.spawn(shards_->shard(0), "scrub", scrub_->run(stop.token())));
  for (int i = 0; i < 60 || scrub_->passes() < 10; ++i) {
    write(topic, 25);
    if (i % 5 == 4) {
      add_small_object(small);
    }
    free_journal();
    clock_.advance(3min);
  }
  stop.cancel();
  run(gate.close());
  EXPECT_EQ(scrub_->damaged(), 0U);
  EXPECT_GT(log_->recycled(), 10U) << "no file was held";
  EXPECT_GT(segments_->expired(), 0U);
  EXPECT_GT(segments_->merged().merges.load(), 0U);
  expect_whole(topic);
  expect_whole(small);
}

}  // namespace
}  // namespace millrace::broker
