#include "broker/segments.h"

#include "bytes/crc32c.h"
#include "catalog/memory_catalog.h"
#include "io/simulated_disk.h"
#include "journal/test_options.h"
#include "objects/faulty_store.h"
#include "objects/memory_store.h"
#include "runtime/on_shard.h"
#include "runtime/shard.h"
#include "segment/segment.h"
#include "segment/segment_writer.h"
#include "segment/test_batches.h"

#include <gtest/gtest.h>

#include <gmock/gmock.h>

namespace millrace::broker {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Optional;

constexpr size_t kKiB = 1024;

class SegmentsTest : public testing::Test {
 protected:
  void SetUp() override {
    shards_ = runtime::ShardSet::start(1, "shard").value();
    pool_ = runtime::BlockingPool::start({.name = "pool", .threads = 2}).value();
    uploads_ = runtime::BlockingPool::start({.name = "upload", .threads = 1}).value();
    start();
  }

  void TearDown() override {
    stop();
    pool_->stop();
    uploads_->stop();
    shards_->stop();
  }

  void start() {
    auto options = journal::test_options(256 * kKiB);
    options.recovery.writer.max_bytes = max_bytes_;
    log_ = journal::JournalLog::open(disk_, std::move(options), clock_, *pool_).value();
    catalog_ = std::make_unique<catalog::MemoryCatalog>(kept_);
    ASSERT_TRUE(catalog_->begin(log_->directory_id()).ok());
    history_ = std::make_unique<History>(store_, 1 << 20, catalog_->contents().segments);
    broker_ = Broker::open(*log_, 1, clock_).value();
    broker_->read_history(*history_, *pool_);
    segments_ = std::make_unique<Segments>(
        SegmentsParts{*broker_, *log_, *catalog_, store_, *history_, *pool_, *uploads_, clock_},
        SegmentsOptions{.cut = {.bytes = 100 * kKiB, .least_segment = 20 * kKiB, .age = 10min}});
  }

  void stop() {
    segments_.reset();
    broker_.reset();
    history_.reset();
    catalog_.reset();
    log_.reset();
  }

  template <typename T>
  T run(runtime::Task<T> task) {
    return runtime::block_on(shards_->shard(0), std::move(task));
  }

  Status round() { return run(segments_->round()); }

  TopicPtr create(const std::string& name, std::map<std::string, std::string> configs = {}) {
    return run(broker_->create({name, 1, std::move(configs)})).value();
  }

  /// Batches of one record each.
  void write(const TopicPtr& topic, int batches, size_t bytes = 10 * kKiB) {
    const int64_t now = clock_.wall_ms().time_since_epoch().count();
    for (int i = 0; i < batches; ++i) {
      const auto batch = segment::batch_of(Offset{0}, std::string(bytes, 'v'), 1, now);
      std::vector<PartitionAppend> appends;
      appends.push_back(
          {topic->partition({}), batch.payload, bytes::crc32c(batch.payload), 1, now});
      ASSERT_TRUE(run(Partition::append(*log_, std::move(appends), {})).ok());
    }
  }

  record::PartitionRange range(const TopicPtr& topic) const {
    return topic->partition({})->range();
  }

  /// Reads everything that there is of it, one batch at a time.
  void expect_whole(const TopicPtr& topic) {
    const auto all = range(topic);
    for (Offset at = all.start; at < all.end;) {
      const auto batches = run(topic->partition({})->read(at, 1));
      ASSERT_TRUE(batches.ok()) << batches.error().message;
      ASSERT_FALSE(batches->empty());
      ASSERT_EQ(batches->front().base_offset, at);
      at = at + batches->front().records;
    }
  }

  size_t objects() { return memory_.list("segments")->size(); }

  /// What the journal has in its oldest files alone goes into segments, and the files are freed.
  void free_journal() {
    ASSERT_TRUE(round().ok());
    run(broker_->apply_retention());
    ASSERT_TRUE(run(log_->sync()).ok());  // the writer has done what it was told before
  }

  uint64_t max_bytes_ = uint64_t{1} << 40;
  io::SimulatedDisk disk_{1};
  ManualClock clock_;
  objects::MemoryStore memory_;
  std::function<void()> on_request_;  // to the store
  objects::FaultyStore store_{memory_, 1, [this](std::chrono::nanoseconds) {
                                if (on_request_) {
                                  on_request_();
                                }
                              }};
  std::shared_ptr<catalog::MemoryStore> kept_ = std::make_shared<catalog::MemoryStore>();
  std::unique_ptr<runtime::ShardSet> shards_;
  std::unique_ptr<runtime::BlockingPool> pool_;
  std::unique_ptr<runtime::BlockingPool> uploads_;
  std::unique_ptr<journal::JournalLog> log_;
  std::unique_ptr<catalog::MemoryCatalog> catalog_;
  std::unique_ptr<History> history_;
  std::unique_ptr<Broker> broker_;
  std::unique_ptr<Segments> segments_;
};

TEST_F(SegmentsTest, TheJournalIsFreedAndEverythingIsReadOutOfObjects) {
  const auto topic = create("orders");
  write(topic, 100);
  ASSERT_GT(log_->files().size(), 3U);
  free_journal();
  EXPECT_GT(log_->range(topic->partition({})->id()).start, Offset{0});
  EXPECT_EQ(range(topic).start, Offset{0});
  expect_whole(topic);
  stop();
  start();
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
  const size_t all = objects();
  ASSERT_GE(all, 4U);
  clock_.advance(31s);
  ASSERT_TRUE(round().ok());
  const Offset start = range(topic).start;
  EXPECT_GT(start, Offset{0});
  EXPECT_LE(start, Offset{30});
  EXPECT_EQ(run(topic->partition({})->read(Offset{0}, 1)).error().code, Code::kNotFound);
  EXPECT_EQ(objects(), all);
  clock_.advance(59s);
  ASSERT_TRUE(round().ok());
  EXPECT_EQ(objects(), all);
  clock_.advance(1s);
  ASSERT_TRUE(round().ok());
  EXPECT_LT(objects(), all);
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
  EXPECT_GT(objects(), 0U);
  segments_->finish();
  EXPECT_EQ(objects(), 0U);
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

TEST_F(SegmentsTest, WhatACrashLeftBeforeTheCatalogIsRemovedByTheNextStart) {
  const auto topic = create("orders");
  write(topic, 30);
  ASSERT_TRUE(round().ok());
  const size_t named = objects();
  write(topic, 30);
  catalog_->fail_next({make_error(Code::kIo, "lost power"), false});
  EXPECT_FALSE(round().ok());
  EXPECT_EQ(objects(), named + 1);
  stop();
  start();
  ASSERT_TRUE(round().ok());
  EXPECT_EQ(objects(), history_->segments().size());
  expect_whole(broker_->find("orders"));
}

TEST_F(SegmentsTest, AnObjectThatTheCatalogNamesAfterAllStays) {
  const auto topic = create("orders");
  write(topic, 30);
  catalog_->fail_next({make_error(Code::kIo, "lost power"), true});
  EXPECT_FALSE(round().ok());
  EXPECT_FALSE(round().ok());  // it is read-only
  stop();
  start();
  ASSERT_TRUE(round().ok());
  EXPECT_EQ(objects(), history_->segments().size());
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
  stop();
  start();
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

class OrphansTest : public SegmentsTest {
 protected:
  /// An object that the catalog does not name.
  std::string plant(TopicPartition partition, int64_t first, int64_t next,
                    std::optional<DirectoryId> directory = std::nullopt) {
    const segment::Header header{directory.value_or(log_->directory_id()),
                                 segment::ObjectId(Uuid::random()), 0};
    const std::string name = segment::segment_name(header.object, partition, Offset{first});
    auto writer = segment::SegmentWriter::begin(memory_.create(name).value(), header).value();
    writer.begin_partition(partition, {partition.topic, "topic", ""});
    for (int64_t at = first; at < next; ++at) {
      EXPECT_TRUE(writer.add(segment::batch_of(Offset{at}, "v")).ok());
    }
    EXPECT_TRUE(writer.end_partition().ok());
    EXPECT_TRUE(writer.publish().ok());
    return name;
  }

  std::optional<std::string> why(const std::string& name) {
    const auto ids = [this](const TopicId& id) {
      return broker_->find(id)          ? TopicState::kThere
             : broker_->was_deleted(id) ? TopicState::kDeleted
                                        : TopicState::kUnknown;
    };
    return why_kept(store_, name,
                    {log_->directory_id(), ids,
                     [this](TopicPartition partition) { return log_->range(partition).end; },
                     [this](TopicPartition) { return start_; },
                     [this](const segment::PartitionRow& row) {
                       return row.max_timestamp_ms <= expired_ms_;
                     }})
        .value();
  }

  Offset start_;                // of every partition
  int64_t expired_ms_ = -1000;  // what is not newer is expired

  void rename(const std::string& from, const std::string& to) {
    auto reader = memory_.read(from).value();
    std::vector<std::byte> bytes(reader->bytes());
    ASSERT_TRUE(reader->read_at(0, bytes).ok());
    auto writer = memory_.create(to).value();
    ASSERT_TRUE(writer->write(bytes).ok());
    ASSERT_TRUE(writer->publish().ok());
    ASSERT_TRUE(memory_.remove(from).ok());
  }
};

TEST_F(OrphansTest, WhatIsSomewhereElseTooMayGo) {
  const auto topic = create("orders");
  write(topic, 5);
  EXPECT_EQ(why(plant(topic->partition({})->id(), 0, 5)), std::nullopt);
  EXPECT_EQ(why(plant(topic->partition({})->id(), 2, 4)), std::nullopt);
  ASSERT_TRUE(run(broker_->remove("orders")).ok());
  EXPECT_EQ(why(plant(topic->partition({})->id(), 0, 500)), std::nullopt);
}

TEST_F(OrphansTest, WhatIsNowhereElseStaysAndIsNamed) {
  const auto topic = create("orders");
  write(topic, 5);
  const TopicPartition id = topic->partition({})->id();
  EXPECT_THAT(why(plant(id, 3, 6)),
              Optional(HasSubstr("it holds offsets 3 to 5 of partition 0 of topic " +
                                 id.topic.to_string() + ", which otherwise ends at 5")));
  EXPECT_THAT(why(plant({segment::topic_of(7), {}}, 0, 1)), Optional(HasSubstr("is not known")));
  EXPECT_THAT(why(plant(id, 0, 1, DirectoryId(Uuid{{9}}))),
              Optional(HasSubstr("another data directory, 09000000")));
  const std::string made = plant(id, 0, 1);
  rename(made, "segments/other.seg");
  EXPECT_THAT(why("segments/other.seg"), Optional(HasSubstr("it was made as " + made)));
}

TEST_F(OrphansTest, WhatIsBeforeTheStartGoesOnlyWhenItIsExpired) {
  const auto topic = create("orders");
  write(topic, 5);
  start_ = Offset{2};
  const std::string name = plant(topic->partition({})->id(), 0, 3);
  EXPECT_THAT(why(name), Optional(HasSubstr("it holds offsets 0 to 1 of partition 0")));
  EXPECT_THAT(why(name), Optional(HasSubstr("begins at 2, and they are not expired")));
  expired_ms_ = std::numeric_limits<int64_t>::max();
  EXPECT_EQ(why(name), std::nullopt);
}

TEST_F(OrphansTest, WhatIsNoSegmentStaysAndIsNamed) {
  auto writer = memory_.create("segments/readme.txt").value();
  ASSERT_TRUE(writer->write(bytes::as_bytes("hello")).ok());
  ASSERT_TRUE(writer->publish().ok());
  EXPECT_THAT(why("segments/readme.txt"), Optional(HasSubstr("segments/readme.txt")));
  EXPECT_TRUE(round().ok());
  EXPECT_EQ(objects(), 1U);
}

TEST_F(OrphansTest, AStoreThatFailsDecidesNothing) {
  const auto topic = create("orders");
  write(topic, 5);
  plant(topic->partition({})->id(), 0, 5);
  store_.set_away(true);
  EXPECT_FALSE(round().ok());
  store_.set_away(false);
  EXPECT_EQ(objects(), 1U);
  EXPECT_TRUE(round().ok());
  EXPECT_EQ(objects(), 0U);
}

}  // namespace
}  // namespace millrace::broker
