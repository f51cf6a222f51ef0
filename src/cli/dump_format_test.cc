#include "cli/dump_format.h"

#include "broker/start_fact.h"
#include "broker/topic.h"
#include "bytes/buffer.h"
#include "record/record_batch_builder.h"

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

TEST(DumpFormat, AStartFrameSaysOfWhatAndWhere) {
  TopicNames names;
  const auto frame = broker::to_frame({{topic().id, PartitionId{2}}, Offset{40}});
  const auto described = describe_system(frame.encode().span(), names);
  EXPECT_EQ(described["kind"], "start");
  EXPECT_EQ(described["topic_id"], topic().id.to_string());
  EXPECT_EQ(described["partition"], 2);
  EXPECT_EQ(described["start"], 40);
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

segment::PartitionRow part() {
  segment::PartitionRow row;
  row.partition = frame().partition;
  row.batches = 2;
  row.first = Offset{40};
  row.next = Offset{47};
  row.stable = Offset{45};
  return row;
}

TEST(DumpFormat, ABatchOfAnObjectIsDescribedAsOneOfTheJournal) {
  segment::BatchEntry entry;
  entry.base = frame().base_offset;
  entry.offsets = frame().records;
  entry.max_timestamp_ms = frame().max_timestamp_ms;
  EXPECT_EQ(describe_batch(frame_of(part(), entry), {}, {}), describe_batch(frame(), {}, {}));
}

TEST(DumpFormat, ControlBatchesAndTransactionsAreNamed) {
  record::RecordBatchBuilder builder;
  builder.add(TimestampMs(std::chrono::milliseconds(1)), std::nullopt, bytes::as_bytes("value"));
  const bytes::Buffer plain = std::move(builder).build().value();
  EXPECT_FALSE(describe_batch(frame(), plain, {}).contains("control"));
  std::vector<std::byte> marked(plain.span().begin(), plain.span().end());
  marked[22] = std::byte{0x30};  // attributes: transactional, control
  const auto described = describe_batch(frame(), marked, {});
  EXPECT_TRUE(described.value("control", false));
  EXPECT_TRUE(described.value("transactional", false));
}

TEST(DumpFormat, ProducersAndTransactionsOfAnObjectAreALineEach) {
  const segment::PartitionState state{
      {{1, Offset{8}, Offset{9}}}, {{7, 2, {{Offset{40}, 0, 4, 5}}}}, {{3, Offset{45}}}};
  TopicNames names;
  const auto entry = segment::TopicEntry{topic().id, topic().to_frame().value, ""};
  EXPECT_EQ(describe_topic(entry, names)["topic"], "orders");
  const auto lines = describe_state(part(), state, names);
  ASSERT_EQ(lines.size(), 3U);
  const std::string place = "topic_id=" + topic().id.to_string() + " topic=orders partition=2 ";
  EXPECT_EQ(to_text_line(lines[0]),
            "producer " + place + "producer_id=7 producer_epoch=2 " +
                R"(batches=[{"base_offset":40,"first_sequence":0,"last_sequence":4,)"
                R"("max_timestamp":5}])");
  EXPECT_EQ(to_text_line(lines[1]),
            "aborted " + place + "producer_id=1 first_offset=8 last_offset=9");
  EXPECT_EQ(to_text_line(lines[2]), "open " + place + "producer_id=3 first_offset=45");
  EXPECT_EQ(describe_part(part(), names)["stable_offset"], 45);
}

TEST(DumpFormat, ATopicThatCannotBeReadIsNamedByItsId) {
  TopicNames names;
  const auto described = describe_topic({topic().id, "junk", ""}, names);
  EXPECT_EQ(described["topic_id"], topic().id.to_string());
  EXPECT_FALSE(described["error"].get<std::string>().empty());
  EXPECT_TRUE(names.empty());
}

TEST(DumpFormat, TextsAreQuotedWhereTheyWouldBeTakenApart) {
  EXPECT_EQ(to_text_line({{"type", "x"}, {"a", "plain"}, {"b", "two words"}, {"c", "k=v"}}),
            R"(x a=plain b="two words" c="k=v")");
}

}  // namespace
}  // namespace millrace::cli
