#include "broker/broker.h"

#include "broker/parts_test.h"
#include "record/record_batch_builder.h"
#include "runtime/coroutine.h"

#include <gtest/gtest.h>

#include <gmock/gmock.h>

#include <atomic>
#include <set>
#include <thread>

namespace millrace::broker {
namespace {

using testing::HasSubstr;

class BrokerTest : public JournalTest {
 protected:
  void start() override {
    open_log(64 * kKiB);
    broker_ = Broker::open(*log_, 100'000, clock_).value();
  }

  void stop() override {
    broker_.reset();
    log_.reset();
  }

  Result<TopicPtr> create(const std::string& name, int32_t partitions = 1,
                          std::map<std::string, std::string> configs = {}) {
    return run(broker_->create({name, partitions, std::move(configs)}));
  }

  /// A batch of `count` records, `size` bytes of value each.
  Result<record::CommitOutcome> append(const TopicPtr& topic, int32_t partition, size_t size,
                                       int count = 1) {
    record::RecordBatchBuilder builder;
    const std::string value(size, 'v');
    for (int i = 0; i < count; ++i) {
      builder.add(clock_.wall_ms() + std::chrono::milliseconds(i), std::nullopt,
                  bytes::as_bytes(value), {});
    }
    const auto payload = std::move(builder).build().value();
    return JournalTest::append(
        topic->partition(PartitionId{partition}),
        {Offset{0}, static_cast<uint32_t>(count), now_ms() + count - 1, payload});
  }

  std::unique_ptr<Broker> broker_;
};

TEST_F(BrokerTest, TopicsSurviveARestartWithTheirSettings) {
  const auto made =
      create("orders", 3,
             {{"retention.ms", "1000"}, {"max.message.bytes", "2000"}, {"durability", "interval"}})
          .value();
  ASSERT_TRUE(create("orders-1").ok());
  restart();
  const auto found = broker_->find("orders");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->record.id, made->record.id);
  EXPECT_EQ(found->record.settings, made->record.settings);
  EXPECT_EQ(found->partitions.size(), 3U);
  EXPECT_EQ(broker_->topics().size(), 2U);
}

TEST_F(BrokerTest, RefusesWhatIsNoTopic) {
  EXPECT_EQ(create("orders").ok(), true);
  EXPECT_EQ(create("orders").error().code, Code::kConflict);
  for (const char* name : {"", ".", "..", "a/b", "a b", "ä"}) {
    EXPECT_EQ(create(name).error().code, Code::kInvalid) << name;
  }
  EXPECT_TRUE(create(std::string(249, 'x')).ok());
  EXPECT_FALSE(create(std::string(250, 'x')).ok());
  EXPECT_FALSE(create("p", 0).ok());
  EXPECT_FALSE(create("p", kMaxPartitions + 1).ok());
  EXPECT_THAT(create("p", 1, {{"retention.ms", "-2"}}).error().message,
              HasSubstr("retention.ms=-2"));
  EXPECT_THAT(create("p", 1, {{"durability", "twice"}}).error().message,
              HasSubstr("durability=twice: must be fsync, interval or object"));
  EXPECT_THAT(create("p", 1, {{"colour", "red"}}).error().message,
              HasSubstr("no such topic setting"));
  EXPECT_FALSE(broker_->find("p"));
}

TEST_F(BrokerTest, ValidateOnlyCreatesNothing) {
  EXPECT_TRUE(run(broker_->create({"orders", 1, {}}, true)).ok());
  EXPECT_FALSE(broker_->find("orders"));
  EXPECT_TRUE(create("orders").ok());
}

TEST_F(BrokerTest, ATopicMadeAgainShowsNothingOfTheOldOne) {
  const auto old = create("orders").value();
  ASSERT_TRUE(append(old, 0, 100, 5).ok());
  ASSERT_TRUE(run(broker_->remove("orders")).ok());
  EXPECT_EQ(run(broker_->remove("orders")).error().code, Code::kNotFound);
  EXPECT_FALSE(broker_->find("orders"));
  const auto fresh = create("orders").value();
  EXPECT_NE(fresh->record.id, old->record.id);
  EXPECT_EQ(fresh->partitions[0]->range().end, Offset{0});
  EXPECT_TRUE(run(fresh->partitions[0]->read(Offset{0}, 1000))->empty());
  restart();
  EXPECT_EQ(broker_->find("orders")->record.id, fresh->record.id);
  EXPECT_EQ(broker_->find(old->record.id), nullptr);
}

TEST_F(BrokerTest, ReadsFromMemoryAtTheTailAndFromFilesBelow) {
  const auto topic = create("orders").value();
  for (int i = 0; i < 40; ++i) {
    ASSERT_EQ(append(topic, 0, 10'000)->base_offsets[0], Offset{i});  // ten of these fit the cache
  }
  const auto& partition = topic->partitions[0];
  for (const int64_t from : {0, 1, 20, 39}) {
    const auto batches = run(partition->read(Offset{from}, 1));
    ASSERT_TRUE(batches.ok());
    ASSERT_EQ(batches->size(), 1U);
    EXPECT_EQ(batches->front().base_offset, Offset{from});
  }
  EXPECT_TRUE(run(partition->read(Offset{40}, 1))->empty());
  EXPECT_EQ(run(partition->read(Offset{41}, 1)).error().code, Code::kNotFound);
}

TEST_F(BrokerTest, FindsTheRecordWithinItsBatchByTime) {
  const auto topic = create("orders").value();
  const int64_t begin = clock_.wall_ms().time_since_epoch().count();
  ASSERT_TRUE(append(topic, 0, 10, 10).ok());  // begin .. begin + 9
  clock_.advance(std::chrono::milliseconds(100));
  ASSERT_TRUE(append(topic, 0, 10, 10).ok());  // begin + 100 .. begin + 109
  const auto& partition = topic->partitions[0];
  const std::vector<std::pair<int64_t, int64_t>> expected{{0, 0},   {1, 1},    {9, 9},
                                                          {10, 10}, {105, 15}, {109, 19}};
  for (const auto& [after, offset] : expected) {
    const auto found = run(partition->find_timestamp(begin + after));
    ASSERT_TRUE(found.ok() && found->has_value()) << after;
    EXPECT_EQ((*found)->offset, Offset{offset}) << after;
  }
  EXPECT_FALSE(run(partition->find_timestamp(begin + 110))->has_value());
}

runtime::Task<bool> wait_for_more(std::shared_ptr<ReadWaiter> waiter) {
  co_return co_await waiter->more.wait(runtime::Deadline::after(std::chrono::seconds(10)));
}

TEST_F(BrokerTest, AnAppendWakesWaitingReadersOnce) {
  const auto topic = create("orders").value();
  const auto waiter = std::make_shared<ReadWaiter>();
  topic->partitions[0]->add_waiter(waiter);
  ASSERT_TRUE(append(topic, 0, 10).ok());
  EXPECT_TRUE(run(wait_for_more(waiter)));
  const auto removed = std::make_shared<ReadWaiter>();
  topic->partitions[0]->add_waiter(removed);
  topic->partitions[0]->remove_waiter(removed);
  ASSERT_TRUE(append(topic, 0, 10).ok());
  EXPECT_FALSE(removed->more.is_set());
}

TEST_F(BrokerTest, TheEndOfATopicWakesWaitingReaders) {
  const auto partition = create("orders").value()->partition(PartitionId{0});
  const auto waiter = std::make_shared<ReadWaiter>();
  partition->add_waiter(waiter);
  EXPECT_FALSE(partition->has_ended());
  ASSERT_TRUE(run(broker_->remove("orders")).ok());
  EXPECT_TRUE(partition->has_ended());
  const auto deadline = runtime::Deadline::after(std::chrono::seconds(10));
  run(waiter->more.wait(deadline));
  EXPECT_FALSE(deadline.has_passed());
}

TEST_F(BrokerTest, RetentionByTimeFreesWholeFilesAndMovesTheStart) {
  const auto old = create("old", 1, {{"retention.ms", "1000"}}).value();
  const auto kept = create("kept", 1, {{"retention.ms", "-1"}}).value();
  while (log_->files().size() < 4) {
    ASSERT_TRUE(append(old, 0, 10'000).ok());
  }
  run(broker_->apply_retention());
  EXPECT_EQ(old->partitions[0]->range().start, Offset{0});
  clock_.advance(std::chrono::seconds(2));
  run(broker_->apply_retention());
  ASSERT_TRUE(append(kept, 0, 10).ok());  // behind the chore in the writer's queue
  ASSERT_TRUE(append(kept, 0, 10).ok());
  EXPECT_GT(old->partitions[0]->range().start, Offset{0});
  const auto first = log_->files().front().number;
  while (log_->files().size() < 4) {
    ASSERT_TRUE(append(old, 0, 10'000).ok());
  }
  clock_.advance(std::chrono::seconds(2));
  run(broker_->apply_retention());
  ASSERT_TRUE(append(old, 0, 10).ok());
  EXPECT_EQ(log_->files().front().number, first);  // it holds records of `kept`
  EXPECT_EQ(run(kept->partitions[0]->read(Offset{0}, 1))->size(), 1U);
}

TEST_F(BrokerTest, RetentionByBytesKeepsAtLeastThatMuch) {
  const auto topic = create("orders", 1, {{"retention.bytes", "100000"}}).value();
  while (log_->files().size() < 6) {
    ASSERT_TRUE(append(topic, 0, 10'000).ok());
  }
  run(broker_->apply_retention());
  ASSERT_TRUE(append(topic, 0, 10).ok());
  ASSERT_TRUE(append(topic, 0, 10).ok());
  const auto range = topic->partitions[0]->range();
  EXPECT_GT(range.start, Offset{0});
  EXPECT_GE(range.end - range.start, 10);
}

/// A table that still needs its rows, or does not.
class NeedyTable final : public TopicObserver {
 public:
  std::vector<record::SystemFrame> frames_of_removal(const TopicId& /*topic*/) override {
    return {};
  }

  runtime::Task<void> removed(TopicId /*topic*/) override { co_return; }

  bool holds(const TopicId& topic) const override { return topic == held; }

  bool needs(const TopicId& topic, Offset /*end*/) const override { return topic == needed; }

  void let_go(const std::vector<TopicId>& topics) override { asked.push_back(topics); }

  TopicId held;
  TopicId needed;
  std::vector<std::vector<TopicId>> asked;
};

TEST_F(BrokerTest, TombstoneEndsWhenNoFileNamesTheTopicAndNoTableHoldsFiles) {
  const auto topic = create("orders", 1, {{"retention.ms", "1000"}}).value();
  const auto other = create("other", 1, {{"retention.ms", "1000"}}).value();
  ASSERT_TRUE(append(topic, 0, 100).ok());
  ASSERT_TRUE(run(broker_->remove("orders")).ok());
  run(broker_->apply_retention());
  restart();
  EXPECT_EQ(log_->recovered(record::SystemKind::kTopic).size(), 2U);  // the tombstone stands
  const auto reopened = broker_->find("other");
  while (log_->files().size() < 3) {
    ASSERT_TRUE(append(reopened, 0, 10'000).ok());
  }
  clock_.advance(std::chrono::seconds(2));
  run(broker_->apply_retention());
  ASSERT_TRUE(append(reopened, 0, 10).ok());
  ASSERT_TRUE(append(reopened, 0, 10).ok());
  NeedyTable table;
  table.held = topic->record.id;
  broker_->observe(&table);
  run(broker_->apply_retention());
  EXPECT_EQ(broker_->tombstones().size(), 1U);
  table.held = {};
  run(broker_->apply_retention());
  EXPECT_TRUE(broker_->tombstones().empty());
  broker_->observe(nullptr);
  restart();
  EXPECT_EQ(log_->recovered(record::SystemKind::kTopic).size(), 1U);
}

class ShortOfRoom : public BrokerTest {
 protected:
  ShortOfRoom() { max_bytes_ = uint64_t{10} * (64 << 10); }

  /// Ten batches of 10,000 bytes make two files.
  void fill(const TopicPtr& topic, size_t files) {
    while (log_->files().size() < files) {
      ASSERT_TRUE(append(topic, 0, 10'000).ok());
    }
  }

  std::vector<std::string> pinning() const {
    std::vector<std::string> names;
    for (const Pin& pin : broker_->pins()) {
      EXPECT_GT(pin.bytes, 0U);
      names.push_back(pin.topic->name());
    }
    return names;
  }

  NeedyTable table_;
};

TEST_F(ShortOfRoom, ATableThatAlonePinsTheOldestFileIsAskedToLetGo) {
  broker_->observe(&table_);
  const auto table = run(broker_->create({.name = "main.t", .is_table = true})).value();
  const auto other = create("other", 1, {{"retention.ms", "1000"}}).value();
  table_.needed = table->record.id;
  ASSERT_TRUE(append(table, 0, 10).ok());
  clock_.advance(std::chrono::milliseconds(1));
  fill(other, 8);
  EXPECT_THAT(pinning(), testing::IsEmpty());  // 80 % are not passed
  fill(other, 9);
  EXPECT_THAT(pinning(), testing::ElementsAre("main.t", "other"));
  run(broker_->apply_retention());
  EXPECT_THAT(table_.asked, testing::IsEmpty());  // it would not help
  clock_.advance(std::chrono::seconds(2));
  EXPECT_THAT(pinning(), testing::ElementsAre("main.t"));
  run(broker_->apply_retention());
  EXPECT_THAT(table_.asked, testing::ElementsAre(testing::ElementsAre(table->record.id)));
  EXPECT_EQ(log_->files().size(), 9U);
  table_.needed = {};
  EXPECT_THAT(pinning(), testing::IsEmpty());
  run(broker_->apply_retention());
  ASSERT_TRUE(append(other, 0, 10).ok());  // behind the chore in the writer's queue
  EXPECT_THAT(pinning(), testing::IsEmpty());
  EXPECT_EQ(table_.asked.size(), 1U);
}

TEST_F(ShortOfRoom, ATopicIsDeletedThoughTheJournalIsFull) {
  const auto hoard = create("hoard").value();
  while (append(hoard, 0, 10'000).ok() || append(hoard, 0, 10).ok()) {
  }
  EXPECT_EQ(create("other").error().code, Code::kOverloaded);
  run(broker_->apply_retention());
  ASSERT_TRUE(log_->full());
  EXPECT_THAT(log_->full()->message, testing::EndsWith("; all of it is kept for hoard"));
  restart();
  ASSERT_TRUE(run(broker_->remove("hoard")).ok());
  // The removal has asked for a round: it does not wait.
  run(log_->wait_for_round(0, runtime::Deadline::never(), {}));
  run(broker_->apply_retention());
  const auto other = create("other");
  ASSERT_TRUE(other.ok()) << other.error().message;
  EXPECT_TRUE(append(*other, 0, 10'000).ok());
  EXPECT_FALSE(log_->full());
}

/// Looks at the broker's part as a real one does before it writes it.
class JudgingCatalog final : public catalog::Catalog {
 public:
  const catalog::Contents& contents() const override { return contents_; }

  Status begin(const DirectoryId& /*directory*/) override { return {}; }

  Status commit_broker(const catalog::BrokerPart& part) override {
    std::set<TopicId> ids;
    for (const catalog::TopicRow& topic : part.topics) {
      twice += ids.insert(topic.id).second ? 0 : 1;
    }
    ++commits;
    return {};
  }

  Status commit_flush(const catalog::FlushCommit& /*flush*/) override { return {}; }

  Status drop_table(const TopicId& /*topic*/, const JournalPlace& /*place*/) override { return {}; }

  Status commit_segments(const catalog::SegmentsCommit& /*commit*/) override { return {}; }

  Status commit_store(const std::string& /*name*/) override { return {}; }

  Status close() override { return {}; }

  std::atomic<int> commits{0};
  std::atomic<int> twice{0};

 private:
  catalog::Contents contents_;
};

TEST_F(BrokerTest, CatalogHasATopicOnceWhileItIsDeleted) {
  for (int i = 0; i < 300; ++i) {  // so that a look at all of them takes its time
    ASSERT_TRUE(create("other" + std::to_string(i)).ok());
  }
  JudgingCatalog catalog;
  std::atomic<bool> is_over{false};
  auto writing = std::thread([&] {
    while (!is_over) {
      run(broker_->write_catalog(catalog, *pool_));
    }
  });
  for (int i = 0; i < 200 || catalog.commits < 50; ++i) {
    ASSERT_TRUE(create("zz").ok());
    ASSERT_TRUE(run(broker_->remove("zz")).ok());
  }
  is_over = true;
  writing.join();
  EXPECT_EQ(catalog.twice, 0);
}

TEST(TailCache, KeepsTheNewestWithinItsBytes) {
  TailCache cache(1000);
  const TopicPartition partition{TopicId(Uuid::random()), PartitionId{0}};
  const auto batch = [](int64_t base, size_t size) {
    return record::StoredBatch{Offset{base}, 2, 0,
                               bytes::Buffer::copy_of(std::vector<std::byte>(size))};
  };
  for (int64_t base = 0; base < 20; base += 2) {
    cache.put(partition, batch(base, 100));
  }
  EXPECT_LE(cache.bytes(), 1000U);
  EXPECT_TRUE(cache.read(partition, Offset{0}, 1000).empty());
  EXPECT_EQ(cache.read(partition, Offset{19}, 1000).size(), 1U);
  EXPECT_EQ(cache.read(partition, Offset{16}, 150).size(), 1U);
  EXPECT_EQ(cache.read(partition, Offset{16}, 200).size(), 2U);
  EXPECT_TRUE(cache.read(partition, Offset{20}, 1000).empty());
}

TEST(TailCache, BatchesThatComeOutOfOrderLeaveNoGap) {
  TailCache cache(100'000);
  const TopicPartition partition{TopicId(Uuid::random()), PartitionId{0}};
  const auto batch = [](int64_t base) {
    return record::StoredBatch{Offset{base}, 1, 0,
                               bytes::Buffer::copy_of(std::vector<std::byte>(10))};
  };
  cache.put(partition, batch(0));
  cache.put(partition, batch(2));
  cache.put(partition, batch(1));
  EXPECT_TRUE(cache.read(partition, Offset{0}, 1000).empty());
  EXPECT_TRUE(cache.read(partition, Offset{1}, 1000).empty());
  EXPECT_EQ(cache.read(partition, Offset{2}, 1000).size(), 1U);
}

}  // namespace
}  // namespace millrace::broker
