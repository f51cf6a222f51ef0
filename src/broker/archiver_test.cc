#include "broker/archiver.h"

#include "broker/parts_test.h"
#include "record/record_batch_builder.h"

#include <gtest/gtest.h>

#include <gmock/gmock.h>

#include <set>

namespace millrace::broker {
namespace {

using namespace std::chrono_literals;
using objects::PutFate;
using segment::topic_of;
using testing::HasSubstr;

const TopicPartition kA{topic_of(1), PartitionId{0}};
const TopicPartition kB{topic_of(1), PartitionId{1}};
const TopicPartition kTable{topic_of(9), PartitionId{0}};

class ArchiverTest : public HistoryPartsTest {
 protected:
  void start() override {
    open_parts(512 * kKiB);
    const auto topic = [this](const TopicId& id) {
      return id == kTable.topic || ended_.contains(id)
                 ? std::nullopt
                 : std::optional(ArchivedTopic{{id, "topic", ""}, settings_});
    };
    archiver_ = std::make_unique<Archiver>(
        SegmentMakerParts{*log_, *catalog_, store_, *history_, *pool_, clock_, topic}, rules_);
  }

  void stop() override {
    archiver_.reset();
    close_parts();
  }

  /// Batches of two records, each of `bytes`.
  void write(TopicPartition partition, int batches, size_t bytes,
             record::Durability durability = record::Durability::kFsync) {
    for (int i = 0; i < batches; ++i) {
      const auto batch = segment::batch_of(Offset{0}, std::string(bytes, 'v'), 2, 1000);
      record::CommitRequest request;
      request.batches.push_back(
          {partition, batch.payload, bytes::crc32c(batch.payload), 2, batch.max_timestamp_ms});
      request.durability = durability;
      ASSERT_TRUE(run(log_->commit(std::move(request))).ok());
    }
  }

  /// Until nothing is due.
  Result<size_t> round(bool is_pressing = false) {
    size_t made = 0;
    while (true) {
      auto cut = run(archiver_->round(is_pressing));
      if (!cut.ok() || *cut == 0) {
        return cut.ok() ? Result(made) : std::move(cut);
      }
      made += *cut;
    }
  }

  /// What is in segments of a partition is what the journal has there.
  void expect_same(TopicPartition partition) {
    const auto range = history_->range(partition).value();
    for (Offset at = range.start; at < range.end;) {
      const auto cut = history_->read(partition, at, 1);
      const auto kept = log_->read_blocking(partition, at, 1);
      ASSERT_TRUE(cut.ok() && kept.ok()) << cut.error().message;
      ASSERT_EQ(cut->front().base_offset, kept->front().base_offset);
      ASSERT_EQ(bytes::as_text(cut->front().payload), bytes::as_text(kept->front().payload));
      at = at + cut->front().records;
    }
  }

  int64_t end_of(TopicPartition partition) const {
    const auto range = history_->range(partition);
    return range ? range->end.value : 0;
  }

  CutRules rules_{.bytes = 200 * kKiB, .least_segment = 50 * kKiB, .age = 10min};
  std::set<TopicId> ended_;
  TopicSettings settings_{.retention_ms = -1};
  std::unique_ptr<Archiver> archiver_;
};

TEST_F(ArchiverTest, FullSegmentsAreCutOverJournalFiles) {
  write(kA, 100, 10 * kKiB);
  ASSERT_GT(log_->files().size(), 2U);
  EXPECT_EQ(*round(), 10U);  // the tenth batch of 20 KiB and its headers passes 200 KiB
  expect_same(kA);
  EXPECT_EQ(end_of(kA), 200);
  EXPECT_EQ(*round(), 0U);
  EXPECT_EQ(archiver_->counters().objects, 10U);
  for (const auto& segment : history_->segments()) {
    EXPECT_THAT(segment.name, HasSubstr("segments/01020304"));
    EXPECT_EQ(segment.parts.size(), 1U);
  }
}

TEST_F(ArchiverTest, RemaindersWaitForTheirAgeAndShareAnObject) {
  write(kA, 3, kKiB);
  write(kB, 2, kKiB);
  EXPECT_EQ(*round(), 0U);
  clock_.advance(10min - 1ms);
  write(kA, 1, kKiB);
  EXPECT_EQ(*round(), 0U);
  clock_.advance(1ms);
  EXPECT_EQ(*round(), 1U);
  EXPECT_EQ(end_of(kA), 8);
  EXPECT_EQ(end_of(kB), 4);
  EXPECT_THAT(history_->segments().front().name, HasSubstr("segments/mixed/"));
  write(kA, 1, kKiB);
  EXPECT_EQ(*round(), 0U);  // its own ten minutes
  expect_same(kA);
  expect_same(kB);
}

TEST_F(ArchiverTest, WhatCameLaterHasAnAgeOfItsOwn) {
  rules_.least_age = 10min;
  restart();
  write(kA, 20, 10 * kKiB);  // two segments
  EXPECT_EQ(*round(), 0U);
  clock_.advance(5min);
  write(kA, 20, 10 * kKiB);
  EXPECT_EQ(*round(), 0U);
  clock_.advance(5min);
  EXPECT_EQ(*round(), 2U);
  EXPECT_GE(end_of(kA), 40);
  EXPECT_LT(end_of(kA), 80);
  clock_.advance(5min);
  EXPECT_GE(*round(), 1U);
  EXPECT_EQ(end_of(kA), 80);
  expect_same(kA);
}

TEST_F(ArchiverTest, WhatTheOldestFileIsKeptForDoesNotWait) {
  write(kB, 1, kKiB);
  write(kA, 40, 2 * kKiB);
  while (log_->files().size() < 2) {
    write(kTable, 1, 50 * kKiB);
  }
  write({topic_of(3), PartitionId{0}}, 1, kKiB);
  EXPECT_EQ(*round(), 0U);
  EXPECT_EQ(*round(true), 2U);
  EXPECT_EQ(end_of(kA), 80);
  EXPECT_EQ(end_of(kB), 2);
  EXPECT_FALSE(history_->range({topic_of(3), PartitionId{0}}));
}

TEST_F(ArchiverTest, WhatIsExpiredIsNotCut) {
  write(kA, 100, 10 * kKiB);
  settings_.retention_bytes = 1;
  EXPECT_EQ(*round(), 0U);
  clock_.advance(10min);
  EXPECT_EQ(*round(), 1U);  // of the newest file, behind which there is nothing
  EXPECT_GT(history_->range(kA)->start, Offset{100});
}

TEST_F(ArchiverTest, WhatFollowsSegmentsIsCutThoughItIsExpired) {
  write(kA, 20, 10 * kKiB);
  ASSERT_GE(*round(), 1U);
  write(kA, 80, 10 * kKiB);
  settings_.retention_bytes = 1;
  EXPECT_GE(*round(), 7U);
  expect_same(kA);
}

TEST_F(ArchiverTest, WhatWasCutAndHasExpiredIsNotCutAgain) {
  write(kA, 20, 10 * kKiB);
  ASSERT_EQ(*round(), 2U);
  catalog::SegmentsCommit commit;
  for (const auto& segment : history_->segments()) {
    commit.removed.push_back(segment.object);
  }
  ASSERT_TRUE(catalog_->commit_segments(commit).ok());
  history_->apply(commit);
  EXPECT_EQ(*round(), 0U);
  write(kA, 20, 10 * kKiB);
  EXPECT_GE(*round(), 1U);
  EXPECT_GE(history_->range(kA)->start, Offset{40});
}

TEST_F(ArchiverTest, WhatIsNotForSegmentsStays) {
  write(kTable, 30, 10 * kKiB);
  write(kA, 30, 10 * kKiB);
  ended_.insert(kA.topic);
  EXPECT_EQ(*round(true), 0U);
  EXPECT_TRUE(memory_.list("")->empty());
}

TEST_F(ArchiverTest, SegmentsHoldNothingThatAPowerCutTakesFromTheJournal) {
  write(kA, 1, kKiB);
  write(kA, 30, 10 * kKiB, record::Durability::kInterval);
  EXPECT_GE(*round(), 1U);
  const int64_t cut = end_of(kA);
  disk_.power_off();
  stop();
  disk_.power_cut();
  start();
  EXPECT_GE(log_->range(kA).end, Offset{cut});
  EXPECT_EQ(end_of(kA), cut);
  expect_same(kA);
}

TEST_F(ArchiverTest, ARestartGoesOnBehindTheLastSegment) {
  write(kA, 30, 10 * kKiB);
  ASSERT_EQ(*round(), 3U);
  const int64_t first = end_of(kA);
  restart();
  write(kA, 30, 10 * kKiB);
  ASSERT_GE(*round(), 1U);
  EXPECT_GT(end_of(kA), first);
  EXPECT_EQ(history_->range(kA)->start, Offset{0});
  expect_same(kA);
}

TEST_F(ArchiverTest, AStoreThatIsAwayLosesNothing) {
  write(kA, 30, 10 * kKiB);
  store_.set_away(true);
  EXPECT_EQ(round().error().code, Code::kOverloaded);
  EXPECT_EQ(round().error().code, Code::kOverloaded);
  EXPECT_EQ(archiver_->counters().failures, 2U);
  EXPECT_EQ(end_of(kA), 0);
  EXPECT_TRUE(catalog_->contents().segments.empty());
  store_.set_away(false);
  EXPECT_EQ(*round(), 3U);
  expect_same(kA);
}

TEST_F(ArchiverTest, AnUnknownOutcomeLeavesAnObjectThatNothingNames) {
  write(kA, 30, 10 * kKiB);
  store_.plan_puts({PutFate::kBrokenDone});
  EXPECT_FALSE(round().ok());
  EXPECT_EQ(memory_.list("")->size(), 1U);
  EXPECT_EQ(end_of(kA), 0);
  store_.plan_puts({PutFate::kBrokenLate});
  EXPECT_FALSE(round().ok());
  EXPECT_EQ(*round(), 3U);
  ASSERT_TRUE(*store_.land_late_put());
  EXPECT_EQ(memory_.list("")->size(), 5U);
  EXPECT_EQ(history_->segments().size(), 3U);
  expect_same(kA);
}

TEST_F(ArchiverTest, ACatalogThatRefusesLosesNothing) {
  write(kA, 30, 10 * kKiB);
  catalog_->fail_next({make_error(Code::kOverloaded, "disk full"), false});
  EXPECT_EQ(round().error().code, Code::kOverloaded);
  EXPECT_EQ(end_of(kA), 0);
  EXPECT_EQ(*round(), 3U);
  expect_same(kA);
}

TEST_F(ArchiverTest, ADamagedBatchEndsItsPartitionAlone) {
  write(kA, 5, 10 * kKiB);
  const auto files = log_->files();
  auto file = disk_
                  .open("/data/journal/" + journal::file_name(files.front().number),
                        io::OpenMode::kReadWrite)
                  .value();
  const uint64_t size = file->size().value();
  std::vector<std::byte> content(size);
  ASSERT_TRUE(file->read_exactly_at(0, content).ok());
  // The third batch of kA: the third time that many v stand in a row.
  const std::string_view text = bytes::as_text(content);
  size_t at = 0;
  for (int i = 0; i < 3; ++i) {
    at = text.find(std::string(2000, 'v'), at) + 21 * kKiB;
  }
  const std::byte wrong{'w'};
  ASSERT_TRUE(file->write_at(at - 20 * kKiB, std::span(&wrong, 1)).ok());
  write(kB, 30, 10 * kKiB);
  EXPECT_EQ(*round(), 3U);
  clock_.advance(10min);
  EXPECT_GE(*round(), 1U);
  EXPECT_EQ(end_of(kA), 4);
  const uint64_t failures = log_->read_failures();
  EXPECT_EQ(*round(true), 0U);
  EXPECT_EQ(log_->read_failures(), failures) << "it is not tried again";
  EXPECT_GT(end_of(kB), 0);
  expect_same(kB);
}

}  // namespace
}  // namespace millrace::broker
