// A broker with segments in memory, for tests of both.
#pragma once

#include "broker/segments.h"
#include "bytes/crc32c.h"
#include "catalog/memory_catalog.h"
#include "io/simulated_disk.h"
#include "journal/test_options.h"
#include "objects/faulty_store.h"
#include "objects/memory_store.h"
#include "runtime/on_shard.h"
#include "runtime/shard.h"
#include "segment/test_batches.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>

namespace millrace::broker {

class SegmentsTest : public testing::Test {
 protected:
  static constexpr size_t kKiB = 1024;

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
    broker_ = Broker::open(*log_, cache_bytes_, clock_).value();
    broker_->read_history(*history_, *pool_);
    segments_ = std::make_unique<Segments>(
        SegmentsParts{*broker_, *log_, *catalog_, store_, *history_, *pool_, *uploads_, clock_},
        SegmentsOptions{.cut = {.bytes = 100 * kKiB,
                                .least_segment = 20 * kKiB,
                                .age = std::chrono::minutes(10)}});
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

  /// It is not old enough for a merge with another one.
  void add_small_object(const TopicPtr& topic) {
    write(topic, 3, kKiB);
    ASSERT_TRUE(round().ok());  // finds when it came
    clock_.advance(std::chrono::minutes(10));
    ASSERT_TRUE(round().ok());
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

  /// The catalog as the next start would find it.
  catalog::Contents kept() const { return catalog::MemoryCatalog(kept_).contents(); }

  /// What the journal has in its oldest files alone goes into segments, and the files are freed.
  void free_journal() {
    ASSERT_TRUE(round().ok());
    run(broker_->apply_retention());
    ASSERT_TRUE(run(log_->sync()).ok());  // the writer has done what it was told before
  }

  uint64_t max_bytes_ = uint64_t{1} << 40;
  size_t cache_bytes_ = 1;  // of the newest batches
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

}  // namespace millrace::broker
