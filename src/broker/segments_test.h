// A broker with segments in memory, for tests of both.
#pragma once

#include "broker/parts_test.h"
#include "broker/segments.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>

namespace millrace::broker {

class SegmentsTest : public HistoryPartsTest {
 protected:
  void SetUp() override {
    uploads_ = runtime::BlockingPool::start({.name = "upload", .threads = 1}).value();
    HistoryPartsTest::SetUp();
  }

  void TearDown() override {
    HistoryPartsTest::TearDown();
    uploads_->stop();
  }

  void start() override {
    open_parts(256 * kKiB);
    broker_ = Broker::open(*log_, cache_bytes_, clock_).value();
    broker_->read_history(*history_, *pool_);
    segments_ = std::make_unique<Segments>(
        SegmentsParts{*broker_, *log_, *catalog_, store_, *history_, *pool_, *uploads_, clock_},
        SegmentsOptions{.cut = {.bytes = 100 * kKiB,
                                .least_segment = 20 * kKiB,
                                .age = std::chrono::minutes(10)}});
  }

  void stop() override {
    segments_.reset();
    broker_.reset();
    close_parts();
  }

  Status round() { return run(segments_->round()); }

  TopicPtr create(const std::string& name, std::map<std::string, std::string> configs = {}) {
    return run(broker_->create({name, 1, std::move(configs)})).value();
  }

  /// Batches of one record each.
  void write(const TopicPtr& topic, int batches, size_t bytes = 10 * kKiB) {
    const auto batch = segment::batch_of(Offset{0}, std::string(bytes, 'v'), 1, now_ms());
    for (int i = 0; i < batches; ++i) {
      ASSERT_TRUE(append(topic->partition({}), batch).ok());
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

  /// The catalog as the next start would find it.
  catalog::Contents kept() const { return catalog::MemoryCatalog(kept_).contents(); }

  /// What the journal has in its oldest files alone goes into segments, and the files are freed.
  void free_journal() {
    ASSERT_TRUE(round().ok());
    run(broker_->apply_retention());
    ASSERT_TRUE(run(log_->sync()).ok());  // the writer has done what it was told before
  }

  size_t cache_bytes_ = 1;  // of the newest batches
  std::unique_ptr<runtime::BlockingPool> uploads_;
  std::unique_ptr<Broker> broker_;
  std::unique_ptr<Segments> segments_;
};

}  // namespace millrace::broker
