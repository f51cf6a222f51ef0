#include "broker/object_uploader.h"

#include "broker/broker.h"
#include "broker/parts_test.h"
#include "broker/segments.h"
#include "runtime/gate.h"

#include <gtest/gtest.h>

#include <gmock/gmock.h>

#include <future>

namespace millrace::broker {
namespace {

using namespace std::chrono_literals;
using objects::PutFate;

class ObjectUploaderTest : public HistoryPartsTest {
 protected:
  void start() override {
    open_parts(256 * kKiB);
    broker_ = Broker::open(*log_, 1 << 20, clock_).value();
    broker_->read_history(*history_, *pool_);
    segments_ = std::make_unique<Segments>(
        SegmentsParts{*broker_, *log_, *catalog_, store_, *history_, *pool_, *pool_, clock_},
        SegmentsOptions{.object_linger = 1ms});
    broker_->upload_objects(segments_->uploader(), catalog_->contents().partitions);
    stop_ = std::make_unique<runtime::CancelSource>();
    gate_ = std::make_unique<runtime::Gate>();
    ASSERT_TRUE(
        gate_->spawn(shards_->shard(0), "uploads", segments_->uploader().run(stop_->token())));
  }

  void end_uploads() {
    stop_->cancel();
    run(gate_->close());
  }

  void stop() override {
    end_uploads();
    segments_.reset();
    broker_.reset();
    close_parts();
  }

  TopicPtr create(const std::string& name, int32_t partitions = 1) {
    return run(broker_->create({name, partitions, {{"durability", "object"}}})).value();
  }

  Result<record::CommitOutcome> append(const TopicPtr& topic, const std::string& value,
                                       int32_t partition = 0) {
    return HistoryPartsTest::append(topic->partition(PartitionId{partition}),
                                    segment::batch_of(Offset{0}, value, 1, now_ms()));
  }

  static record::PartitionRange range(const TopicPtr& topic) {
    return topic->partition({})->range();
  }

  /// Waits until readers see that much.
  static void wait_for_end(const TopicPtr& topic, int64_t end) {
    const auto deadline = std::chrono::steady_clock::now() + 20s;
    while (range(topic).end < Offset{end}) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline);
      std::this_thread::yield();
    }
  }

  std::unique_ptr<Broker> broker_;
  std::unique_ptr<Segments> segments_;
  std::unique_ptr<runtime::CancelSource> stop_;
  std::unique_ptr<runtime::Gate> gate_;
};

TEST_F(ObjectUploaderTest, AnAcknowledgedRecordIsInAnObjectThatTheCatalogNames) {
  const auto topic = create("orders");
  for (int i = 0; i < 5; ++i) {
    const auto outcome = append(topic, "v");
    ASSERT_TRUE(outcome.ok()) << outcome.error().message;
    EXPECT_EQ(outcome->base_offsets.front(), Offset{i});
    catalog::MemoryCatalog now(kept_);
    EXPECT_EQ(now.contents().segments.size(), static_cast<size_t>(i) + 1);
    EXPECT_EQ(history_->range(topic->partition({})->id())->end, Offset{i + 1});
    EXPECT_EQ(range(topic).end, Offset{i + 1});
  }
  EXPECT_EQ(stored(), 5U);
}

TEST_F(ObjectUploaderTest, WhatIsInNoObjectIsNotReadable) {
  const auto topic = create("orders");
  ASSERT_TRUE(append(topic, "first").ok());
  store_.set_away(true);
  auto second = std::async(std::launch::async, [&] { return append(topic, "second"); });
  const TopicPartition id = topic->partition({})->id();
  const auto deadline = std::chrono::steady_clock::now() + 20s;
  while (segments_->uploader().counters().failures < 2) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline);
    std::this_thread::yield();
  }
  EXPECT_EQ(log_->range(id).end, Offset{2});
  EXPECT_EQ(range(topic).end, Offset{1});
  EXPECT_TRUE(topic->partition({})->read_tail(Offset{1}, 1000).empty());
  EXPECT_EQ(topic->partition({})->read_tail(Offset{0}, 1000).size(), 1U);
  EXPECT_TRUE(run(topic->partition({})->read(Offset{1}, 1000))->empty());
  EXPECT_EQ(run(topic->partition({})->read(Offset{0}, 1000))->size(), 1U);
  store_.set_away(false);
  ASSERT_TRUE(second.get().ok());
  EXPECT_EQ(range(topic).end, Offset{2});
  EXPECT_EQ(run(topic->partition({})->read(Offset{1}, 1000))->size(), 1U);
}

TEST_F(ObjectUploaderTest, AReaderIsWokenWhenTheObjectIsThereNotBefore) {
  const auto topic = create("orders");
  const auto waiter = std::make_shared<ReadWaiter>();
  topic->partition({})->add_waiter(waiter);
  store_.set_away(true);
  auto first = std::async(std::launch::async, [&] { return append(topic, "first"); });
  const auto deadline = std::chrono::steady_clock::now() + 20s;
  while (segments_->uploader().counters().failures < 1) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline);
    std::this_thread::yield();
  }
  EXPECT_FALSE(waiter->more.is_set());
  store_.set_away(false);
  ASSERT_TRUE(first.get().ok());
  EXPECT_TRUE(waiter->more.is_set());
}

TEST_F(ObjectUploaderTest, RecordsOfManyPartitionsShareAnObject) {
  const auto topic = create("orders", 20);
  store_.set_away(true);
  std::vector<std::future<Result<record::CommitOutcome>>> answers;
  answers.reserve(20);
  for (int32_t i = 0; i < 20; ++i) {
    answers.push_back(std::async(std::launch::async, [&, i] { return append(topic, "v", i); }));
  }
  const auto deadline = std::chrono::steady_clock::now() + 20s;
  for (int32_t i = 0; i < 20; ++i) {
    while (log_->range({topic->record.id, PartitionId{i}}).end == Offset{0}) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline);
      std::this_thread::yield();
    }
  }
  store_.set_away(false);
  for (auto& answer : answers) {
    EXPECT_TRUE(answer.get().ok());
  }
  EXPECT_LT(stored(), 20U);
  for (const auto& partition : topic->partitions) {
    EXPECT_EQ(partition->range().end, Offset{1});
  }
}

TEST_F(ObjectUploaderTest, PartitionsOfDeletedTopicsAreForgotten) {
  const auto write_to_all = [&](const TopicPtr& topic) {
    const int64_t now = clock_.wall_ms().time_since_epoch().count();
    const auto batch = segment::batch_of(Offset{0}, "v", 1, now);
    std::vector<PartitionAppend> appends;
    for (const auto& partition : topic->partitions) {
      appends.push_back({partition, batch.payload, bytes::crc32c(batch.payload), 1, now});
    }
    ASSERT_TRUE(run(Partition::append(*log_, std::move(appends), {})).ok());
  };
  const auto kept = create("kept", 40);
  write_to_all(kept);
  for (int i = 0; i < 10; ++i) {
    write_to_all(create("orders", 40));
    ASSERT_TRUE(run(broker_->remove("orders")).ok());
  }
  write_to_all(kept);
  end_uploads();
  EXPECT_GE(segments_->uploader().remembered(), 40U);
  EXPECT_LE(segments_->uploader().remembered(), 160U);
  for (const auto& partition : kept->partitions) {
    EXPECT_EQ(partition->range().end, Offset{2});
  }
}

TEST_F(ObjectUploaderTest, UnknownOutcomesAreTriedAgainUnderOtherNames) {
  const auto topic = create("orders");
  store_.plan_puts({PutFate::kBrokenDone, PutFate::kBrokenNotDone, PutFate::kBrokenLate});
  ASSERT_TRUE(append(topic, "v").ok());
  EXPECT_EQ(history_->segments().size(), 1U);
  ASSERT_TRUE(*store_.land_late_put());
  EXPECT_EQ(stored(), 3U);
  restart();
  ASSERT_TRUE(run(segments_->round()).ok());
  EXPECT_EQ(stored(), 1U);
  EXPECT_EQ(range(broker_->find("orders")).end, Offset{1});
}

TEST_F(ObjectUploaderTest, AStartTakesUpWhatTheEndLeft) {
  const auto topic = create("orders");
  ASSERT_TRUE(append(topic, "first").ok());
  store_.set_away(true);
  auto second = std::async(std::launch::async, [&] { return append(topic, "second"); });
  const TopicPartition id = topic->partition({})->id();
  const auto deadline = std::chrono::steady_clock::now() + 20s;
  while (log_->range(id).end < Offset{2}) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline);
    std::this_thread::yield();
  }
  end_uploads();
  EXPECT_EQ(second.get().error().code, Code::kCancelled);
  EXPECT_EQ(append(topic, "third").error().code, Code::kCancelled);
  restart();
  const auto found = broker_->find("orders");
  EXPECT_EQ(range(found).end, Offset{1});
  store_.set_away(false);
  wait_for_end(found, 3);
  EXPECT_EQ(run(found->partition({})->read(Offset{1}, 1000))->size(), 2U);
}

TEST_F(ObjectUploaderTest, TheEndDoesNotGoBackWhenAllObjectsHaveExpired) {
  const auto topic = create("orders");
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(append(topic, "v").ok());
  }
  ASSERT_TRUE(run(broker_->write_catalog(*catalog_, *pool_)));
  catalog::SegmentsCommit commit;
  for (const auto& segment : history_->segments()) {
    commit.removed.push_back(segment.object);
  }
  ASSERT_TRUE(catalog_->commit_segments(commit).ok());
  stop();
  store_.set_away(true);
  start();
  EXPECT_EQ(range(broker_->find("orders")).end, Offset{3});
  store_.set_away(false);
}

TEST_F(ObjectUploaderTest, WhatIsNotUploadedIsNotFreedThoughItIsExpired) {
  const auto topic =
      run(broker_->create({"orders", 1, {{"durability", "object"}, {"retention.bytes", "1"}}}))
          .value();
  store_.set_away(true);
  auto first = std::async(std::launch::async, [&] { return append(topic, "first"); });
  const auto other = run(broker_->create({"other", 1, {}})).value();
  const TopicPartition id = topic->partition({})->id();
  const auto deadline = std::chrono::steady_clock::now() + 20s;
  while (log_->range(id).end < Offset{1}) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline);
    std::this_thread::yield();
  }
  auto second = std::async(std::launch::async, [&] { return append(topic, "second"); });
  while (log_->files().size() < 3) {
    ASSERT_TRUE(append(other, std::string(50'000, 'v')).ok());
  }
  clock_.advance(24h * 30);
  run(broker_->apply_retention());
  ASSERT_TRUE(run(log_->sync()).ok());
  EXPECT_EQ(log_->range(id).start, Offset{0});
  store_.set_away(false);
  EXPECT_TRUE(first.get().ok());
  EXPECT_TRUE(second.get().ok());
  EXPECT_EQ(history_->range(id)->start, Offset{0});
}

TEST_F(ObjectUploaderTest, WhatIsNotAcknowledgedPushesNothingOutByRetentionBytes) {
  const std::map<std::string, std::string> configs{{"durability", "object"},
                                                   {"retention.bytes", "40000"}};
  const auto topic = run(broker_->create({"orders", 1, configs})).value();
  const TopicPartition id = topic->partition({})->id();
  ASSERT_TRUE(append(topic, std::string(30'000, 'v')).ok());
  ASSERT_TRUE(run(segments_->round()).ok());
  store_.set_away(true);
  auto second =
      std::async(std::launch::async, [&] { return append(topic, std::string(50'000, 'v')); });
  const auto deadline = std::chrono::steady_clock::now() + 20s;
  while (log_->range(id).end < Offset{2}) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline);
    std::this_thread::yield();
  }
  EXPECT_TRUE(run(segments_->round()).ok());
  EXPECT_EQ(history_->range(id)->start, Offset{0});
  store_.set_away(false);
  ASSERT_TRUE(second.get().ok());
  EXPECT_TRUE(run(segments_->round()).ok());
  EXPECT_EQ(history_->range(id)->start, Offset{1});
}

TEST_F(ObjectUploaderTest, RoundsLeaveItsTopicsAlone) {
  const auto topic = create("orders");
  ASSERT_TRUE(run(segments_->round()).ok());
  store_.set_away(true);
  auto first = std::async(std::launch::async, [&] { return append(topic, "first"); });
  const auto deadline = std::chrono::steady_clock::now() + 20s;
  while (segments_->uploader().counters().failures < 1) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline);
    std::this_thread::yield();
  }
  ASSERT_TRUE(run(segments_->round()).ok());
  clock_.advance(1h);
  EXPECT_TRUE(run(segments_->round()).ok());
  EXPECT_EQ(segments_->archived().failures, 0U);
  store_.set_away(false);
  ASSERT_TRUE(first.get().ok());
}

}  // namespace
}  // namespace millrace::broker
