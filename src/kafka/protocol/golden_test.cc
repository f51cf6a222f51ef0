// The bytes of every API and version: golden.txt was written by another program from the same
// contents as below; captured.txt holds what real clients sent.
#include "kafka/protocol/encoded.h"
#include "kafka/protocol/frame.h"
#include "kafka/protocol/messages.h"
#include "record/record_reader.h"

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <sstream>

namespace millrace::kafka {
namespace {

using Bytes = std::vector<std::byte>;

constexpr std::string_view kDirectory = MILLRACE_SOURCE_DIR "/src/kafka/protocol/";

Bytes from_hex(std::string_view text) {
  Bytes bytes;
  for (size_t i = 0; i + 1 < text.size(); i += 2) {
    bytes.push_back(static_cast<std::byte>(std::stoi(std::string(text.substr(i, 2)), nullptr, 16)));
  }
  return bytes;
}

/// Lines of four words: the first three as key, the hex behind them.
std::map<std::string, Bytes> read_lines(const std::string& name) {
  std::map<std::string, Bytes> lines;
  std::ifstream file(fmt::format("{}{}", kDirectory, name));
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string first, second, third, hex;
    words >> first >> second >> third >> hex;
    if (first != "#" && !first.empty()) {
      lines[fmt::format("{} {} {}", first, second, third)] = from_hex(hex);
    }
  }
  return lines;
}

const Bytes& batch() {
  static const Bytes bytes = from_hex(
      "000000000000000000000049000000000208de37f90000000000000000018bcfe56800"
      "0000018bcfe5680000000000000003e8000300000007000000012e000000066b65790a"
      "76616c756504046831027804683201");
  return bytes;
}

TopicId topic_id() {
  return TopicId(*Uuid::parse("01020304-0506-0708-090a-0b0c0d0e0f10"));
}

ApiVersionsRequest make(ApiVersionsRequest*) {
  return {.client_software_name = "client", .client_software_version = "1.2"};
}

ApiVersionsResponse make(ApiVersionsResponse*) {
  ApiVersionsResponse out;
  out.error_code = ErrorCode::kUnsupportedVersion;
  out.api_keys = {{0, 0, 11}, {18, 0, 3}};
  out.throttle_time_ms = 7;
  out.supported_features = {{"f", 1, 2}};
  out.finalized_features_epoch = 9;
  out.finalized_features = {{"g", 4, 3}};
  out.zk_migration_ready = true;
  return out;
}

MetadataRequest make(MetadataRequest*) {
  MetadataRequest out;
  out.topics = {{topic_id(), "orders"}, {topic_id(), "orders-1"}};
  out.allow_auto_topic_creation = false;
  out.include_cluster_authorized_operations = true;
  out.include_topic_authorized_operations = true;
  return out;
}

MetadataResponse make(MetadataResponse*) {
  MetadataResponse out;
  out.throttle_time_ms = 7;
  out.brokers = {{1, "host", 9092, "r1"}, {2, "h2", 9093, std::nullopt}};
  out.cluster_id = "cluster";
  out.controller_id = 1;
  MetadataResponse::Topic& topic = out.topics.emplace_back();
  topic.error_code = ErrorCode::kUnknownTopicOrPartition;
  topic.name = "orders";
  topic.topic_id = topic_id();
  topic.is_internal = true;
  topic.partitions = {{ErrorCode::kLeaderNotAvailable, PartitionId{4}, 1, 6, {1, 2}, {1}, {2}}};
  topic.topic_authorized_operations = 8;
  out.cluster_authorized_operations = 16;
  return out;
}

ProduceRequest make(ProduceRequest*) {
  ProduceRequest out;
  out.transactional_id = "txn";
  out.acks = -1;
  out.timeout_ms = 30000;
  out.topics = {
      {"orders", {{PartitionId{2}, RecordsView{batch()}}, {PartitionId{3}, std::nullopt}}}};
  return out;
}

ProduceResponse make(ProduceResponse*) {
  ProduceResponse out;
  ProduceResponse::Topic::Partition good;
  good.index = PartitionId{2};
  good.base_offset = Offset{77};
  good.log_append_time_ms = 1700000000000;
  good.log_start_offset = Offset{5};
  good.record_errors = {{1, "bad"}};
  good.error_message = "why";
  good.current_leader = {1, 0};
  ProduceResponse::Topic::Partition timed_out;
  timed_out.index = PartitionId{3};
  timed_out.error_code = ErrorCode::kRequestTimedOut;
  out.responses = {{"orders", {good, timed_out}}};
  out.throttle_time_ms = 7;
  out.node_endpoints = {{1, "host", 9092, std::nullopt}};
  return out;
}

FetchRequest make(FetchRequest*) {
  FetchRequest out;
  out.cluster_id = "cluster";
  out.max_wait_ms = 500;
  out.min_bytes = 1;
  out.max_bytes = 1000000;
  out.isolation_level = 1;
  out.session_id = 11;
  out.session_epoch = 12;
  out.topics = {{"orders", topic_id(), {{PartitionId{2}, 3, Offset{77}, 4, Offset{5}, 65536}}}};
  out.forgotten_topics = {{"old", topic_id(), {1, 2}}};
  out.rack_id = "r1";
  return out;
}

FetchResponse make(FetchResponse*) {
  FetchResponse out;
  out.throttle_time_ms = 7;
  out.error_code = ErrorCode::kFetchSessionIdNotFound;
  out.session_id = 11;
  FetchResponse::Topic::Partition full;
  full.partition_index = PartitionId{2};
  full.error_code = ErrorCode::kOffsetOutOfRange;
  full.high_watermark = Offset{100};
  full.last_stable_offset = Offset{99};
  full.log_start_offset = Offset{5};
  full.diverging_epoch = {1, Offset{50}};
  full.current_leader = {1, 6};
  full.snapshot_id = {Offset{60}, 2};
  full.aborted_transactions = {{1000, Offset{80}}};
  full.preferred_read_replica = 2;
  full.records = RecordsParts{{bytes::Buffer::copy_of(batch())}};
  FetchResponse::Topic::Partition empty;
  empty.partition_index = PartitionId{3};
  empty.records = RecordsParts{};
  out.responses = {{"orders", topic_id(), {full, empty}}};
  return out;
}

ListOffsetsRequest make(ListOffsetsRequest*) {
  ListOffsetsRequest out;
  out.isolation_level = 1;
  out.topics = {{"orders", {{PartitionId{2}, 3, -2}}}};
  return out;
}

ListOffsetsResponse make(ListOffsetsResponse*) {
  ListOffsetsResponse out;
  out.throttle_time_ms = 7;
  out.topics = {
      {"orders",
       {{PartitionId{2}, ErrorCode::kUnknownTopicOrPartition, 1700000000000, Offset{77}, 6}}}};
  return out;
}

CreateTopicsRequest make(CreateTopicsRequest*) {
  CreateTopicsRequest out;
  out.topics = {{"orders",
                 4,
                 1,
                 {{PartitionId{0}, {1, 2}}},
                 {{"retention.ms", "1000"}, {"cleanup.policy", std::nullopt}}}};
  out.timeout_ms = 5000;
  out.validate_only = true;
  return out;
}

CreateTopicsResponse make(CreateTopicsResponse*) {
  CreateTopicsResponse out;
  out.throttle_time_ms = 7;
  CreateTopicsResponse::Topic& topic = out.topics.emplace_back();
  topic.name = "orders";
  topic.topic_id = topic_id();
  topic.error_code = ErrorCode::kTopicAlreadyExists;
  topic.error_message = "exists";
  topic.topic_config_error_code = ErrorCode::kTopicAuthorizationFailed;
  topic.num_partitions = 4;
  topic.replication_factor = 1;
  topic.configs = {{"retention.ms", "1000", true, 5, false}};
  return out;
}

DeleteTopicsRequest make(DeleteTopicsRequest*) {
  DeleteTopicsRequest out;
  out.topics = {{std::nullopt, topic_id()}, {"orders", TopicId()}};
  out.topic_names = {"orders", "orders-1"};
  out.timeout_ms = 5000;
  return out;
}

DeleteTopicsResponse make(DeleteTopicsResponse*) {
  DeleteTopicsResponse out;
  out.throttle_time_ms = 7;
  out.responses = {{"orders", topic_id(), ErrorCode::kUnknownTopicOrPartition, "unknown"}};
  return out;
}

DeleteRecordsRequest make(DeleteRecordsRequest*) {
  DeleteRecordsRequest out;
  out.topics = {{"orders", {{PartitionId{2}, Offset{77}}, {PartitionId{3}, Offset{-1}}}}};
  out.timeout_ms = 5000;
  return out;
}

DeleteRecordsResponse make(DeleteRecordsResponse*) {
  DeleteRecordsResponse out;
  out.throttle_time_ms = 7;
  out.topics = {{"orders",
                 {{PartitionId{2}, Offset{77}, ErrorCode::kNone},
                  {PartitionId{3}, Offset{-1}, ErrorCode::kOffsetOutOfRange}}}};
  return out;
}

FindCoordinatorRequest make(FindCoordinatorRequest*) {
  FindCoordinatorRequest out;
  out.key = "group";
  out.key_type = 1;
  out.coordinator_keys = {"group", "other"};
  return out;
}

FindCoordinatorResponse make(FindCoordinatorResponse*) {
  FindCoordinatorResponse out;
  out.throttle_time_ms = 7;
  out.error_code = ErrorCode::kCoordinatorNotAvailable;
  out.error_message = "none yet";
  out.node_id = -1;
  out.port = -1;
  out.coordinators = {{"group", -1, "", -1, ErrorCode::kCoordinatorNotAvailable, "none yet"}};
  return out;
}

/// "Produce request" and 9 -> "Produce request 9".
template <typename Message>
void check_golden(const std::map<std::string, Bytes>& golden, int16_t version) {
  const std::string line = fmt::format("{} {}", Message::kName, version);
  SCOPED_TRACE(line);
  ASSERT_TRUE(golden.contains(line));
  const Bytes& bytes = golden.at(line);
  EXPECT_EQ(encoded(version, make(static_cast<Message*>(nullptr))), bytes);
  Message decoded;
  const Status status = decode_message(bytes, version, decoded);
  ASSERT_TRUE(status.ok()) << status.error().message;
  EXPECT_EQ(encoded(version, decoded), bytes);
}

TEST(Golden, EveryMessageInEveryVersion) {
  const auto golden = read_lines("golden.txt");
  size_t checked = 0;
  for_each_api([&]<typename Request, typename Response>() {
    const ApiRange& api = *find_api(Request::kApiKey);
    for (int16_t version = api.min_version; version <= api.max_version; ++version) {
      check_golden<Request>(golden, version);
      check_golden<Response>(golden, version);
      checked += 2;
    }
  });
  EXPECT_EQ(checked, golden.size());
}

template <typename Request>
void check_captured(std::span<const std::byte> frame) {
  bytes::Reader in(frame);
  const RequestHeader header = decode_request_header(in).value();
  const std::span<const std::byte> body = frame.subspan(in.position());
  Request request;
  const Status status = decode_message(body, header.version, request);
  ASSERT_TRUE(status.ok()) << status.error().message;
  EXPECT_EQ(encoded(header.version, request), Bytes(body.begin(), body.end()));
  const auto pieces =
      request_frame(header.version, header.correlation_id, header.client_id, request);
  Bytes again = joined(pieces);
  again.erase(again.begin(), again.begin() + 4);
  EXPECT_EQ(again, Bytes(frame.begin(), frame.end()));
}

TEST(Golden, WhatClientsSentIsReadAndWrittenAlike) {
  size_t checked = 0;
  for (const auto& [line, frame] : read_lines("captured.txt")) {
    SCOPED_TRACE(line);
    bytes::Reader in(frame);
    const auto header = decode_request_header(in);
    ASSERT_TRUE(header.ok());
    if (!header->is_supported()) {
      EXPECT_EQ(line, "kafka-python ApiVersions 4");
      continue;
    }
    for_each_api([&]<typename Request, typename Response>() {
      if (Request::kApiKey == header->api_key) {
        check_captured<Request>(frame);
        ++checked;
      }
    });
  }
  EXPECT_EQ(checked, 17u);
}

TEST(Golden, BatchesInCapturedProduceRequestsAreValid) {
  const auto captured = read_lines("captured.txt");
  for (const std::string line : {"kcat Produce 7", "confluent Produce 10"}) {
    const Bytes& frame = captured.at(line);
    bytes::Reader in(frame);
    const RequestHeader header = decode_request_header(in).value();
    ProduceRequest request;
    ASSERT_TRUE(
        decode_message(std::span(frame).subspan(in.position()), header.version, request).ok());
    EXPECT_EQ(request.topics.at(0).name, "orders");
    const auto parsed = record::parse_batch(request.topics[0].partitions.at(0).records->bytes);
    ASSERT_TRUE(parsed.ok()) << parsed.error().message;
    EXPECT_TRUE(record::validate_records(*parsed, 10000).ok());
  }
}

}  // namespace
}  // namespace millrace::kafka
