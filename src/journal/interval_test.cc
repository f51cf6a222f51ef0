#include "bytes/crc32c.h"
#include "journal/test_log.h"
#include "record/record_batch_builder.h"

#include <gtest/gtest.h>

#include <gmock/gmock.h>

namespace millrace::journal {
namespace {

using record::Durability;
using testing::ElementsAre;

const TopicPartition kA = partition_of(1, 0);
const TopicPartition kB = partition_of(2, 0);

record::CommitRequest interval_request(TopicPartition partition, std::string_view text,
                                       uint32_t records = 1) {
  record::CommitRequest request;
  request.batches.push_back(batch_of(partition, text, records));
  request.durability = Durability::kInterval;
  return request;
}

enum class End : uint8_t { kKill, kPowerCut };

class JournalInterval : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(log_.start().ok()); }

  Offset write(TopicPartition partition, std::string_view text, uint32_t records = 1) {
    auto outcome = log_.commit(interval_request(partition, text, records));
    EXPECT_TRUE(outcome.ok()) << outcome.error().message;
    return outcome.ok() ? outcome->base_offsets.front() : Offset{-1};
  }

  bool is_all_synced() const { return log_.writer->last_written() == log_.writer->last_synced(); }

  void restart_after(End end) {
    log_.kill();
    if (end == End::kPowerCut) {
      log_.disk.power_cut();
    }
    const auto started = log_.start();
    ASSERT_TRUE(started.ok()) << started.error().message;
  }

  TestLog log_;
};

std::string filler_text(int32_t offsets) {
  return std::string(bytes::as_text(record::filler_batch(offsets)));
}

TEST_F(JournalInterval, IsReadableBeforeItIsSynced) {
  write(kA, "reserves");
  EXPECT_TRUE(is_all_synced());
  EXPECT_FALSE(log_.writer->sync_due());
  const auto synced = log_.writer->place();
  EXPECT_EQ(write(kA, "second"), Offset{1});
  EXPECT_FALSE(is_all_synced());
  EXPECT_EQ(log_.writer->place(), synced);
  EXPECT_THAT(log_.texts(kA), ElementsAre("reserves", "second"));
  EXPECT_GT(log_.writer->counters().unsynced_bytes, 0U);
}

TEST_F(JournalInterval, IsSyncedInTime) {
  log_.options.writer.interval = std::chrono::milliseconds(100);
  ASSERT_TRUE(log_.start().ok());
  write(kA, "reserves");
  const auto begun = log_.clock.steady();
  write(kA, "first");
  log_.clock.advance(std::chrono::milliseconds(10));
  write(kA, "second");
  ASSERT_TRUE(log_.writer->sync_due());
  EXPECT_EQ(*log_.writer->sync_due() - begun, std::chrono::milliseconds(75));
  log_.clock.advance(std::chrono::milliseconds(64));
  write(kA, "a moment before");
  EXPECT_FALSE(is_all_synced());
  log_.clock.advance(std::chrono::milliseconds(1));
  write(kA, "when it is due");
  EXPECT_TRUE(is_all_synced());
  EXPECT_EQ(log_.writer->counters().unsynced_bytes, 0U);
}

TEST_F(JournalInterval, ASyncTakesAllThatWasWritten) {
  write(kA, "reserves");
  write(kA, "first");
  ASSERT_TRUE(log_.append(kB, "with its sync").ok());
  EXPECT_TRUE(is_all_synced());
  write(kA, "second");
  EXPECT_FALSE(is_all_synced());
  EXPECT_TRUE(log_.writer->sync().ok());
  EXPECT_TRUE(is_all_synced());
  restart_after(End::kPowerCut);
  EXPECT_THAT(log_.texts(kA),
              ElementsAre("reserves", "first", "second", filler_text(Writer::kReserveOffsets - 2)));
  EXPECT_THAT(log_.texts(kB), ElementsAre("with its sync"));
}

TEST_F(JournalInterval, OffsetsLostWithThePowerAreNeverGivenOutAgain) {
  write(kA, "kept");
  EXPECT_EQ(write(kA, std::string(10'000, 'x'), 7), Offset{1});
  restart_after(End::kPowerCut);
  const Offset end = Offset{1} + Writer::kReserveOffsets;
  EXPECT_EQ(log_.index->range(kA).end, end);
  const auto after = log_.texts(kA);
  EXPECT_EQ(after.front(), "kept");
  EXPECT_EQ(write(kA, "next"), end);
  EXPECT_TRUE(is_all_synced());  // for its reservation
  EXPECT_EQ(log_.texts(kA).back(), "next");
  ASSERT_EQ(log_.report.gaps.size(), 1U);
  EXPECT_EQ(log_.report.gaps[0].end, end);
}

TEST_F(JournalInterval, AProcessThatDiesLosesNothing) {
  write(kA, "first");
  write(kA, "second");
  restart_after(End::kKill);
  EXPECT_EQ(log_.report.runs_rewritten, 1U);
  restart_after(End::kPowerCut);  // what was seen after the first start stays
  EXPECT_THAT(log_.texts(kA),
              ElementsAre("first", "second", filler_text(Writer::kReserveOffsets - 1)));
}

TEST_F(JournalInterval, ACleanStopLeavesNoGap) {
  write(kA, "first");
  write(kA, "second");
  write(kB, "other");
  ASSERT_TRUE(log_.writer->finish().ok());
  restart_after(End::kPowerCut);
  EXPECT_TRUE(log_.report.gaps.empty());
  EXPECT_THAT(log_.texts(kA), ElementsAre("first", "second"));
  EXPECT_EQ(write(kA, "third"), Offset{2});
  EXPECT_TRUE(is_all_synced());
}

TEST_F(JournalInterval, AFillerIsWrittenOnce) {
  write(kA, "first");
  restart_after(End::kKill);
  restart_after(End::kKill);
  EXPECT_TRUE(log_.report.gaps.empty());
  EXPECT_THAT(log_.texts(kA), ElementsAre("first", filler_text(Writer::kReserveOffsets)));
}

TEST_F(JournalInterval, ReservesAgainWhereTheReservationEnds) {
  write(kA, "reserves");
  const auto rest = static_cast<uint32_t>(Writer::kReserveOffsets);
  write(kA, "one less", rest - 1);
  EXPECT_FALSE(is_all_synced());
  write(kA, "the last");
  EXPECT_FALSE(is_all_synced());
  EXPECT_EQ(write(kA, "one more"), Offset{1} + Writer::kReserveOffsets);
  EXPECT_TRUE(is_all_synced());
  write(kA, "many", 3 * rest);
  EXPECT_TRUE(is_all_synced());
  write(kA, "unsynced");
  EXPECT_FALSE(is_all_synced());
}

TEST_F(JournalInterval, AReservationOutlivesItsFile) {
  write(kA, "first");
  while (log_.writer->file() < FileNumber{3}) {
    write(kA, std::string(60'000, 'x'));
  }
  const Offset end = log_.index->range(kA).end;
  log_.writer->free_below(FileNumber{3});
  restart_after(End::kKill);
  EXPECT_EQ(log_.index->range(kA).end, Offset{1} + Writer::kReserveOffsets);
  EXPECT_LT(end, log_.index->range(kA).end);
}

TEST_F(JournalInterval, TheFileBeforeIsSyncedBeforeTheNextBegins) {
  write(kA, "first");
  while (log_.writer->file() == FileNumber{1}) {
    write(kA, std::string(60'000, 'x'));
  }
  const size_t count = log_.texts(kA).size();
  restart_after(End::kPowerCut);
  EXPECT_GE(log_.texts(kA).size(), count);  // all but what the last write brought, and a filler
}

TEST_F(JournalInterval, AFailedSyncPoisons) {
  write(kA, "first");
  write(kA, "second");
  log_.disk.set_faults({.fail_at = log_.disk.operations() + 1});
  EXPECT_EQ(log_.writer->sync().error().code, Code::kOutcomeUnknown);
  EXPECT_TRUE(log_.writer->is_poisoned());
  EXPECT_EQ(log_.commit(interval_request(kA, "third")).error().code, Code::kReadOnly);
  EXPECT_EQ(log_.writer->sync().error().code, Code::kReadOnly);
  EXPECT_FALSE(log_.writer->sync_due());
  EXPECT_THAT(log_.texts(kA), ElementsAre("first", "second"));
}

TEST_F(JournalInterval, ADuplicateThatAsksForASyncGetsIt) {
  write(kA, "reserves");
  record::CommitRequest request = interval_request(kA, "once");
  request.batch_id = record::BatchId{{1}};
  ASSERT_TRUE(log_.commit(request).ok());
  EXPECT_FALSE(is_all_synced());
  request.durability = Durability::kFsync;
  EXPECT_TRUE(log_.commit(request)->is_duplicate);
  EXPECT_TRUE(is_all_synced());
}

TEST_F(JournalInterval, SystemFramesAreSynced) {
  record::CommitRequest request = interval_request(kA, "x");
  request.system.push_back({record::SystemKind::kTopic, false, "key", "value"});
  EXPECT_EQ(log_.commit(std::move(request)).error().code, Code::kInvalid);
}

TEST_F(JournalInterval, GapsOfManyPartitionsTakeSeveralRuns) {
  log_.options.writer.run_bytes = 8 << 10;
  ASSERT_TRUE(log_.start().ok());
  constexpr int kMany = 300;
  for (int i = 0; i < kMany; ++i) {
    write(partition_of(3, i), std::to_string(i));
  }
  restart_after(End::kPowerCut);
  EXPECT_EQ(log_.report.gaps.size(), static_cast<size_t>(kMany));
  for (int i = 0; i < kMany; ++i) {
    EXPECT_EQ(log_.index->range(partition_of(3, i)).end, Offset{1} + Writer::kReserveOffsets);
  }
}

/// Whatever a power cut leaves, and whenever it comes: no two values at one offset.
TEST(JournalIntervalPower, NoOffsetIsEverGivenOutTwice) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    TestLog log(seed);
    ASSERT_TRUE(log.start().ok());
    std::map<int64_t, std::string> seen;
    for (int life = 0; life < 4; ++life) {
      for (uint64_t i = 0; i < 2 + seed % 5; ++i) {
        const std::string text =
            fmt::format("{} {} {}", seed, life, i) + std::string(seed * 40, 'x');
        const auto outcome = log.commit(interval_request(kA, text, 1 + static_cast<uint32_t>(i)));
        ASSERT_TRUE(outcome.ok());
        const auto [at, is_new] = seen.emplace(outcome->base_offsets.front().value, text);
        ASSERT_TRUE(is_new) << at->second;
      }
      log.kill();
      log.disk.power_cut();
      ASSERT_TRUE(log.start().ok());
      ASSERT_GE(log.index->range(kA).end, Offset{seen.rbegin()->first});
    }
  }
}

}  // namespace
}  // namespace millrace::journal
