// What the broker's tests stand on: a shard, a pool and a journal, and a history of objects.
#pragma once

#include "broker/history.h"
#include "broker/partition.h"
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

#include <functional>
#include <memory>
#include <utility>
#include <vector>

namespace millrace::broker {

/// What lies on the disk stays when start() comes after stop(), as after a process that ended.
class JournalTest : public testing::Test {
 protected:
  static constexpr size_t kKiB = 1024;

  void SetUp() override {
    shards_ = runtime::ShardSet::start(1, "shard").value();
    pool_ = runtime::BlockingPool::start({.name = "pool", .threads = 4}).value();
    start();
  }

  void TearDown() override {
    stop();
    pool_->stop();
    shards_->stop();
  }

  virtual void start() = 0;
  virtual void stop() = 0;

  void restart() {
    stop();
    start();
  }

  void open_log(size_t file_bytes) {
    auto options = journal::test_options(file_bytes);
    options.recovery.writer.max_bytes = max_bytes_;
    log_ = journal::JournalLog::open(disk_, std::move(options), clock_, *pool_).value();
  }

  template <typename T>
  T run(runtime::Task<T> task) {
    return runtime::block_on(shards_->shard(0), std::move(task));
  }

  Result<record::CommitOutcome> append(std::shared_ptr<Partition> partition,
                                       const record::StoredBatch& batch) {
    std::vector<PartitionAppend> appends;
    appends.push_back({std::move(partition), batch.payload, bytes::crc32c(batch.payload),
                       batch.records, batch.max_timestamp_ms});
    return run(Partition::append(*log_, std::move(appends), {}));
  }

  int64_t now_ms() const { return clock_.wall_ms().time_since_epoch().count(); }

  uint64_t max_bytes_ = uint64_t{1} << 40;  // of the journal
  io::SimulatedDisk disk_{1};
  ManualClock clock_;
  std::unique_ptr<runtime::ShardSet> shards_;
  std::unique_ptr<runtime::BlockingPool> pool_;
  std::unique_ptr<journal::JournalLog> log_;
};

/// Catalog and store stay as well.
class HistoryPartsTest : public JournalTest {
 protected:
  void open_parts(size_t file_bytes) {
    open_log(file_bytes);
    catalog_ = std::make_unique<catalog::MemoryCatalog>(kept_);
    ASSERT_TRUE(catalog_->begin(log_->directory_id()).ok());
    history_ = std::make_unique<History>(store_, 1 << 20, catalog_->contents().segments);
  }

  void close_parts() {
    history_.reset();
    catalog_.reset();
    log_.reset();
  }

  /// Objects in the store.
  size_t stored() { return memory_.list("segments")->size(); }

  objects::MemoryStore memory_;
  std::function<void()> on_request_;  // to the store
  objects::FaultyStore store_{memory_, 1, [this](std::chrono::nanoseconds) {
                                if (on_request_) {
                                  on_request_();
                                }
                              }};
  std::shared_ptr<catalog::MemoryStore> kept_ = std::make_shared<catalog::MemoryStore>();
  std::unique_ptr<catalog::MemoryCatalog> catalog_;
  std::unique_ptr<History> history_;
};

}  // namespace millrace::broker
