// A broker whose journal, catalog and objects share a disk without a free byte.
#include "broker/parts_test.h"
#include "broker/segments.h"
#include "catalog/sqlite_catalog.h"
#include "io/disk_reserve.h"
#include "objects/local_store.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>

namespace millrace::broker {
namespace {

using namespace std::chrono_literals;

class FullDisk : public JournalTest {
 protected:
  void start() override {
    ASSERT_TRUE(disk_.make_directories("/data").ok());
    catalog_ = catalog::open_sqlite(disk_, "/data/catalog.db",
                                    {.reserve = has_reserve_ ? &reserve_ : nullptr})
                   .value();
    open_log(256 * kKiB);
    ASSERT_TRUE(catalog_->begin(log_->directory_id()).ok());
    reserve_.keep();
    store_ = objects::LocalStore::open(disk_, "/data", "/data/tmp").value();
    history_ = std::make_unique<History>(*store_, 1 << 20, catalog_->contents().segments);
    broker_ = Broker::open(*log_, 1, clock_).value();
    broker_->read_history(*history_, *pool_);
    segments_ = std::make_unique<Segments>(
        SegmentsParts{*broker_, *log_, *catalog_, *store_, *history_, *pool_, *pool_, clock_},
        SegmentsOptions{.cut = {.bytes = 100 * kKiB, .least_segment = 20 * kKiB, .age = 10min}});
  }

  void stop() override {
    segments_.reset();
    broker_.reset();
    history_.reset();
    store_.reset();
    static_cast<void>(catalog_->close());
    catalog_.reset();
    log_.reset();
  }

  Status round() {
    Status done = run(segments_->round());
    reserve_.keep();  // as the server does
    return done;
  }

  TopicPtr create(const std::string& name, std::map<std::string, std::string> configs = {}) {
    return run(broker_->create({name, 1, std::move(configs)})).value();
  }

  bool write(const TopicPtr& topic) {
    const std::string value(10 * kKiB, 'v');
    return append(topic->partition({}), segment::batch_of(Offset{0}, value, 1, now_ms())).ok();
  }

  void write(const TopicPtr& topic, int batches) {
    for (int i = 0; i < batches; ++i) {
      ASSERT_TRUE(write(topic));
    }
  }

  /// Not a byte is left.
  void fill_up() {
    const io::Space space = disk_.space("/data").value();
    disk_.set_faults({.capacity_bytes = space.total_bytes - space.free_bytes});
  }

  size_t objects() { return store_->list("segments")->size(); }

  /// Orders are in objects, which are not wanted any more once a minute has passed.
  void make_expiring_objects() {
    write(create("orders", {{"retention.ms", "60000"}}), 60);
    ASSERT_TRUE(round().ok());
    run(broker_->apply_retention());
    ASSERT_GT(objects(), 3U);
  }

  bool has_reserve_ = true;
  io::DiskReserve reserve_{disk_, "/data/reserve"};
  std::unique_ptr<catalog::Catalog> catalog_;
  std::unique_ptr<objects::LocalStore> store_;
  std::unique_ptr<History> history_;
  std::unique_ptr<Broker> broker_;
  std::unique_ptr<Segments> segments_;
};

TEST_F(FullDisk, StaysFullWithoutAReserve) {
  has_reserve_ = false;
  restart();
  make_expiring_objects();
  disk_.set_faults({.capacity_bytes = 1});  // also of what other threads give back
  const size_t all = objects();
  for (int i = 0; i < 3; ++i) {
    clock_.advance(61s);
    EXPECT_EQ(round().error().code, Code::kOverloaded);
  }
  EXPECT_EQ(objects(), all);
}

TEST_F(FullDisk, IsLeftByWhatHasExpiredAndTakesRecordsAgain) {
  make_expiring_objects();
  const auto other = create("other");
  fill_up();
  int written = 0;
  while (write(other)) {
    ++written;
  }
  clock_.advance(61s);
  static_cast<void>(round());  // there is no room for an object of the others
  EXPECT_GT(segments_->expired(), 0U);
  EXPECT_FALSE(write(other)) << "the readers have their grace";
  clock_.advance(1min);
  for (int i = 0; i < 3; ++i) {  // objects of the others, and the journal's files that they free
    static_cast<void>(round());
    run(broker_->apply_retention());
    ASSERT_TRUE(run(log_->sync()).ok());
  }
  EXPECT_TRUE(write(other));
  EXPECT_EQ(other->partition({})->range().end, Offset{written + 1});
}

TEST_F(FullDisk, IsLeftByADeletedTopicAlsoAfterARestart) {
  make_expiring_objects();
  fill_up();
  ASSERT_TRUE(run(broker_->remove("orders")).ok());
  stop();
  disk_.kill();
  fill_up();
  start();
  ASSERT_TRUE(round().ok());
  EXPECT_GT(objects(), 0U) << "another grace";
  stop();
  disk_.kill();
  fill_up();
  start();
  ASSERT_TRUE(round().ok());
  EXPECT_EQ(objects(), 0U);
  write(create("other"), 20);
}

/// Far more pages of the catalog than the reserve has room for.
TEST_F(FullDisk, AnyNumberOfObjectsExpires) {
  constexpr size_t kObjects = 140;
  catalog::SegmentsCommit commit{.place = log_->place()};
  const TopicId deleted(Uuid::random());
  for (size_t i = 0; i < kObjects; ++i) {
    const Uuid id = Uuid::random();
    catalog::SegmentRow& row = commit.added.emplace_back(
        catalog::SegmentRow{id, "segments/mixed/" + id.to_string() + ".seg", 1 << 20, 0, {}});
    for (int32_t partition = 0; partition < 250; ++partition) {
      row.parts.push_back({{deleted, PartitionId{partition}},
                           Offset{static_cast<int64_t>(i)},
                           Offset{static_cast<int64_t>(i) + 1},
                           0,
                           100});
    }
  }
  ASSERT_TRUE(catalog_->commit_segments(commit).ok());
  stop();
  EXPECT_GT(disk_.read_file("/data/catalog.db")->size(), io::DiskReserve::kBytes);
  start();
  ASSERT_EQ(history_->segments().size(), kObjects);
  fill_up();
  clock_.advance(1min);
  const Status done = round();
  EXPECT_TRUE(done.ok()) << done.error().message;
  EXPECT_EQ(segments_->expired(), kObjects);
  clock_.advance(1min);
  ASSERT_TRUE(round().ok());
  stop();
  EXPECT_TRUE(catalog::open_sqlite(disk_, "/data/catalog.db").value()->contents().leaving.empty());
  start();
}

}  // namespace
}  // namespace millrace::broker
