// Log, catalog, store and tables on one simulated disk, for tests.
#pragma once

#include "catalog/sqlite_catalog.h"
#include "io/simulated_disk.h"
#include "journal/test_options.h"
#include "runtime/coroutine.h"
#include "runtime/on_shard.h"
#include "tables/entry.h"
#include "tables/tables.h"
#include "tables/test_rows.h"
#include "tables/trust.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace millrace::tables {

inline constexpr const char* kRoot = "/data/tables";

/// Log, catalog, store and tables on one simulated disk, and lives of them.
class TablesTest : public testing::Test {
 protected:
  void SetUp() override {
    options_.flush.age = std::chrono::hours(24);
    options_.quarantine = "/data/quarantine";
    shards_ = runtime::ShardSet::start(1, "shard").value();
    readers_ = runtime::BlockingPool::start({.name = "read", .threads = 1}).value();
    start();
  }

  void TearDown() override {
    stop();
    readers_->stop();
    shards_->stop();
  }

  Status try_start() {
    MILLRACE_TRY_STATUS(disk_.make_directories("/data"));
    auto journal = journal::test_options(64 << 10);
    MILLRACE_TRY(catalog_, catalog::open_sqlite(disk_, "/data/catalog.db"));
    journal.recovery.approve = [this](const journal::Findings& found) {
      return check_trust(catalog_->contents(), found);
    };
    MILLRACE_TRY(log_, journal::JournalLog::open(disk_, std::move(journal), clock_, *readers_));
    MILLRACE_TRY_STATUS(catalog_->begin(log_->directory_id()));
    MILLRACE_TRY(store_, objects::LocalStore::open(disk_, kRoot, "/data/tmp"));
    MILLRACE_TRY(tables_, Tables::open({.log = *log_,
                                        .catalog = *catalog_,
                                        .store = *store_,
                                        .reserve = reserve_,
                                        .shard = shards_->shard(0),
                                        .clock = clock_},
                                       options_));
    tables_->start_replay();
    return {};
  }

  void start() {
    const Status started = try_start();
    ASSERT_TRUE(started.ok()) << started.error().message;
  }

  void stop() {
    tables_.reset();
    store_.reset();
    log_.reset();
    catalog_.reset();
  }

  /// The process dies: nothing is closed in good order.
  void kill() {
    if (tables_) {
      tables_->stop();
    }
    stop();
    disk_.kill();
  }

  static TopicId topic_of(const std::string& measurement) {
    TopicId topic;
    std::copy_n(measurement.begin(), std::min<size_t>(measurement.size(), 16), topic.bytes.begin());
    return topic;
  }

  /// Writes "MEASUREMENT v=N" lines as one entry and applies it, as ingest does.
  void write(const std::string& measurement, int from, int count) {
    const TablePtr table = tables_->add({"main", measurement}, topic_of(measurement));
    std::string lines;
    std::vector<int64_t> at;
    std::vector<double> values;
    for (int i = from; i < from + count; ++i) {
      lines += fmt::format("{} v={} {}\n", measurement, i, 1000 * i);
      at.push_back(i);
      values.push_back(i);
    }
    auto batch = batch_of({times(at), doubles("v", values)}, at.size());
    record::CommitRequest request;
    if (const SchemaPtr schema =
            admitted(table->schema()->version == 0 ? nullptr : table->schema(), batch);
        schema != table->schema() && table->schema()->version == 0) {
      request.system.push_back(to_frame({table->partition().topic, table->name(), schema}));
      table->adopt(schema);
    }
    const auto entry = encode_entry({.kind = PayloadKind::kLineProtocol,
                                     .schema_version = table->schema()->version,
                                     .payload = bytes::as_bytes(lines)});
    request.batches.push_back({table->partition(), entry->batch, entry->crc, 1,
                               clock_.wall_ms().time_since_epoch().count()});
    const auto done = runtime::block_on(shards_->shard(0), log_->commit(std::move(request)));
    ASSERT_TRUE(done.ok()) << done.error().message;
    table->apply(done->base_offsets[0], std::move(batch), {});
    tables_->applied(table);
  }

  Status flush(const std::string& measurement) {
    return runtime::block_on(shards_->shard(0),
                             tables_->flush(tables_->find({"main", measurement})));
  }

  Result<Snapshot> snapshot(const std::string& measurement) {
    return tables_->snapshot({"main", measurement},
                             runtime::Deadline::after(std::chrono::hours(1), clock_));
  }

  /// Rows by place: {in files, in memory}.
  std::pair<uint64_t, uint64_t> rows(const std::string& measurement) {
    const auto seen = snapshot(measurement);
    EXPECT_TRUE(seen.ok()) << seen.error().message;
    uint64_t hot = 0;
    uint64_t cold = 0;
    if (seen.ok()) {
      for (const HotRows& each : seen->hot) {
        hot += each.rows;
      }
      for (const TableFile& file : tables_->find({"main", measurement})->files()) {
        cold += file.rows;
      }
    }
    return {cold, hot};
  }

  io::SimulatedDisk disk_{1};
  io::DiskReserve reserve_{disk_, "/data/reserve"};
  ManualClock clock_;
  TablesOptions options_;
  std::unique_ptr<runtime::ShardSet> shards_;
  std::unique_ptr<runtime::BlockingPool> readers_;
  std::unique_ptr<catalog::Catalog> catalog_;
  std::unique_ptr<journal::JournalLog> log_;
  std::unique_ptr<objects::LocalStore> store_;
  std::unique_ptr<Tables> tables_;
};

}  // namespace millrace::tables
