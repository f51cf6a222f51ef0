#include "ingest/ingestor.h"

#include "catalog/memory_catalog.h"
#include "io/simulated_disk.h"
#include "journal/test_options.h"
#include "runtime/coroutine.h"
#include "runtime/gate.h"
#include "runtime/on_shard.h"

#include <gtest/gtest.h>

#include <gmock/gmock.h>

namespace millrace::ingest {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class IngestorTest : public testing::Test {
 protected:
  void SetUp() override {
    shards_ = runtime::ShardSet::start(2, "shard").value();
    pool_ = runtime::BlockingPool::start({.name = "pool", .threads = 2}).value();
    start();
  }

  void TearDown() override {
    stop();
    pool_->stop();
    shards_->stop();
  }

  void start() {
    log_ = journal::JournalLog::open(disk_, journal::test_options(1 << 20), clock_, *pool_).value();
    broker_ = broker::Broker::open(*log_, 1 << 20, clock_).value();
    catalog_ = std::make_unique<catalog::MemoryCatalog>(catalog_store_);
    ASSERT_TRUE(catalog_->begin(log_->directory_id()).ok());
    store_ = objects::LocalStore::open(disk_, "/data/tables", "/data/tmp").value();
    tables_ = tables::Tables::open({.log = *log_,
                                    .catalog = *catalog_,
                                    .store = *store_,
                                    .reserve = reserve_,
                                    .shard = shards_->shard(0),
                                    .clock = clock_},
                                   {.hot_bytes = hot_bytes_, .quarantine = "/data/quarantine"})
                  .value();
    ingestor_ = std::make_unique<Ingestor>(*broker_, *tables_, *pool_, clock_);
    broker_->observe(ingestor_.get());
    tables_->start_replay();
  }

  void stop() {
    tables_.reset();
    ingestor_.reset();
    broker_.reset();
    store_.reset();
    log_.reset();
    catalog_.reset();
  }

  template <typename T>
  T run(runtime::Task<T> task) {
    return runtime::block_on(shards_->shard(0), std::move(task));
  }

  Result<WriteOutcome> lines(std::string_view body, std::optional<std::string> batch_id = {}) {
    return run(ingestor_->write_lines(body, {.database = "main", .batch_id = std::move(batch_id)}));
  }

  /// Values of a column of doubles, as SQL would see them now.
  std::vector<double> values(const std::string& measurement, const std::string& column) {
    const auto snapshot = tables_->snapshot({"main", measurement}, runtime::Deadline::never());
    std::vector<double> found;
    if (!snapshot.ok()) {
      return found;
    }
    const auto place = snapshot->schema->schema.find(column);
    for (const tables::HotRows& hot : snapshot->hot) {
      const auto view = hot.chunk->column(place.value());
      for (size_t row = 0; row < hot.rows; ++row) {
        if (!view.is_null(row)) {
          found.push_back(reinterpret_cast<const double*>(view.values)[row]);
        }
      }
    }
    return found;
  }

  io::SimulatedDisk disk_{1};
  io::DiskReserve reserve_{disk_, "/data/reserve"};
  ManualClock clock_;
  size_t hot_bytes_ = size_t{64} << 20;
  std::shared_ptr<catalog::MemoryStore> catalog_store_ = std::make_shared<catalog::MemoryStore>();
  std::unique_ptr<runtime::ShardSet> shards_;
  std::unique_ptr<runtime::BlockingPool> pool_;
  std::unique_ptr<journal::JournalLog> log_;
  std::unique_ptr<catalog::MemoryCatalog> catalog_;
  std::unique_ptr<objects::LocalStore> store_;
  std::unique_ptr<broker::Broker> broker_;
  std::unique_ptr<tables::Tables> tables_;
  std::unique_ptr<Ingestor> ingestor_;
};

TEST_F(IngestorTest, AnAcknowledgedRowIsThere) {
  const auto outcome = lines("cpu v=1.5\ncpu v=2.5\n");
  ASSERT_TRUE(outcome.ok()) << outcome.error().message;
  EXPECT_EQ(outcome->rows, 2U);
  EXPECT_THAT(values("cpu", "v"), ElementsAre(1.5, 2.5));
}

TEST_F(IngestorTest, AReplayGivesTheSameRowsAgain) {
  ASSERT_TRUE(lines("cpu v=1.5\ncpu v=2 7\nmem v=9\n").ok());
  clock_.advance(std::chrono::hours(1));  // rows without a time keep that of their arrival
  const auto before = tables_->find({"main", "cpu"})->snapshot().hot[0].chunk->max_time();
  stop();
  disk_.kill();
  start();
  EXPECT_THAT(values("cpu", "v"), ElementsAre(1.5, 2.0));
  EXPECT_THAT(values("mem", "v"), ElementsAre(9.0));
  EXPECT_EQ(tables_->find({"main", "cpu"})->snapshot().hot[0].chunk->max_time(), before);
}

TEST_F(IngestorTest, BadLinesAreReportedAndGoodOnesKept) {
  ASSERT_TRUE(lines("cpu v=1\n").ok());
  const auto outcome = lines("cpu v=\"text\"\ncpu v=2\nnonsense\n");
  ASSERT_TRUE(outcome.ok());
  EXPECT_EQ(outcome->rows, 1U);
  ASSERT_EQ(outcome->error_count, 2U);
  EXPECT_EQ(outcome->errors[0].line, 1U);
  EXPECT_EQ(outcome->errors[1].line, 3U);
  EXPECT_THAT(values("cpu", "v"), ElementsAre(1.0, 2.0));
}

TEST_F(IngestorTest, ABatchIdIsStoredOnceAlsoOverSeveralTables) {
  EXPECT_FALSE(lines("cpu v=1\nmem v=2\n", "id")->is_duplicate);
  EXPECT_TRUE(lines("cpu v=1\nmem v=2\n", "id")->is_duplicate);
  stop();
  disk_.kill();
  start();
  EXPECT_TRUE(lines("cpu v=1\nmem v=2\n", "id")->is_duplicate);
  EXPECT_THAT(values("cpu", "v"), ElementsAre(1.0));
  EXPECT_THAT(values("mem", "v"), ElementsAre(2.0));
  EXPECT_EQ(lines("cpu v=1\n", std::string(kMostBatchIdBytes + 1, 'x')).error().code,
            Code::kInvalid);
}

TEST_F(IngestorTest, ABatchIdIsForgottenWithItsTable) {
  ASSERT_TRUE(lines("cpu v=1\n", "id").ok());
  ASSERT_TRUE(run(broker_->remove("main.cpu")).ok());
  EXPECT_FALSE(lines("cpu v=1\n", "id")->is_duplicate);
  EXPECT_THAT(values("cpu", "v"), ElementsAre(1.0));
  ASSERT_TRUE(run(broker_->remove("main.cpu")).ok());
  stop();
  disk_.kill();
  start();
  EXPECT_FALSE(lines("cpu v=1\n", "id")->is_duplicate);
  EXPECT_TRUE(lines("cpu v=1\n", "id")->is_duplicate);
  EXPECT_THAT(values("cpu", "v"), ElementsAre(1.0));
}

TEST_F(IngestorTest, ABatchIdOfAnotherTableIsRefusedAndNamesIt) {
  ASSERT_TRUE(lines("cpu v=1\n", "id").ok());
  const auto refused = lines("mem v=1\n", "id");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Code::kConflict);
  EXPECT_THAT(refused.error().message, HasSubstr("\"id\" was used for a write to main.cpu"));
  EXPECT_TRUE(values("mem", "v").empty());
  EXPECT_EQ(ingestor_->counters().refused, 1U);
  EXPECT_EQ(ingestor_->counters().duplicates, 0U);
}

TEST_F(IngestorTest, AKafkaTopicIsNoTable) {
  ASSERT_TRUE(run(broker_->create({.name = "main.cpu"})).ok());
  const auto outcome = lines("cpu v=1\n");
  EXPECT_EQ(outcome.error().code, Code::kConflict);
  EXPECT_THAT(outcome.error().message, HasSubstr("main.cpu is a Kafka topic"));
}

TEST_F(IngestorTest, ADeletedTopicTakesItsTableAlong) {
  ASSERT_TRUE(lines("cpu v=1\n").ok());
  ASSERT_TRUE(run(broker_->remove("main.cpu")).ok());
  EXPECT_TRUE(values("cpu", "v").empty());
  ASSERT_TRUE(lines("cpu other=7\n").ok());
  EXPECT_THAT(values("cpu", "other"), ElementsAre(7.0));
  EXPECT_FALSE(tables_->find({"main", "cpu"})->schema()->schema.find("v").has_value());
  stop();
  disk_.kill();
  start();
  EXPECT_THAT(values("cpu", "other"), ElementsAre(7.0));
}

TEST_F(IngestorTest, AJournalShortOfRoomHasTheTablesFlushedThatItAsks) {
  ASSERT_TRUE(lines("cpu v=1\nmem v=2\n").ok());
  const auto cpu = tables_->find({"main", "cpu"});
  const auto mem = tables_->find({"main", "mem"});
  const TopicId topic = cpu->partition().topic;
  EXPECT_TRUE(ingestor_->needs(topic, Offset{1}));
  ingestor_->let_go({topic, TopicId(Uuid::random())});
  ASSERT_TRUE(run(tables_->flush(cpu)).ok());  // behind it, or the same
  EXPECT_FALSE(ingestor_->needs(topic, Offset{1}));
  EXPECT_TRUE(ingestor_->needs(mem->partition().topic, Offset{1}));
  const auto& flushes = tables_->flush_counters().flushes;
  EXPECT_EQ(flushes[static_cast<size_t>(tables::FlushReason::kJournal)], 1U);
  EXPECT_EQ(flushes[static_cast<size_t>(tables::FlushReason::kRequest)], 0U);
}

TEST_F(IngestorTest, AFullDiskWritesNothingAndHeals) {
  ASSERT_TRUE(lines("cpu v=1\n").ok());
  disk_.set_faults({.capacity_bytes = 1});
  Code last = Code::kInternal;
  for (int i = 0; i < 3000 && last != Code::kOverloaded; ++i) {
    const auto outcome = lines(fmt::format("cpu pad=\"{}\"\n", std::string(1000, 'x')));
    last = outcome.ok() ? Code::kInternal : outcome.error().code;
  }
  EXPECT_EQ(last, Code::kOverloaded);
  disk_.set_faults({});
  ASSERT_TRUE(lines("cpu v=2\n").ok());
  EXPECT_THAT(values("cpu", "v"), ElementsAre(1.0, 2.0));
}

runtime::Task<void> write(Ingestor& ingestor, std::string body, Code& code) {
  const auto outcome = co_await ingestor.write_lines(body, {.database = "main"});
  const bool is_taken = outcome.ok() && outcome->error_count == 0;
  code = is_taken ? Code::kInternal : Code::kInvalid;
}

runtime::Task<void> close(runtime::Gate& gate) {
  co_await gate.close();
}

TEST_F(IngestorTest, OfTwoTypesForOneNewColumnOneWins) {
  for (int i = 0; i < 50; ++i) {
    runtime::Gate gate;
    Code number = Code::kTimeout;
    Code text = Code::kTimeout;
    ASSERT_TRUE(gate.spawn(shards_->shard(0), "number",
                           write(*ingestor_, fmt::format("cpu c{}=1\n", i), number)));
    ASSERT_TRUE(gate.spawn(shards_->shard(1), "text",
                           write(*ingestor_, fmt::format("cpu c{}=\"x\"\n", i), text)));
    run(close(gate));
    EXPECT_NE(number == Code::kInternal, text == Code::kInternal) << i;
    const auto schema = tables_->find({"main", "cpu"})->schema();
    const auto place = schema->schema.find(fmt::format("c{}", i));
    ASSERT_TRUE(place.has_value());
    EXPECT_EQ(schema->schema.columns()[*place].type == columnar::ColumnType::kF64,
              number == Code::kInternal);
  }
}

/// One row of so many columns and the time, in MessagePack.
std::string wide_body(const std::string& measurement, int columns) {
  const auto text = [](std::string_view value) {
    return fmt::format("\xd9{}{}", static_cast<char>(value.size()), value);
  };
  std::string body = "\x82" + text("m") + text(measurement) + text("columns") + "\xde";
  body += static_cast<char>(columns >> 8);
  body += static_cast<char>(columns & 0xff);
  for (int i = 0; i < columns; ++i) {
    body += text(fmt::format("c{}", i)) + "\x91\x01";
  }
  return body;
}

runtime::Task<void> write_wide(Ingestor& ingestor, std::string body, Code& code) {
  const auto outcome = co_await ingestor.write_msgpack(bytes::as_bytes(body), {.database = "main"});
  code = outcome.ok() ? Code::kInternal : outcome.error().code;
}

TEST_F(IngestorTest, ARefusedFirstWriteLeavesNothing) {
  Code code = Code::kInternal;
  run(write_wide(*ingestor_, wide_body("ghost", 4096), code));
  EXPECT_EQ(code, Code::kInvalid);
  EXPECT_EQ(broker_->find("main.ghost"), nullptr);
  EXPECT_THAT(tables_->list(), testing::IsEmpty());
  EXPECT_EQ(log_->counters().frames, 0U) << "it was refused before anything was written";
  run(write_wide(*ingestor_, wide_body("ghost", 4095), code));
  EXPECT_EQ(code, Code::kInternal);
  EXPECT_NE(broker_->find("main.ghost"), nullptr);
}

TEST_F(IngestorTest, ANewTableBesideOneThatRefusesIsTakenBack) {
  ASSERT_TRUE(run(broker_->create({.name = "main.zoo"})).ok());
  EXPECT_EQ(lines("new v=1\nzoo v=1\n").error().code, Code::kConflict);
  EXPECT_EQ(broker_->find("main.new"), nullptr);
  EXPECT_THAT(tables_->list(), testing::IsEmpty());
  stop();
  disk_.kill();
  start();
  EXPECT_EQ(broker_->find("main.new"), nullptr);
  ASSERT_TRUE(lines("new v=1\n").ok());
  EXPECT_THAT(values("new", "v"), ElementsAre(1.0));
}

TEST_F(IngestorTest, AnIdThatIsKnownMakesNoTable) {
  ASSERT_TRUE(lines("cpu v=1\n", "id").ok());
  static_cast<void>(lines("other v=1\n", "id"));  // refused or taken as the first one
  if (values("other", "v").empty()) {
    EXPECT_EQ(broker_->find("main.other"), nullptr);
    EXPECT_EQ(tables_->find({"main", "other"}), nullptr);
  }
}

TEST_F(IngestorTest, OfTwoFirstWritesTheGoodOneIsKept) {
  for (int i = 0; i < 50; ++i) {
    const std::string name = fmt::format("t{}", i);
    // Refused only after its table is there: its second table is none.
    ASSERT_TRUE(run(broker_->create({.name = fmt::format("main.u{}", i)})).ok());
    runtime::Gate gate;
    std::array<Code, 4> codes{};
    for (size_t k = 0; k < codes.size(); ++k) {
      const std::string body = k % 2 == 0 ? fmt::format("{} v={}\n", name, k)
                                          : fmt::format("{} v=1\nu{} v=1\n", name, i);
      ASSERT_TRUE(gate.spawn(shards_->shard(k / 2), "write", write(*ingestor_, body, codes[k])));
    }
    run(close(gate));
    EXPECT_THAT(codes,
                ElementsAre(Code::kInternal, Code::kInvalid, Code::kInternal, Code::kInvalid));
    EXPECT_THAT(values(name, "v"), testing::UnorderedElementsAre(0.0, 2.0));
  }
}

TEST_F(IngestorTest, OfManyRefusedFirstWritesNothingStays) {
  ASSERT_TRUE(run(broker_->create({.name = "main.zoo"})).ok());
  runtime::Gate gate;
  std::array<Code, 16> codes{};
  for (size_t i = 0; i < codes.size(); ++i) {
    ASSERT_TRUE(gate.spawn(shards_->shard(i % 2), "write",
                           write(*ingestor_, "new v=1\nzoo v=1\n", codes[i])));
  }
  run(close(gate));
  EXPECT_THAT(codes, testing::Each(Code::kInvalid));
  EXPECT_EQ(broker_->find("main.new"), nullptr);
  EXPECT_THAT(tables_->list(), testing::IsEmpty());
}

class SmallMemory : public IngestorTest {
 protected:
  SmallMemory() { hot_bytes_ = 4096; }
};

TEST_F(SmallMemory, WithoutRoomForRowsNothingIsWritten) {
  std::string body;
  for (int i = 0; i < 2000; ++i) {
    body += "cpu v=1\n";
  }
  EXPECT_EQ(lines(body).error().code, Code::kOverloaded);
  EXPECT_EQ(broker_->find("main.cpu"), nullptr);
  EXPECT_THAT(tables_->list(), testing::IsEmpty());
}

}  // namespace
}  // namespace millrace::ingest
