#include "base/memory_budget.h"
#include "bytes/cursor.h"
#include "io/simulated_disk.h"
#include "journal/test_options.h"
#include "kafka/handlers/handlers.h"
#include "kafka/protocol/frame.h"
#include "kafka/service.h"
#include "record/record_batch.h"
#include "record/record_batch_builder.h"
#include "runtime/coroutine.h"
#include "runtime/on_shard.h"
#include "runtime/shard.h"

#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

namespace millrace::kafka {
namespace {

using namespace std::chrono_literals;

/// A blocking client that speaks what the generated code encodes.
class Client {
 public:
  explicit Client(uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const timeval timeout{10, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    is_open_ = ::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }

  ~Client() { ::close(socket_); }

  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  template <typename Request>
  void send(int16_t version, const Request& request) {
    std::vector<std::byte> bytes;
    for (const auto& part : request_frame(version, ++correlation_, "test", request)) {
      bytes.insert(bytes.end(), part.span().begin(), part.span().end());
    }
    send_raw(bytes);
  }

  void send_raw(std::span<const std::byte> bytes) {
    is_open_ = is_open_ && ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
                               static_cast<ssize_t>(bytes.size());
  }

  /// The next response; false when the connection has ended.
  template <typename Response>
  bool receive(int16_t version, Response& response) {
    std::array<std::byte, 4> prefix{};
    if (!read(prefix)) {
      return false;
    }
    bytes::Reader length(prefix);
    frame_.resize(length.be<uint32_t>());
    if (!read(frame_)) {
      return false;
    }
    bytes::Reader in(frame_);
    received_ = decode_response_header(in, *find_api(Response::kApiKey), version).value();
    decode(in, version, response);
    return in.ok() && in.remaining() == 0;
  }

  template <typename Request, typename Response>
  bool call(int16_t version, const Request& request, Response& response) {
    send(version, request);
    return receive(version, response) && received_ == correlation_;
  }

  bool is_closed_by_peer() {
    std::byte byte{};
    const ssize_t n = ::recv(socket_, &byte, 1, 0);
    return n == 0 || (n < 0 && errno == ECONNRESET);
  }

  int32_t received() const { return received_; }

 private:
  bool read(std::span<std::byte> into) {
    for (size_t done = 0; done < into.size();) {
      const ssize_t n = ::recv(socket_, into.data() + done, into.size() - done, 0);
      if (n <= 0) {
        return false;
      }
      done += static_cast<size_t>(n);
    }
    return true;
  }

  const int socket_;
  bool is_open_ = false;
  int32_t correlation_ = 0;
  int32_t received_ = 0;
  std::vector<std::byte> frame_;
};

class ConnectionTest : public testing::Test {
 protected:
  void SetUp() override {
    shards_ = runtime::ShardSet::start(2, "shard").value();
    readers_ = runtime::BlockingPool::start({.name = "read", .threads = 2}).value();
    log_ =
        journal::JournalLog::open(disk_, journal::test_options(4 << 20), system_clock(), *readers_)
            .value();
    broker_ = broker::Broker::open(*log_, 1 << 20, system_clock()).value();
    options_.advertised = {"127.0.0.1", 0};
    service_ = std::make_unique<Service>(*broker_, pool_, reads_, options_);
    listener_ = net::Listener::start(*shards_, {"kafka", {"127.0.0.1", 0}, 100}, *service_).value();
    service_->listening_on(listener_->address().port);
  }

  void TearDown() override {
    runtime::block_on(shards_->shard(0), listener_->stop(runtime::Deadline::after(1s)));
    listener_.reset();
    service_.reset();
    broker_.reset();
    log_.reset();
    readers_->stop();
    shards_->stop();
  }

  std::unique_ptr<Client> connect() { return std::make_unique<Client>(listener_->address().port); }

  broker::TopicPtr create(const std::string& name, int32_t partitions = 1) {
    return runtime::block_on(shards_->shard(0), broker_->create({name, partitions, {}})).value();
  }

  static bytes::Buffer batch_of(std::string_view value, int records = 1) {
    record::RecordBatchBuilder builder;
    for (int i = 0; i < records; ++i) {
      builder.add(TimestampMs(std::chrono::milliseconds(1000 + i)), std::nullopt,
                  bytes::as_bytes(value));
    }
    return std::move(builder).build().value();
  }

  static ProduceRequest produce_of(std::string_view topic, const bytes::Buffer& batch,
                                   int16_t acks = -1) {
    ProduceRequest request;
    request.acks = acks;
    request.timeout_ms = 1000;
    request.topics.push_back({topic, {{PartitionId{0}, RecordsView{batch.span()}}}});
    return request;
  }

  static FetchRequest fetch_of(std::string_view topic, int64_t offset, int32_t max_wait_ms = 0,
                               int32_t min_bytes = 1) {
    FetchRequest request;
    request.max_wait_ms = max_wait_ms;
    request.min_bytes = min_bytes;
    auto& asked = request.topics.emplace_back();
    asked.topic = topic;
    auto& partition = asked.partitions.emplace_back();
    partition.fetch_offset = Offset{offset};
    partition.partition_max_bytes = 1 << 20;
    return request;
  }

  static std::vector<std::byte> joined(const FetchResponse& response) {
    std::vector<std::byte> bytes;
    for (const auto& part : response.responses[0].partitions[0].records->parts) {
      bytes.insert(bytes.end(), part.span().begin(), part.span().end());
    }
    return bytes;
  }

  MemoryBudget budget_{"buffers", 64 << 20};
  bytes::BufferPool pool_{budget_, 1 << 20};
  MemoryBudget reads_{"reads", 16 << 20};
  ServiceOptions options_;
  io::SimulatedDisk disk_{1};
  std::unique_ptr<runtime::ShardSet> shards_;
  std::unique_ptr<runtime::BlockingPool> readers_;
  std::unique_ptr<journal::JournalLog> log_;
  std::unique_ptr<broker::Broker> broker_;
  std::unique_ptr<Service> service_;
  std::unique_ptr<net::Listener> listener_;
};

TEST_F(ConnectionTest, ProducedBatchesComeBackWithTheirOffsets) {
  create("t");
  const auto client = connect();
  for (const int64_t expected : {0, 3}) {
    const auto batch = batch_of("value", 3);
    ProduceResponse produced;
    ASSERT_TRUE(client->call(9, produce_of("t", batch), produced));
    const auto& answer = produced.responses.at(0).partitions.at(0);
    EXPECT_EQ(answer.error_code, ErrorCode::kNone);
    EXPECT_EQ(answer.base_offset, Offset{expected});
    EXPECT_EQ(answer.log_start_offset, Offset{0});
  }
  FetchResponse fetched;
  ASSERT_TRUE(
      client->call(12, fetch_of("t", 4), fetched));  // inside the second batch: all of it comes
  const auto& answer = fetched.responses.at(0).partitions.at(0);
  EXPECT_EQ(answer.error_code, ErrorCode::kNone);
  EXPECT_EQ(answer.high_watermark, Offset{6});
  const auto bytes = joined(fetched);
  const auto batch = record::parse_batch(bytes);
  ASSERT_TRUE(batch.ok()) << batch.error().message;
  EXPECT_EQ(batch->header.base_offset, Offset{3});
  EXPECT_EQ(batch->header.leader_epoch, 0);
}

class PipelineTest : public ConnectionTest {
 protected:
  /// Sends and receives at the same time.
  void send_pipelined(int count) {
    create("t");
    const auto client = connect();
    const auto batch = batch_of("value");
    std::thread sender([&] {
      for (int i = 0; i < count; ++i) {
        client->send(9, produce_of("t", batch));
      }
    });
    for (int i = 0; i < count; ++i) {
      ProduceResponse produced;
      EXPECT_TRUE(client->receive(9, produced));
      EXPECT_EQ(client->received(), i + 1);
      EXPECT_EQ(produced.responses[0].partitions[0].base_offset, Offset{i});
    }
    sender.join();
  }
};

TEST_F(PipelineTest, ProduceRequestsKeepTheirOrder) {
  send_pipelined(300);
}

class NarrowPipelineTest : public PipelineTest {
 protected:
  NarrowPipelineTest() { options_.max_bytes_in_flight = 1; }
};

TEST_F(NarrowPipelineTest, RequestsBeyondItsBytesWaitAndOneIsAlwaysTaken) {
  const uint64_t runs = log_->counters().runs;
  send_pipelined(300);
  EXPECT_GE(log_->counters().runs - runs, 300U);  // no two at once: no run of several
}

TEST_F(ConnectionTest, AcksZeroGetsNoAnswerAndIsStored) {
  create("t");
  const auto client = connect();
  const auto batch = batch_of("value");
  client->send(9, produce_of("t", batch, 0));
  ProduceResponse produced;
  ASSERT_TRUE(client->call(9, produce_of("t", batch), produced));
  EXPECT_EQ(produced.responses[0].partitions[0].base_offset, Offset{1});
}

TEST_F(ConnectionTest, EveryRefusalCarriesOffsetMinusOneAndItsCode) {
  create("t");
  const auto client = connect();
  const auto good = batch_of("value");
  const auto expect = [&](int16_t version, const ProduceRequest& request, ErrorCode code) {
    ProduceResponse produced;
    ASSERT_TRUE(client->call(version, request, produced));
    EXPECT_EQ(produced.responses[0].partitions[0].error_code, code);
    EXPECT_EQ(produced.responses[0].partitions[0].base_offset, Offset{-1});
  };
  expect(9, produce_of("unknown", good), ErrorCode::kUnknownTopicOrPartition);
  expect(2, produce_of("t", good), ErrorCode::kUnsupportedVersion);
  expect(9, produce_of("t", good, 2), ErrorCode::kInvalidRequiredAcks);
  auto flipped = std::vector<std::byte>(good.span().begin(), good.span().end());
  flipped.back() ^= std::byte{1};
  expect(9, produce_of("t", bytes::Buffer::copy_of(flipped)), ErrorCode::kCorruptMessage);
  auto old = std::vector<std::byte>(good.span().begin(), good.span().end());
  old[16] = std::byte{1};
  expect(9, produce_of("t", bytes::Buffer::copy_of(old)), ErrorCode::kUnsupportedForMessageFormat);
  auto twice = std::vector<std::byte>(good.span().begin(), good.span().end());
  twice.insert(twice.end(), good.span().begin(), good.span().end());
  expect(9, produce_of("t", bytes::Buffer::copy_of(twice)), ErrorCode::kInvalidRecord);
  expect(9, produce_of("t", batch_of(std::string(1'048'600, 'x'))), ErrorCode::kMessageTooLarge);
  auto elsewhere = produce_of("t", good);
  elsewhere.topics[0].partitions[0].index = PartitionId{1};
  expect(9, elsewhere, ErrorCode::kUnknownTopicOrPartition);
  EXPECT_EQ(broker_->find("t")->partitions[0]->range().end, Offset{0});
}

TEST_F(ConnectionTest, LongPollWakesForAnAppendAndEndsAtItsDeadline) {
  create("t");
  const auto reader = connect();
  const auto writer = connect();
  reader->send(12, fetch_of("t", 0, 30'000));
  ProduceResponse produced;
  const auto batch = batch_of("value");
  ASSERT_TRUE(writer->call(9, produce_of("t", batch), produced));
  FetchResponse fetched;
  ASSERT_TRUE(reader->receive(12, fetched));
  EXPECT_FALSE(joined(fetched).empty());
  ASSERT_TRUE(reader->call(12, fetch_of("t", 1, 20), fetched));
  EXPECT_TRUE(joined(fetched).empty());
  EXPECT_EQ(fetched.responses[0].partitions[0].error_code, ErrorCode::kNone);
}

TEST_F(ConnectionTest, LongPollEndsWithItsTopic) {
  create("t");
  create("u");
  const auto reader = connect();
  for (const int16_t version : {int16_t{12}, int16_t{13}}) {
    FetchRequest request = fetch_of("t", 0, 30'000);
    request.topics[0].topic_id = broker_->find("t")->record.id;
    reader->send(version, request);
    reader->send(12, fetch_of("u", 0, 0));  // behind it on the connection
    const auto other = connect();
    FetchResponse fetched;
    ASSERT_TRUE(other->call(12, fetch_of("u", 0, 0), fetched));  // the first has time to wait
    ASSERT_TRUE(runtime::block_on(shards_->shard(0), broker_->remove("t")).ok());
    const auto begun = std::chrono::steady_clock::now();
    ASSERT_TRUE(reader->receive(version, fetched));
    EXPECT_LT(std::chrono::steady_clock::now() - begun, 20s);
    const auto& answer = fetched.responses[0].partitions[0];
    EXPECT_EQ(answer.error_code,
              version == 13 ? ErrorCode::kUnknownTopicId : ErrorCode::kUnknownTopicOrPartition);
    EXPECT_EQ(answer.high_watermark, Offset{-1});
    ASSERT_TRUE(reader->receive(12, fetched));
    EXPECT_EQ(fetched.responses[0].partitions[0].error_code, ErrorCode::kNone);
    create("t");
  }
}

TEST_F(ConnectionTest, FetchOutsideTheLogSaysSo) {
  create("t");
  const auto client = connect();
  FetchResponse fetched;
  ASSERT_TRUE(client->call(12, fetch_of("t", 1, 1000), fetched));
  EXPECT_EQ(fetched.responses[0].partitions[0].error_code, ErrorCode::kOffsetOutOfRange);
  ASSERT_TRUE(client->call(12, fetch_of("unknown", 0, 1000), fetched));
  EXPECT_EQ(fetched.responses[0].partitions[0].error_code, ErrorCode::kUnknownTopicOrPartition);
}

TEST_F(ConnectionTest, MetadataMakesTheTopicWithFourPartitions) {
  const auto client = connect();
  MetadataRequest request;
  request.topics.emplace().push_back({{}, "fresh"});
  request.allow_auto_topic_creation = false;
  MetadataResponse response;
  ASSERT_TRUE(client->call(9, request, response));
  EXPECT_EQ(response.topics.at(0).error_code, ErrorCode::kUnknownTopicOrPartition);
  request.allow_auto_topic_creation = true;
  ASSERT_TRUE(client->call(9, request, response));
  EXPECT_EQ(response.topics.at(0).error_code, ErrorCode::kNone);
  EXPECT_EQ(response.topics.at(0).partitions.size(), 4U);
  EXPECT_EQ(response.brokers.at(0).port, listener_->address().port);
  EXPECT_EQ(response.cluster_id, log_->directory_id().to_string());
  request.topics->at(0).name = "no/name";
  ASSERT_TRUE(client->call(9, request, response));
  EXPECT_EQ(response.topics.at(0).error_code, ErrorCode::kInvalidTopicException);
}

TEST_F(ConnectionTest, UnknownVersionOfApiVersionsIsAnsweredInVersionZero) {
  const auto client = connect();
  bytes::Writer frame;
  frame.be(int32_t{10});
  frame.be(int16_t{18});
  frame.be(int16_t{99});
  frame.be(int32_t{7});
  frame.be(int16_t{-1});
  client->send_raw(frame.view());
  ApiVersionsResponse response;
  ASSERT_TRUE(client->receive(0, response));
  EXPECT_EQ(response.error_code, ErrorCode::kUnsupportedVersion);
  EXPECT_FALSE(response.api_keys.empty());
}

TEST_F(ConnectionTest, MalformedFramesEndTheirConnectionAlone) {
  create("t");
  const auto bystander = connect();
  const auto bytes_of = [](int32_t length, int16_t key, int16_t version) {
    bytes::Writer out;
    out.be(length);
    out.be(key);
    out.be(version);
    out.be(int32_t{1});
    out.be(int16_t{-1});
    return std::move(out).finish();
  };
  const std::vector<bytes::Buffer> malformed{
      bytes_of(0, 3, 1),
      bytes_of(-1, 3, 1),
      bytes_of(7, 3, 1),
      bytes_of(101 << 20, 0, 9),
      bytes_of(2 << 20, 3, 1),
      bytes_of(10, 77, 0),
      bytes_of(10, 3, 99),
      bytes_of(10, 0, 9),
      bytes_of(10, 1, 12),
      bytes::Buffer::copy_of(bytes::as_bytes("GET / HTTP/1.1\r\nHost: x\r\n\r\n"))};
  for (const auto& frame : malformed) {
    const auto client = connect();
    client->send_raw(frame);
    EXPECT_TRUE(client->is_closed_by_peer());
    ProduceResponse produced;
    const auto batch = batch_of("value");
    ASSERT_TRUE(bystander->call(9, produce_of("t", batch), produced));
    EXPECT_EQ(produced.responses[0].partitions[0].error_code, ErrorCode::kNone);
  }
}

TEST_F(ConnectionTest, ListOffsetsKnowsStartEndAndTime) {
  create("t");
  const auto client = connect();
  ProduceResponse produced;
  const auto batch = batch_of("value", 5);  // at 1000 .. 1004 ms
  ASSERT_TRUE(client->call(9, produce_of("t", batch), produced));
  const std::vector<std::pair<int64_t, int64_t>> cases{
      {-2, 0}, {-1, 5}, {1003, 3}, {0, 0}, {1005, -1}};
  for (const auto& [timestamp, offset] : cases) {
    ListOffsetsRequest request;
    request.topics.push_back({"t", {{PartitionId{0}, -1, timestamp}}});
    ListOffsetsResponse response;
    ASSERT_TRUE(client->call(5, request, response));
    EXPECT_EQ(response.topics[0].partitions[0].offset, Offset{offset}) << timestamp;
  }
}

TEST_F(ConnectionTest, DeleteRecordsMovesTheStartAndSaysWhereItIs) {
  create("t");
  const auto client = connect();
  ProduceResponse produced;
  const auto batch = batch_of("value", 5);
  ASSERT_TRUE(client->call(9, produce_of("t", batch), produced));
  const auto remove = [&](int16_t version, std::string_view topic, int32_t partition,
                          int64_t before) {
    DeleteRecordsRequest request;
    request.topics.push_back({topic, {{PartitionId{partition}, Offset{before}}}});
    DeleteRecordsResponse response;
    EXPECT_TRUE(client->call(version, request, response));
    EXPECT_EQ(response.topics.at(0).name, topic);
    const auto& answer = response.topics[0].partitions.at(0);
    EXPECT_EQ(answer.partition_index, PartitionId{partition});
    return std::pair(answer.error_code, answer.low_watermark.value);
  };
  using Answer = std::pair<ErrorCode, int64_t>;
  EXPECT_EQ(remove(0, "t", 0, 6), Answer(ErrorCode::kOffsetOutOfRange, -1));
  EXPECT_EQ(remove(1, "t", 0, -2), Answer(ErrorCode::kOffsetOutOfRange, -1));
  EXPECT_EQ(remove(2, "t", 99, 1), Answer(ErrorCode::kUnknownTopicOrPartition, -1));
  EXPECT_EQ(remove(2, "other", 0, 1), Answer(ErrorCode::kUnknownTopicOrPartition, -1));
  EXPECT_EQ(remove(1, "t", 0, 3), Answer(ErrorCode::kNone, 3));
  EXPECT_EQ(remove(2, "t", 0, 2), Answer(ErrorCode::kNone, 3));
  FetchResponse fetched;
  ASSERT_TRUE(client->call(12, fetch_of("t", 2, 1000), fetched));
  EXPECT_EQ(fetched.responses[0].partitions[0].error_code, ErrorCode::kOffsetOutOfRange);
  ASSERT_TRUE(client->call(12, fetch_of("t", 3, 1000), fetched));
  EXPECT_EQ(fetched.responses[0].partitions[0].error_code, ErrorCode::kNone);
  EXPECT_EQ(fetched.responses[0].partitions[0].log_start_offset, Offset{3});
  EXPECT_EQ(remove(2, "t", 0, -1), Answer(ErrorCode::kNone, 5));
  auto table = broker_->create({.name = "main.t", .is_table = true});
  ASSERT_TRUE(runtime::block_on(shards_->shard(0), std::move(table)).ok());
  EXPECT_EQ(remove(2, "main.t", 0, 0), Answer(ErrorCode::kPolicyViolation, -1));
}

TEST_F(ConnectionTest, FindCoordinatorSaysWhyThereIsNone) {
  const auto client = connect();
  FindCoordinatorRequest request;
  request.key = "group";
  FindCoordinatorResponse response;
  ASSERT_TRUE(client->call(2, request, response));
  EXPECT_EQ(response.error_code, ErrorCode::kCoordinatorNotAvailable);
  EXPECT_THAT(response.error_message.value_or(""), testing::HasSubstr("no consumer groups"));
}

}  // namespace
}  // namespace millrace::kafka
