#include "broker/broker.h"
#include "bytes/crc32c.h"
#include "io/simulated_disk.h"
#include "journal/test_options.h"
#include "query/engine_test.h"
#include "query/topic_reader.h"
#include "record/record_batch_builder.h"
#include "runtime/coroutine.h"
#include "runtime/on_shard.h"
#include "runtime/shard.h"

#include <gtest/gtest.h>

#include <gmock/gmock.h>

namespace millrace::query {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

/// Hands out what a reader gives, changed as a test wants it.
class ChangedTopics final : public TopicSource {
 public:
  explicit ChangedTopics(const TopicSource& source) : source_(source) {}

  Result<TopicExtent> find(const std::string& name) const override {
    auto extent = source_.find(name);
    if (after_find) {
      after_find();
    }
    return extent;
  }

  Result<std::vector<record::StoredBatch>> read(TopicPartition partition, Offset from,
                                                size_t max_bytes) const override {
    if (before_read) {
      MILLRACE_TRY_STATUS(before_read());
    }
    return source_.read(partition, from, max_bytes);
  }

  std::function<void()> after_find;
  std::function<Status()> before_read;

 private:
  const TopicSource& source_;
};

class TopicScan : public EngineTest {
 protected:
  TopicScan() {
    shards_ = runtime::ShardSet::start(2, "shard").value();
    readers_ = runtime::BlockingPool::start({.name = "read", .threads = 1}).value();
    log_ =
        journal::JournalLog::open(disk_, journal::test_options(1 << 20), clock_, *readers_).value();
    broker_ = broker::Broker::open(*log_, 100'000, clock_).value();
    reader_ = std::make_unique<TopicReader>(*broker_, *shards_);
    changed_ = std::make_unique<ChangedTopics>(*reader_);
    start({});
  }

  void TearDown() override {
    engine_.reset();
    broker_.reset();
    log_.reset();
    readers_->stop();
    shards_->stop();
  }

  const TopicSource& topics() const override {
    static const NoTopics none;
    return changed_ ? static_cast<const TopicSource&>(*changed_) : none;
  }

  template <typename T>
  T wait(runtime::Task<T> task) {
    return runtime::block_on(shards_->shard(0), std::move(task));
  }

  void create(const std::string& name, int32_t partitions = 1) {
    ASSERT_TRUE(wait(broker_->create({name, partitions, {}})).ok());
  }

  void append(const std::string& name, int32_t partition, record::RecordBatchBuilder builder) {
    const auto count = static_cast<uint32_t>(builder.record_count());
    const auto payload = std::move(builder).build().value();
    std::vector<broker::PartitionAppend> batches;
    batches.push_back({broker_->find(name)->partition(PartitionId{partition}), payload,
                       bytes::crc32c(payload), count, 1000});
    ASSERT_TRUE(wait(broker::Partition::append(*log_, std::move(batches), {})).ok());
  }

  /// `count` records with the values FIRST, FIRST+1 ..
  void append_numbers(const std::string& name, int32_t partition, int first, int count,
                      bytes::Codec codec = bytes::Codec::kNone) {
    record::RecordBatchBuilder builder({.codec = codec});
    for (int i = 0; i < count; ++i) {
      const std::string value = std::to_string(first + i);
      builder.add(TimestampMs(std::chrono::milliseconds(i)), std::nullopt, bytes::as_bytes(value));
    }
    append(name, partition, std::move(builder));
  }

  io::SimulatedDisk disk_{1};
  ManualClock clock_;
  std::unique_ptr<runtime::ShardSet> shards_;
  std::unique_ptr<runtime::BlockingPool> readers_;
  std::unique_ptr<journal::JournalLog> log_;
  std::unique_ptr<broker::Broker> broker_;
  std::unique_ptr<TopicReader> reader_;
  std::unique_ptr<ChangedTopics> changed_;
};

TEST_F(TopicScan, ShowsEveryFieldOfARecord) {
  create("orders");
  record::RecordBatchBuilder builder;
  const std::vector<record::Header> headers = {{"h", bytes::as_bytes("v")}, {"\xff", std::nullopt}};
  builder.add(TimestampMs(std::chrono::milliseconds(1'700'000'000'123)), bytes::as_bytes("key"),
              bytes::as_bytes("{\"a\": 1}"), headers);
  append("orders", 0, std::move(builder));
  record::RecordBatchBuilder bare;
  bare.add(TimestampMs(std::chrono::milliseconds(-1)), std::nullopt, std::nullopt);
  bare.add(TimestampMs(std::chrono::milliseconds(0)), bytes::as_bytes(""), bytes::as_bytes(""));
  append("orders", 0, std::move(bare));
  EXPECT_EQ(
      answer("FROM topic('orders')"),
      R"({"columns":[{"name":"partition","type":"INTEGER"},{"name":"offset","type":"BIGINT"},)"
      R"({"name":"timestamp","type":"TIMESTAMP_MS"},{"name":"key","type":"BLOB"},)"
      R"({"name":"value","type":"BLOB"},{"name":"headers",)"
      R"("type":"STRUCT(key VARCHAR, value BLOB)[]"}],"rows":[)"
      R"([0,0,"2023-11-14T22:13:20.123Z","a2V5","eyJhIjogMX0=",)"
      "[{\"key\":\"h\",\"value\":\"dg==\"},{\"key\":\"\xEF\xBF\xBD\",\"value\":null}]],"
      R"([0,1,null,null,null,[]],[0,2,"1970-01-01T00:00:00Z","","",[]]]})");
  EXPECT_EQ(rows("SELECT decode(value)::JSON->>'a', \"offset\" FROM topic('orders') WHERE key = "
                 "'key'::BLOB"),
            R"([["1",0]])");
  EXPECT_EQ(rows("SELECT count(*) FROM topic('orders')"), "[[3]]");
}

TEST_F(TopicScan, ReadsManyBatchesOfAllPartitions) {
  create("numbers", 3);
  for (int i = 0; i < 120; ++i) {
    append_numbers("numbers", i % 3, i * 1000, 1000,
                   i % 2 == 0 ? bytes::Codec::kNone : bytes::Codec::kLz4);
  }
  EXPECT_EQ(rows("SELECT partition, count(*), min(\"offset\"), max(\"offset\"), count(DISTINCT "
                 "\"offset\") FROM topic('numbers') GROUP BY 1 ORDER BY 1"),
            "[[0,40000,0,39999,40000],[1,40000,0,39999,40000],[2,40000,0,39999,40000]]");
  EXPECT_EQ(rows("SELECT sum(decode(value)::BIGINT) FROM topic('numbers')"), "[[7199940000]]");
}

TEST_F(TopicScan, PartsOfATopicAreReadByOffset) {
  create("one");
  create("two", 2);
  for (int i = 0; i < 80; ++i) {
    append_numbers("one", 0, i * 1000, 1000);
  }
  append_numbers("two", 0, 0, 5);
  append_numbers("two", 1, 100, 5);
  const auto values = [this](const std::string& arguments) {
    return rows("SELECT list(decode(value) ORDER BY \"offset\") FROM topic(" + arguments + ")");
  };
  EXPECT_EQ(values("'one', from_offset := 1999, to_offset := 2001"), R"([[["1999","2000"]]])");
  EXPECT_EQ(values("'one', partition := 0, from_offset := 65535, to_offset := 65538"),
            R"([[["65535","65536","65537"]]])");
  EXPECT_EQ(values("'one', from_offset := 79999"), R"([[["79999"]]])");
  EXPECT_EQ(values("'one', from_offset := 80000"), "[[null]]");
  EXPECT_EQ(values("'one', to_offset := 0"), "[[null]]");
  EXPECT_EQ(values("'two', partition := 1, to_offset := 2"), R"([[["100","101"]]])");
  EXPECT_THAT(values("'two', partition := 2"), HasSubstr("no partition 2: it has 2"));
  EXPECT_EQ(rows("SELECT count(*) FROM topic('one') a JOIN topic('two') b ON a.value = b.value"),
            "[[10]]");
}

TEST_F(TopicScan, AnUnknownTopicIsNamedWithThoseThereAre) {
  EXPECT_THAT(rows("FROM topic('x')"), StartsWith("not_found: no topic 'x': there are none"));
  for (const char* name : {"a", "b", "c", "d", "e", "f", "g"}) {
    create(name);
  }
  EXPECT_EQ(rows("FROM topic('x')"), "not_found: no topic 'x': there are a, b, c, d, e and 2 more");
  EXPECT_EQ(rows("FROM topic('a')"), "[]");
}

TEST_F(TopicScan, ANameThatIsNullIsSaidToBe) {
  EXPECT_EQ(rows("FROM topic(NULL)"), "invalid: topic(NULL): its argument is the name of a topic");
  EXPECT_EQ(rows("FROM topic(NULL::VARCHAR)"),
            "invalid: topic(NULL): its argument is the name of a topic");
}

TEST_F(TopicScan, ATopicTakenForATableIsNamed) {
  create("orders");
  create("a.b");
  EXPECT_THAT(rows("SELECT * FROM orders"),
              HasSubstr("there is a topic of that name: topic('orders')"));
  EXPECT_THAT(rows("SELECT * FROM a.b"), HasSubstr("topic('a.b')"));
  EXPECT_THAT(rows("SELECT * FROM nothing"), Not(HasSubstr("topic of that name")));
  const std::string hint = R"(stands in quotes, "offset")";
  EXPECT_THAT(rows("SELECT key, offset FROM topic('orders')"), HasSubstr(hint));
  EXPECT_THAT(rows("SELECT Offset, key FROM topic('orders')"), HasSubstr(hint));
  EXPECT_THAT(rows("SELECT \"offset\" FORM topic('orders')"), Not(HasSubstr(hint)));
  EXPECT_THAT(rows("SELECT offsets FORM topic('orders')"), Not(HasSubstr(hint)));
}

TEST_F(TopicScan, RecordsAfterTheStartAreNotSeen) {
  create("t");
  append_numbers("t", 0, 0, 10);
  int finds = 0;
  changed_->after_find = [&] {
    ++finds;
    append_numbers("t", 0, 10, 10);
  };
  EXPECT_EQ(rows("SELECT count(*), (SELECT count(*) FROM topic('t')) FROM topic('t')"),
            "[[10,10]]");
  EXPECT_EQ(finds, 1);
  EXPECT_EQ(rows("SELECT count(*) FROM topic('t')"), "[[20]]");
}

TEST_F(TopicScan, ADamagedBatchIsAnErrorThatNamesThePlace) {
  create("t");
  append_numbers("t", 0, 0, 10);
  changed_->before_read = [] { return make_error(Code::kCorrupt, "file 7 at 4096: wrong CRC"); };
  EXPECT_THAT(rows("FROM topic('t')"), HasSubstr("topic 't', partition 0, from offset 0"));
  EXPECT_THAT(rows("SELECT sum(\"offset\") FROM topic('t')"), StartsWith("corrupt: "));
}

TEST_F(TopicScan, ATopicDeletedMeanwhileIsAnError) {
  create("t");
  append_numbers("t", 0, 0, 10);
  changed_->before_read = [this]() -> Status {
    changed_->before_read = nullptr;
    return wait(broker_->remove("t"));
  };
  EXPECT_THAT(rows("FROM topic('t')"), HasSubstr("deleted"));
}

TEST_F(TopicScan, AReadBelowTheStartGoesOnFromTheStart) {
  create("t");
  append_numbers("t", 0, 0, 10);
  const auto id = broker_->find("t")->partition(PartitionId{0})->id();
  const auto batches = reader_->read(id, Offset{-5}, 1000);
  ASSERT_TRUE(batches.ok()) << batches.error().message;
  EXPECT_EQ(batches->front().base_offset, Offset{0});
  EXPECT_TRUE(reader_->read(id, Offset{10}, 1000)->empty());
}

}  // namespace
}  // namespace millrace::query
