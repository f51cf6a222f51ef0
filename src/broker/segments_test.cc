#include "broker/segments_test.h"

#include "segment/segment.h"

#include <gmock/gmock.h>

namespace millrace::broker {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

TEST_F(SegmentsTest, TheJournalIsFreedAndEverythingIsReadOutOfObjects) {
  const auto topic = create("orders");
  write(topic, 100);
  ASSERT_GT(log_->files().size(), 3U);
  free_journal();
  EXPECT_GT(log_->range(topic->partition({})->id()).start, Offset{0});
  EXPECT_EQ(range(topic).start, Offset{0});
  expect_whole(topic);
  restart();
  const auto found = broker_->find("orders");
  EXPECT_EQ(range(found).start, Offset{0});
  EXPECT_EQ(range(found).end, Offset{100});
  expect_whole(found);
}

TEST_F(SegmentsTest, AnObjectNamesItsTopicAndSettings) {
  const auto topic = create("orders", {{"retention.ms", "123456"}});
  write(topic, 10);
  ASSERT_TRUE(round().ok());
  const auto row = history_->segments().front();
  const auto object = segment::Segment::open(memory_.read(row.name).value(), row.name).value();
  const auto record = TopicRecord::from_frame({.kind = record::SystemKind::kTopic,
                                               .key = topic->record.to_frame().key,
                                               .value = object->tail().topics.front().topic});
  ASSERT_TRUE(record.ok()) << record.error().message;
  EXPECT_EQ(record->name, "orders");
  EXPECT_EQ(record->settings.retention_ms, 123456);
}

TEST_F(SegmentsTest, WhatIsExpiredGoesAfterTheGraceOfItsReaders) {
  const auto topic = create("orders", {{"retention.ms", "60000"}});
  write(topic, 30);
  clock_.advance(30s);
  write(topic, 30);
  free_journal();
  const size_t all = stored();
  ASSERT_GE(all, 4U);
  clock_.advance(31s);
  ASSERT_TRUE(round().ok());
  const Offset start = range(topic).start;
  EXPECT_GT(start, Offset{0});
  EXPECT_LE(start, Offset{30});
  EXPECT_EQ(run(topic->partition({})->read(Offset{0}, 1)).error().code, Code::kNotFound);
  EXPECT_EQ(stored(), all);
  clock_.advance(59s);
  ASSERT_TRUE(round().ok());
  EXPECT_EQ(stored(), all);
  clock_.advance(1s);
  ASSERT_TRUE(round().ok());
  EXPECT_LT(stored(), all);
  EXPECT_GE(segments_->expired(), 1U);
  expect_whole(topic);
}

TEST_F(SegmentsTest, RetentionBytesCountsWhatIsStillInTheJournal) {
  const auto topic = create("orders", {{"retention.bytes", "300000"}});
  write(topic, 30);
  ASSERT_TRUE(round().ok());  // 30 batches of 10 KiB are 307,200 bytes and their headers
  EXPECT_EQ(range(topic).start, Offset{0});
  write(topic, 9);
  ASSERT_TRUE(round().ok());
  EXPECT_EQ(range(topic).start, Offset{0});
  write(topic, 2);
  ASSERT_TRUE(round().ok());
  EXPECT_EQ(history_->range(topic->partition({})->id())->start, Offset{10});
}

TEST_F(SegmentsTest, OfADeletedTopicNothingIsLeft) {
  const auto topic = create("orders");
  const auto other = create("other");
  write(topic, 40);
  ASSERT_TRUE(round().ok());
  ASSERT_TRUE(run(broker_->remove("orders")).ok());
  write(other, 60);
  ASSERT_TRUE(round().ok());
  run(broker_->apply_retention());  // no file names it any more
  write(other, 1);
  run(broker_->apply_retention());
  EXPECT_TRUE(broker_->was_deleted(topic->record.id)) << "its objects are in the store";
  clock_.advance(1min);
  ASSERT_TRUE(round().ok());
  run(broker_->apply_retention());
  EXPECT_FALSE(broker_->was_deleted(topic->record.id));
  for (const auto& object : *memory_.list("segments")) {
    EXPECT_THAT(object.name, HasSubstr(other->record.id.to_string()));
  }
  expect_whole(other);
}

TEST_F(SegmentsTest, AStopRemovesWhatWaitsForItsReaders) {
  const auto topic = create("orders");
  write(topic, 40);
  ASSERT_TRUE(round().ok());
  ASSERT_TRUE(run(broker_->remove("orders")).ok());
  ASSERT_TRUE(round().ok());
  EXPECT_GT(stored(), 0U);
  EXPECT_EQ(kept().leaving.size(), stored());
  segments_->finish();
  EXPECT_EQ(stored(), 0U);
  EXPECT_TRUE(kept().leaving.empty());
}

TEST_F(SegmentsTest, ADeletedTopicIsRememberedUntilACrashIsCleanedUp) {
  const auto topic = create("orders");
  const auto other = create("other");
  write(topic, 40);
  ASSERT_TRUE(round().ok());
  ASSERT_TRUE(run(broker_->remove("orders")).ok());
  write(other, 60);
  free_journal();
  stop();  // within the grace
  start();
  run(broker_->apply_retention());
  EXPECT_TRUE(broker_->was_deleted(topic->record.id));
  ASSERT_TRUE(round().ok());
  for (const auto& object : *memory_.list("segments")) {
    EXPECT_THAT(object.name, HasSubstr(other->record.id.to_string()));
  }
  run(broker_->apply_retention());
  EXPECT_FALSE(broker_->was_deleted(topic->record.id));
}

TEST_F(SegmentsTest, ADeletedTopicIsRememberedWhileAPutOfItHasNoKnownEnd) {
  const auto topic = create("orders");
  const auto other = create("other");
  write(topic, 40);
  store_.plan_puts({objects::PutFate::kBrokenDone});
  EXPECT_FALSE(round().ok());
  EXPECT_EQ(stored(), 1U);
  EXPECT_TRUE(kept().segments.empty());
  ASSERT_TRUE(run(broker_->remove("orders")).ok());
  write(other, 60);
  free_journal();
  run(broker_->apply_retention());
  EXPECT_TRUE(broker_->was_deleted(topic->record.id));
  restart();
  ASSERT_TRUE(round().ok());
  for (const auto& object : *memory_.list("segments")) {
    EXPECT_THAT(object.name, HasSubstr(other->record.id.to_string()));
  }
  run(broker_->apply_retention());
  EXPECT_FALSE(broker_->was_deleted(topic->record.id));
}

TEST_F(SegmentsTest, WhatACrashLeftBeforeTheCatalogIsRemovedByTheNextStart) {
  const auto topic = create("orders");
  write(topic, 30);
  ASSERT_TRUE(round().ok());
  const size_t named = stored();
  write(topic, 30);
  catalog_->fail_next({make_error(Code::kIo, "lost power"), false});
  EXPECT_FALSE(round().ok());
  EXPECT_EQ(stored(), named + 1);
  restart();
  ASSERT_TRUE(round().ok());
  EXPECT_EQ(stored(), history_->segments().size());
  expect_whole(broker_->find("orders"));
}

TEST_F(SegmentsTest, WhatExpiredBeforeACrashGoesAfterItWhateverTheClockSays) {
  const auto topic = create("orders", {{"retention.ms", "60000"}});
  write(topic, 30);
  free_journal();
  write(topic, 10);
  clock_.advance(61s);
  ASSERT_TRUE(round().ok());
  const size_t left = history_->segments().size();
  const size_t expired = segments_->expired();
  ASSERT_GE(expired, 1U);
  ASSERT_EQ(stored(), left + expired) << "within the grace of their readers";
  stop();
  clock_.jump(-1h);
  start();
  store_.set_away(true);
  EXPECT_FALSE(round().ok());
  EXPECT_EQ(catalog_->contents().leaving.size(), expired);
  store_.set_away(false);
  ASSERT_TRUE(round().ok());
  EXPECT_EQ(stored(), history_->segments().size());
  EXPECT_TRUE(kept().leaving.empty());
  expect_whole(broker_->find("orders"));
}

TEST_F(SegmentsTest, AnObjectThatTheCatalogNamesAfterAllStays) {
  const auto topic = create("orders");
  write(topic, 30);
  catalog_->fail_next({make_error(Code::kIo, "lost power"), true});
  EXPECT_FALSE(round().ok());
  EXPECT_FALSE(round().ok());  // it is read-only
  restart();
  ASSERT_TRUE(round().ok());
  EXPECT_EQ(stored(), history_->segments().size());
  expect_whole(broker_->find("orders"));
}

TEST_F(SegmentsTest, NothingIsCutBeforeTheStoreWasLookedThrough) {
  const auto topic = create("orders");
  write(topic, 30);
  store_.set_away(true);
  EXPECT_EQ(round().error().code, Code::kOverloaded);
  EXPECT_EQ(segments_->archived().failures, 0U);
  store_.set_away(false);
  ASSERT_TRUE(round().ok());
  expect_whole(topic);
}

TEST_F(SegmentsTest, WhenTheJournalIsShortOfRoomItsOldestFileIsCut) {
  max_bytes_ = 1024 * kKiB;
  restart();
  const auto topic = create("orders");
  write(topic, 50, 1 * kKiB);
  const auto loud = create("loud", {{"durability", "interval"}});
  int refused = 0;
  for (int i = 0; i < 300; ++i) {
    const int64_t now = clock_.wall_ms().time_since_epoch().count();
    const auto batch = segment::batch_of(Offset{0}, std::string(10 * kKiB, 'v'), 1, now);
    std::vector<PartitionAppend> appends;
    appends.push_back({loud->partition({}), batch.payload, bytes::crc32c(batch.payload), 1, now});
    refused += run(Partition::append(*log_, std::move(appends), {})).ok() ? 0 : 1;
    ASSERT_TRUE(round().ok());
    run(broker_->apply_retention());
  }
  EXPECT_EQ(refused, 0);
  EXPECT_EQ(range(topic).start, Offset{0});
  expect_whole(topic);
  expect_whole(loud);
  EXPECT_GT(log_->range(topic->partition({})->id()).start, Offset{0});
}

TEST_F(SegmentsTest, WhatFollowsAnObjectInTheMakingIsNotFreed) {
  const auto topic = create("orders", {{"retention.ms", "1000"}});
  ASSERT_TRUE(round().ok());  // looks the store through
  write(topic, 100);
  runtime::CancelSource stop;
  store_.set_faults({.least_latency = 1ns, .most_latency = 1ns});
  on_request_ = [&] {
    clock_.advance(2s);
    run(broker_->apply_retention());
    stop.cancel();
  };
  ASSERT_TRUE(run(segments_->round(stop.token())).ok());
  on_request_ = {};
  const auto range = history_->range(topic->partition({})->id());
  ASSERT_TRUE(range);
  EXPECT_EQ(range->start, Offset{0});
  EXPECT_LE(log_->range(topic->partition({})->id()).start, range->end);
  ASSERT_TRUE(round().ok());  // all of it is expired
  run(broker_->apply_retention());
  ASSERT_TRUE(run(log_->sync()).ok());
  EXPECT_LT(log_->files().size(), 4U);
}

TEST_F(SegmentsTest, SmallObjectsAreMergedAndGoAfterTheGraceOfTheirReaders) {
  const auto topic = create("orders");
  const auto other = create("other");
  for (int i = 0; i < 8; ++i) {
    write(topic, 1, kKiB);
    write(other, 1, 100);
    clock_.advance(10min);
    ASSERT_TRUE(round().ok());
    clock_.advance(10min);
    ASSERT_TRUE(round().ok());
  }
  EXPECT_EQ(history_->size().objects, 4U);  // of 4, 2, 1 and 1; the last is new
  clock_.advance(5min);
  ASSERT_TRUE(round().ok());
  EXPECT_EQ(history_->size().objects, 1U);
  EXPECT_GT(stored(), 1U);
  expect_whole(topic);
  clock_.advance(1min);
  ASSERT_TRUE(round().ok());
  EXPECT_EQ(stored(), history_->size().objects);
  restart();
  expect_whole(broker_->find("orders"));
  expect_whole(broker_->find("other"));
}

TEST_F(SegmentsTest, AReaderOfAnObjectThatIsMergedReadsOnWithinTheGrace) {
  const auto topic = create("orders");
  add_small_object(topic);
  add_small_object(topic);
  ASSERT_EQ(history_->size().objects, 2U);
  segment::SegmentCache cache(store_, 1 << 20);
  const auto row = history_->segments().front();
  const TopicPartition id = topic->partition({})->id();
  const auto part = cache.open(segment::ObjectId(row.object), row.name, id).value();
  clock_.advance(5min);
  ASSERT_TRUE(round().ok());
  ASSERT_EQ(segments_->merged().merges, 1U);
  EXPECT_TRUE(part.read(part.row->first, 1).ok());
  segment::SegmentCache late(store_, 1 << 20);
  EXPECT_TRUE(late.open(segment::ObjectId(row.object), row.name, id).ok());
  clock_.advance(1min);
  ASSERT_TRUE(round().ok());
  EXPECT_EQ(memory_.look(row.name).error().code, Code::kNotFound);
  expect_whole(topic);
}

TEST_F(SegmentsTest, WhateverAMergeLeftIsRemovedByTheNextStart) {
  create("orders");
  for (const bool takes_effect : {false, true}) {
    add_small_object(broker_->find("orders"));
    add_small_object(broker_->find("orders"));
    clock_.advance(5min);
    const uint64_t merged = segments_->merged().merges;
    catalog_->fail_next({make_error(Code::kIo, "lost power"), takes_effect});
    EXPECT_FALSE(round().ok());
    EXPECT_EQ(segments_->merged().merges, merged);
    EXPECT_GT(stored(), history_->size().objects);
    expect_whole(broker_->find("orders"));
    restart();
    ASSERT_TRUE(round().ok());
    clock_.advance(1min);
    ASSERT_TRUE(round().ok());
    EXPECT_EQ(stored(), history_->size().objects);
    expect_whole(broker_->find("orders"));
  }
}

/// Two topics share the first object, and `topic` alone goes on.
class SharedObjectTest : public SegmentsTest {
 protected:
  void share(const TopicPtr& topic, const TopicPtr& other) {
    write(other, 1, kKiB);
    add_small_object(topic);
    ASSERT_EQ(history_->size().objects, 1U);
    write(topic, 30);
    ASSERT_TRUE(round().ok());
    ASSERT_GT(history_->size().objects, 1U);
  }
};

TEST_F(SharedObjectTest, ADeletedTopicGoesWholeAndLeavesItToTheOther) {
  const auto topic = create("orders");
  const auto other = create("other");
  share(topic, other);
  ASSERT_TRUE(run(broker_->remove("orders")).ok());
  ASSERT_TRUE(round().ok());
  EXPECT_EQ(history_->size().objects, 1U);
  EXPECT_EQ(history_->range(topic->partition({})->id()), std::nullopt);
  expect_whole(other);
  restart();
  ASSERT_TRUE(round().ok());
  EXPECT_EQ(history_->size().objects, 1U);
  EXPECT_EQ(stored(), 1U);
  expect_whole(broker_->find("other"));
  ASSERT_TRUE(run(broker_->remove("other")).ok());
  ASSERT_TRUE(round().ok());
  EXPECT_EQ(history_->size().objects, 0U);
}

TEST_F(SharedObjectTest, ADeletedTopicIsRememberedAfterAStartTooWhileAnObjectHasSomethingOfIt) {
  const auto topic = create("orders");
  const auto other = create("other");
  share(topic, other);
  ASSERT_TRUE(run(broker_->remove("orders")).ok());
  for (int i = 0; i < 3; ++i) {
    write(other, 40);
    free_journal();
  }
  for (int life = 0; life < 3; ++life) {
    run(broker_->apply_retention());
    EXPECT_TRUE(broker_->was_deleted(topic->record.id)) << life;
    restart();
    ASSERT_TRUE(round().ok());
  }
  ASSERT_TRUE(run(broker_->remove("other")).ok());
  ASSERT_TRUE(round().ok());
  clock_.advance(1min);
  ASSERT_TRUE(round().ok());
  EXPECT_EQ(stored(), 0U);
  run(broker_->apply_retention());
  EXPECT_FALSE(broker_->was_deleted(topic->record.id));
}

TEST_F(SharedObjectTest, ATopicWhoseRecordsExpiredInAnEarlierLifeIsRememberedOnceItIsDeleted) {
  const auto topic = create("orders", {{"retention.ms", "3600000"}});
  const auto other = create("other");
  share(topic, other);
  write(other, 40);
  free_journal();
  clock_.advance(2h);
  ASSERT_TRUE(round().ok());
  ASSERT_EQ(history_->range(topic->partition({})->id()), std::nullopt);
  restart();
  ASSERT_TRUE(round().ok());
  ASSERT_TRUE(run(broker_->remove("orders")).ok());
  const auto kept = broker_->find("other");
  for (int i = 0; i < 3; ++i) {
    write(kept, 40);
    free_journal();
    run(broker_->apply_retention());
  }
  EXPECT_TRUE(broker_->was_deleted(topic->record.id)) << "the shared object has its records";
  ASSERT_TRUE(run(broker_->remove("other")).ok());
  ASSERT_TRUE(round().ok());
  clock_.advance(1min);
  ASSERT_TRUE(round().ok());
  run(broker_->apply_retention());
  EXPECT_FALSE(broker_->was_deleted(topic->record.id));
}

TEST_F(SharedObjectTest, WhatIsExpiredIsReadNoLongerAndTheOtherIs) {
  const auto topic = create("orders", {{"retention.bytes", "100000"}});
  const auto other = create("other");
  share(topic, other);
  for (int i = 0; i < 5; ++i) {
    write(topic, 30);
    free_journal();
  }
  const TopicPartition id = topic->partition({})->id();
  const auto start = history_->range(id)->start;
  EXPECT_GT(start, Offset{100});
  EXPECT_EQ(run(topic->partition({})->read(Offset{0}, 1)).error().code, Code::kNotFound);
  expect_whole(topic);
  expect_whole(other);
  restart();
  EXPECT_EQ(history_->range(id)->start, start);
  expect_whole(broker_->find("orders"));
  expect_whole(broker_->find("other"));
}

TEST_F(SharedObjectTest, ManyPartsLeaveInSeveralCommits) {
  std::vector<TopicPtr> topics;
  for (int i = 0; i < 200; ++i) {
    topics.push_back(create(fmt::format("topic-{}", i), {{"retention.ms", "3600000"}}));
    write(topics.back(), 1, 100);
  }
  add_small_object(create("kept"));
  ASSERT_EQ(history_->size().objects, 1U);
  ASSERT_EQ(history_->segments().front().parts.size(), 201U);
  clock_.advance(1h);
  ASSERT_TRUE(round().ok());
  ASSERT_EQ(history_->size().objects, 1U);
  EXPECT_EQ(history_->segments().front().parts.size(), 1U);
  EXPECT_EQ(kept().segments, history_->segments());
  ASSERT_TRUE(run(broker_->remove("kept")).ok());
  ASSERT_TRUE(round().ok());
  EXPECT_EQ(history_->size().objects, 0U);
  EXPECT_EQ(segments_->expired(), 1U);
}

}  // namespace
}  // namespace millrace::broker
