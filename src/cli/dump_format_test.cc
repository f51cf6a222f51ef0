#include "cli/dump_format.h"

#include "broker/topic.h"
#include "bytes/buffer.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <gmock/gmock.h>

namespace millrace::cli {
namespace {

using testing::HasSubstr;

broker::TopicRecord topic() {
  broker::TopicRecord topic;
  topic.id.bytes[15] = 7;
  topic.name = "orders";
  topic.partitions = 3;
  return topic;
}

journal::FrameHeader frame() {
  journal::FrameHeader frame;
  frame.type = journal::FrameType::kBatch;
  frame.partition = {topic().id, PartitionId{2}};
  frame.records = 5;
  frame.base_offset = Offset{40};
  frame.max_timestamp_ms = 1000;
  return frame;
}

TEST(DumpFormat, ARunIsItsHeader) {
  journal::RunHeader header;
  header.file = FileNumber{3};
  header.position = 4096;
  header.run = RunNumber{9};
  header.length = 88;
  header.flags = journal::kCheckpointPart | journal::kCheckpointEnd;
  EXPECT_EQ(to_text_line(describe_run(header)),
            "run file=3 position=4096 run=9 frames=0 length=88 durable_upto=0 checkpoint=true");
  EXPECT_EQ(to_json_line(describe_run(header)),
            R"({"type":"run","file":3,"position":4096,"run":9,"frames":0,"length":88,)"
            R"("durable_upto":0,"checkpoint":true})");
}

TEST(DumpFormat, ATopicsFrameNamesTheBatchesAfterIt) {
  TopicNames names;
  EXPECT_FALSE(describe_batch(frame(), {}, names).contains("topic"));
  const auto described = describe_system(topic().to_frame().encode().span(), names);
  EXPECT_EQ(described["kind"], "topic");
  EXPECT_EQ(described["operation"], "put");
  EXPECT_EQ(described["key"], "00000000000000000000000000000007");
  EXPECT_EQ(described["topic"], "orders");
  const auto batch = describe_batch(frame(), {}, names);
  EXPECT_EQ(batch["topic"], "orders");
  EXPECT_EQ(batch["base_offset"], 40);
  EXPECT_EQ(batch["partition"], 2);
}

TEST(DumpFormat, WhatIsNoPayloadIsSaidBesideTheFrame) {
  TopicNames names;
  const auto junk = bytes::as_bytes("junk");
  EXPECT_FALSE(describe_batch(frame(), junk, names)["error"].get<std::string>().empty());
  EXPECT_FALSE(describe_system(junk, names)["error"].get<std::string>().empty());
}

TEST(DumpFormat, NullAndEmptyAndWrongBytesOfARecordDiffer) {
  record::Record record;
  record.offset = Offset{41};
  record.value = bytes::as_bytes("");
  record.headers.push_back({"trace", bytes::as_bytes("a b")});
  EXPECT_EQ(to_text_line(describe_record(record)),
            R"(record offset=41 timestamp=0 key=null value="" headers=[["trace","a b"]])");
  record.value = bytes::as_bytes("\xff");
  EXPECT_THAT(to_json_line(describe_record(record)), HasSubstr("\"value\":\"\xEF\xBF\xBD\""));
}

TEST(DumpFormat, TextsAreQuotedWhereTheyWouldBeTakenApart) {
  EXPECT_EQ(to_text_line({{"type", "x"}, {"a", "plain"}, {"b", "two words"}, {"c", "k=v"}}),
            R"(x a=plain b="two words" c="k=v")");
}

}  // namespace
}  // namespace millrace::cli
