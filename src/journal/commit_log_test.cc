#include "journal/commit_log.h"

#include "bytes/crc32c.h"
#include "io/simulated_disk.h"
#include "journal/test_options.h"
#include "runtime/coroutine.h"
#include "runtime/gate.h"
#include "runtime/on_shard.h"
#include "runtime/shard.h"

#include <gtest/gtest.h>

#include <atomic>
#include <set>

namespace millrace::journal {
namespace {

TopicPartition partition_of(int32_t number) {
  TopicPartition partition;
  partition.topic.bytes[0] = 7;
  partition.partition = PartitionId{number};
  return partition;
}

class CommitLogTest : public testing::Test {
 protected:
  void SetUp() override {
    shards_ = runtime::ShardSet::start(2, "shard").value();
    readers_ = runtime::BlockingPool::start({.name = "read", .threads = 2}).value();
    open();
  }

  void TearDown() override {
    log_.reset();
    readers_->stop();
    shards_->stop();
  }

  void open(uint64_t max_bytes = uint64_t{1} << 40) {
    auto options = test_options(1 << 20);
    options.recovery.writer.max_bytes = max_bytes;
    options.prove_after = std::chrono::milliseconds(20);
    log_ = JournalLog::open(disk_, std::move(options), clock_, *readers_).value();
  }

  static record::CommitRequest request_of(int32_t partition, std::string_view text) {
    const auto payload = bytes::Buffer::copy_of(bytes::as_bytes(text));
    record::CommitRequest request;
    request.batches.push_back({partition_of(partition), payload, bytes::crc32c(payload), 1, 0});
    return request;
  }

  Result<record::CommitOutcome> commit(record::CommitRequest request) {
    return runtime::block_on(shards_->shard(0), log_->commit(std::move(request)));
  }

  io::SimulatedDisk disk_{1};
  ManualClock clock_;
  std::unique_ptr<runtime::ShardSet> shards_;
  std::unique_ptr<runtime::BlockingPool> readers_;
  std::unique_ptr<JournalLog> log_;
};

runtime::Task<void> write_many(JournalLog& log, int32_t writer, int count,
                               std::vector<int64_t>& offsets) {
  for (int i = 0; i < count; ++i) {
    const auto payload = bytes::Buffer::copy_of(bytes::as_bytes(fmt::format("{}:{}", writer, i)));
    record::CommitRequest request;
    request.batches.push_back({partition_of(writer % 2), payload, bytes::crc32c(payload), 1, 0});
    const auto outcome = co_await log.commit(std::move(request));
    offsets.push_back(outcome.ok() ? outcome->base_offsets[0].value : -1);
  }
}

TEST_F(CommitLogTest, WritersOnAllShardsGetDenseOffsetsInTheirOrder) {
  constexpr int kWriters = 16;
  constexpr int kCount = 200;
  std::vector<std::vector<int64_t>> offsets(kWriters);
  runtime::Gate gate;
  for (int32_t i = 0; i < kWriters; ++i) {
    ASSERT_TRUE(gate.spawn(shards_->shard(static_cast<size_t>(i) % 2), "writer",
                           write_many(*log_, i, kCount, offsets[static_cast<size_t>(i)])));
  }
  runtime::block_on(shards_->shard(0), gate.close());
  std::set<std::pair<int, int64_t>> seen;
  for (int i = 0; i < kWriters; ++i) {
    const auto& mine = offsets[static_cast<size_t>(i)];
    ASSERT_EQ(mine.size(), static_cast<size_t>(kCount));
    EXPECT_TRUE(std::is_sorted(mine.begin(), mine.end()));
    for (const int64_t offset : mine) {
      EXPECT_TRUE(offset >= 0 && seen.emplace(i % 2, offset).second);
    }
  }
  EXPECT_EQ(log_->range(partition_of(0)).end, Offset{int64_t{kWriters} / 2 * kCount});
  EXPECT_LT(log_->counters().runs,
            static_cast<uint64_t>(kWriters) * kCount);  // commits shared runs
}

TEST_F(CommitLogTest, AnIntervalCommitIsSyncedWithoutFurtherWrites) {
  ASSERT_TRUE(commit(request_of(0, "first")).ok());
  for (int i = 0; i < 3; ++i) {  // the first reserves offsets, and is synced for that
    auto request = request_of(1, "later");
    request.durability = record::Durability::kInterval;
    ASSERT_TRUE(commit(std::move(request)).ok());
  }
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (log_->counters().unsynced_bytes != 0 && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::yield();
  }
  EXPECT_EQ(log_->counters().unsynced_bytes, 0U);
}

TEST_F(CommitLogTest, SyncMakesWhatWasReadableDurable) {
  for (int i = 0; i < 2; ++i) {
    auto request = request_of(0, "interval");
    request.durability = record::Durability::kInterval;
    ASSERT_TRUE(commit(std::move(request)).ok());
  }
  const JournalPlace before = log_->place();
  ASSERT_TRUE(runtime::block_on(shards_->shard(0), log_->sync()).ok());
  EXPECT_GE(log_->place().run, before.run);
  EXPECT_EQ(log_->counters().unsynced_bytes, 0U);
  log_->stop();
  EXPECT_EQ(runtime::block_on(shards_->shard(0), log_->sync()).error().code, Code::kCancelled);
}

TEST_F(CommitLogTest, AcknowledgedIsReadableAtOnceAndAfterRestart) {
  for (int i = 0; i < 100; ++i) {
    const auto outcome =
        commit(request_of(0, std::string(20'000, static_cast<char>('a' + i % 26))));
    ASSERT_TRUE(outcome.ok());
    const auto read = runtime::block_on(shards_->shard(1),
                                        log_->read(partition_of(0), outcome->base_offsets[0], 1));
    ASSERT_TRUE(read.ok());
    EXPECT_EQ(read->front().payload.size(), 20'000U);
  }
  EXPECT_GT(log_->counters().rotations, 0U);
  log_.reset();
  open();
  EXPECT_EQ(log_->range(partition_of(0)).end, Offset{100});
  EXPECT_EQ(log_->report().runs_rewritten, 1U);  // only the header-only run of the clean stop
}

TEST_F(CommitLogTest, IdlenessProvesTheLastRun) {
  ASSERT_TRUE(commit(request_of(0, "x")).ok());
  const auto deadline = runtime::Deadline::after(std::chrono::seconds(10));
  while (log_->counters().runs < 2 && !deadline.has_passed()) {
    std::this_thread::yield();
  }
  EXPECT_EQ(log_->counters().runs, 2U);
}

TEST_F(CommitLogTest, HoldsKeepFilesAndReleasedOnesAreFreed) {
  log_->hold("tables", FileNumber{1});
  while (log_->files().size() < 4) {
    ASSERT_TRUE(commit(request_of(0, std::string(200'000, 'x'))).ok());
  }
  log_->free_below(FileNumber{3});
  ASSERT_TRUE(commit(request_of(0, "x")).ok());
  EXPECT_EQ(log_->files().front().number, FileNumber{1});
  log_->hold("tables", FileNumber{2});
  log_->free_below(FileNumber{3});
  const auto deadline = runtime::Deadline::after(std::chrono::seconds(10));
  while (log_->files().front().number != FileNumber{2} && !deadline.has_passed()) {
    std::this_thread::yield();
  }
  EXPECT_EQ(log_->files().front().number, FileNumber{2});
  EXPECT_GT(log_->range(partition_of(0)).start, Offset{0});
}

TEST_F(CommitLogTest, WaiterLearnsOfARotation) {
  const auto wait = [&](uint64_t seen, runtime::Deadline deadline,
                        const runtime::CancelToken& cancel) {
    return runtime::block_on(shards_->shard(0), log_->wait_for_round(seen, deadline, cancel));
  };
  EXPECT_EQ(wait(0, runtime::Deadline::after(std::chrono::milliseconds(1)), {}), 0U);
  runtime::CancelSource cancelled;
  cancelled.cancel();
  EXPECT_EQ(wait(0, runtime::Deadline::never(), cancelled.token()), 0U);
  std::thread rotate([&] {
    while (log_->counters().rotations == 0) {
      ASSERT_TRUE(runtime::block_on(shards_->shard(1),
                                    log_->commit(request_of(0, std::string(100'000, 'x'))))
                      .ok());
    }
  });
  EXPECT_EQ(wait(0, runtime::Deadline::never(), {}), 1U);
  rotate.join();
  EXPECT_EQ(wait(0, runtime::Deadline::never(), {}), 1U);  // it was made before
}

TEST_F(CommitLogTest, WaiterLearnsOfWhatMayBeFreed) {
  const auto wait = [&](runtime::Deadline deadline) {
    runtime::block_on(shards_->shard(0), log_->wait_for_round(0, deadline, {}));
  };
  const auto is_asked = [&] {  // and a second round is not
    wait(runtime::Deadline::never());
    const auto soon = runtime::Deadline::after(std::chrono::milliseconds(5));
    wait(soon);
    return soon.has_passed();
  };
  log_->ask_for_round();
  log_->ask_for_round();
  EXPECT_TRUE(is_asked());
  log_->hold("tables", FileNumber{2});
  EXPECT_TRUE(is_asked());
  log_->hold("tables", FileNumber{2});  // does not move
  const auto soon = runtime::Deadline::after(std::chrono::milliseconds(5));
  wait(soon);
  EXPECT_TRUE(soon.has_passed());
  std::thread asks([&] { log_->ask_for_round(); });
  wait(runtime::Deadline::never());
  asks.join();
}

TEST_F(CommitLogTest, RefusedCommitsAskForARoundNowAndThen) {
  log_.reset();
  disk_.kill();
  open(uint64_t{1} << 20);
  ASSERT_TRUE(commit(request_of(0, std::string(700'000, 'x'))).ok());
  EXPECT_FALSE(log_->full());
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(commit(request_of(0, std::string(700'000, 'x'))).error().code, Code::kOverloaded);
  }
  ASSERT_TRUE(log_->full());
  EXPECT_EQ(log_->full()->code, Code::kOverloaded);
  const auto is_asked = [&](std::chrono::milliseconds within) {
    const auto deadline = runtime::Deadline::after(within);
    runtime::block_on(shards_->shard(0), log_->wait_for_round(0, deadline, {}));
    return !deadline.has_passed();
  };
  EXPECT_TRUE(is_asked(std::chrono::seconds(10)));
  EXPECT_FALSE(commit(request_of(0, std::string(700'000, 'x'))).ok());
  EXPECT_FALSE(is_asked(std::chrono::milliseconds(5)));
  clock_.advance(std::chrono::seconds(1));
  EXPECT_FALSE(commit(request_of(0, std::string(700'000, 'x'))).ok());
  EXPECT_TRUE(is_asked(std::chrono::seconds(10)));
}

TEST_F(CommitLogTest, SaysWhatAFullJournalIsKeptFor) {
  log_->set_kept_for("hoard");
  EXPECT_FALSE(log_->full());
  log_.reset();
  disk_.kill();
  open(uint64_t{1} << 20);
  ASSERT_TRUE(commit(request_of(0, std::string(700'000, 'x'))).ok());
  EXPECT_FALSE(commit(request_of(0, std::string(700'000, 'x'))).ok());
  const std::string message = log_->full()->message;
  log_->set_kept_for("hoard, other");
  EXPECT_EQ(log_->full()->message, message + "; all of it is kept for hoard, other");
}

TEST_F(CommitLogTest, ReadsThatMeetDamageAreCounted) {
  constexpr uint64_t kPayload = kBlock + kRunHeaderBytes + kFrameHeaderBytes;  // of the first batch
  ASSERT_TRUE(commit(request_of(0, "first")).ok());
  ASSERT_TRUE(commit(request_of(0, "second")).ok());
  const auto read = [&](int64_t from) {
    return runtime::block_on(shards_->shard(0), log_->read(partition_of(0), Offset{from}, 1));
  };
  const std::string path = "/data/journal/" + file_name(FileNumber{1});
  auto file = disk_.open(path, io::OpenMode::kReadWrite).value();
  const std::byte wrong{0};
  ASSERT_TRUE(file->write_at(kPayload, std::span(&wrong, 1)).ok());
  EXPECT_EQ(read(0).error().code, Code::kCorrupt);
  EXPECT_EQ(read(0).error().code, Code::kCorrupt);
  EXPECT_TRUE(read(1).ok());
  EXPECT_EQ(read(7).error().code, Code::kNotFound);  // no damage
  EXPECT_EQ(log_->read_failures(), 2U);
  const auto found =
      runtime::block_on(shards_->shard(0), log_->find_timestamp(partition_of(0), Offset{0}, 0));
  EXPECT_EQ(found.error().code, Code::kCorrupt);
  EXPECT_EQ(log_->read_failures(), 3U);
}

TEST_F(CommitLogTest, StoppedLogRefusesAndSaysSo) {
  log_->stop();
  EXPECT_EQ(commit(request_of(0, "x")).error().code, Code::kCancelled);
}

TEST_F(CommitLogTest, PoisonAnswersEveryWaiterAndReadsGoOn) {
  ASSERT_TRUE(commit(request_of(0, "durable")).ok());
  disk_.set_faults({.off_at = disk_.operations() + 1});
  EXPECT_EQ(commit(request_of(0, "x")).error().code, Code::kOutcomeUnknown);
  EXPECT_EQ(commit(request_of(0, "y")).error().code, Code::kReadOnly);
  EXPECT_TRUE(log_->is_poisoned());
  disk_.kill();
  EXPECT_TRUE(runtime::block_on(shards_->shard(0), log_->read(partition_of(0), Offset{0}, 1)).ok());
}

}  // namespace
}  // namespace millrace::journal
