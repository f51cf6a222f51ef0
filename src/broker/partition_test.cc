#include "broker/archiver.h"
#include "broker/broker.h"
#include "broker/parts_test.h"
#include "record/record_batch_builder.h"

#include <gtest/gtest.h>

namespace millrace::broker {
namespace {

/// A topic whose older records lie in segments, and no longer in the journal.
class PartitionHistoryTest : public HistoryPartsTest {
 protected:
  static constexpr int64_t kBatches = 100;

  void start() override {
    open_parts(256 * kKiB);
    broker_ = Broker::open(*log_, 20'000, clock_).value();
    broker_->read_history(*history_, *pool_);
    partition_ = run(broker_->create({"orders", 1, {{"retention.ms", retention_ms_}}}))
                     .value()
                     ->partition(PartitionId{0});
    for (int64_t i = 0; i < kBatches; ++i) {
      append(i);
    }
  }

  void stop() override {
    partition_.reset();
    broker_.reset();
    close_parts();
  }

  static std::string value_of(int64_t number) {
    return std::to_string(number) + std::string(9000, 'v');
  }

  /// Two records, their time ten times the number.
  void append(int64_t number) {
    record::RecordBatchBuilder builder;
    for (int i = 0; i < 2; ++i) {
      builder.add(TimestampMs(std::chrono::milliseconds(10 * number)), std::nullopt,
                  bytes::as_bytes(value_of(number)));
    }
    const auto payload = std::move(builder).build().value();
    ASSERT_TRUE(HistoryPartsTest::append(partition_, {Offset{0}, 2, 10 * number, payload}).ok());
  }

  /// Cuts all there is.
  void cut() {
    const auto topic = [](const TopicId& id) {
      return std::optional(ArchivedTopic{{id, "orders", ""}, {.retention_ms = -1}});
    };
    Archiver archiver({*log_, *catalog_, store_, *history_, *pool_, clock_, topic},
                      {.bytes = 300 << 10, .age = std::chrono::minutes(0)});
    for (size_t made = 1; made > 0;) {
      const auto round = run(archiver.round(false));
      ASSERT_TRUE(round.ok()) << round.error().message;
      made = *round;
    }
  }

  /// Frees the journal's files but the newest, too.
  void archive() {
    cut();
    log_->free_below(log_->files().back().number);
    ASSERT_TRUE(run(log_->sync()).ok());  // the writer has freed them by then
    ASSERT_GT(log_->range(partition_->id()).start, Offset{0});
  }

  /// The numbers of the batches from an offset on.
  std::vector<int64_t> read_from(Offset from) {
    std::vector<int64_t> numbers;
    for (Offset at = from; at < partition_->range().end;) {
      const auto batches = run(partition_->read(at, 50'000));
      if (!batches.ok() || batches->empty()) {
        ADD_FAILURE() << "at " << at.value << ": "
                      << (batches.ok() ? "nothing" : batches.error().message);
        break;
      }
      for (const auto& batch : *batches) {
        EXPECT_LE(batch.base_offset, at);
        numbers.push_back(batch.base_offset.value / 2);
        at = batch.base_offset + batch.records;
      }
    }
    return numbers;
  }

  std::string retention_ms_ = "-1";
  std::unique_ptr<Broker> broker_;
  std::shared_ptr<Partition> partition_;
};

TEST_F(PartitionHistoryTest, ReadsGoFromSegmentsOverTheJournalToTheTail) {
  archive();
  EXPECT_EQ(partition_->range().start, Offset{0});
  EXPECT_EQ(partition_->range().end, Offset{2 * kBatches});
  append(kBatches);
  const auto numbers = read_from(Offset{0});
  ASSERT_EQ(numbers.size(), static_cast<size_t>(kBatches) + 1);
  for (int64_t i = 0; i <= kBatches; ++i) {
    EXPECT_EQ(numbers[static_cast<size_t>(i)], i);
  }
  EXPECT_EQ(read_from(Offset{77}).front(), 38);  // within a batch
}

TEST_F(PartitionHistoryTest, FindsByTimeInSegmentsAndInTheJournal) {
  archive();
  for (const int64_t number : {int64_t{0}, int64_t{1}, int64_t{40}, kBatches - 1}) {
    const auto found = run(partition_->find_timestamp(10 * number));
    EXPECT_EQ(found.value()->offset, Offset{2 * number}) << number;
  }
  EXPECT_EQ(run(partition_->find_timestamp(11)).value()->offset, Offset{4});
  EXPECT_FALSE(run(partition_->find_timestamp(10 * kBatches)).value());
}

TEST_F(PartitionHistoryTest, WhatIsInNeitherIsNotFound) {
  archive();
  catalog::SegmentsCommit retention;
  for (const auto& segment : history_->segments()) {
    if (segment.parts.front().first == Offset{0}) {
      retention.removed = {segment.object};
    }
  }
  history_->apply(retention);
  const Offset start = partition_->range().start;
  EXPECT_GT(start, Offset{0});
  EXPECT_EQ(run(partition_->read(Offset{0}, 1)).error().code, Code::kNotFound);
  EXPECT_EQ(read_from(start).front(), start.value / 2);
}

TEST_F(PartitionHistoryTest, TheJournalIsReadAsLongAsItHasThem) {
  cut();
  const uint64_t gets = memory_.counters().of(objects::RequestKind::kGet);
  EXPECT_EQ(read_from(Offset{0}).size(), static_cast<size_t>(kBatches));
  EXPECT_EQ(memory_.counters().of(objects::RequestKind::kGet), gets);
}

TEST_F(PartitionHistoryTest, TheJournalFreesWhatIsInSegments) {
  ASSERT_GT(log_->files().size(), 4U);
  run(broker_->apply_retention());
  ASSERT_TRUE(run(log_->sync()).ok());
  EXPECT_EQ(log_->range(partition_->id()).start, Offset{0});
  cut();
  run(broker_->apply_retention());
  ASSERT_TRUE(run(log_->sync()).ok());
  EXPECT_EQ(log_->files().size(), 1U);
  EXPECT_EQ(read_from(Offset{0}).size(), static_cast<size_t>(kBatches));
}

class ExpiredHistoryTest : public PartitionHistoryTest {
 protected:
  ExpiredHistoryTest() { retention_ms_ = "1"; }
};

TEST_F(ExpiredHistoryTest, TheJournalKeepsWhatFollowsSegmentsHoweverOld) {
  cut();
  const size_t files = log_->files().size();
  for (int64_t i = 0; i < kBatches; ++i) {
    append(kBatches + i);
  }
  run(broker_->apply_retention());
  ASSERT_TRUE(run(log_->sync()).ok());
  EXPECT_LE(log_->range(partition_->id()).start, Offset{2 * kBatches});
  EXPECT_GE(log_->files().size(), files);
  cut();
  run(broker_->apply_retention());
  ASSERT_TRUE(run(log_->sync()).ok());
  EXPECT_EQ(log_->files().size(), 1U);
  EXPECT_EQ(read_from(Offset{0}).size(), static_cast<size_t>(2 * kBatches));
}

}  // namespace
}  // namespace millrace::broker
