#include "server/damaged_doubles.h"

#include "objects/memory_store.h"
#include "segment/segment_writer.h"
#include "segment/test_batches.h"

#include <gtest/gtest.h>

#include <gmock/gmock.h>

#include <optional>

namespace millrace::server {
namespace {

using record::StoredBatch;
using segment::batch_of;
using segment::topic_of;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class DamagedDoublesTest : public testing::Test {
 protected:
  /// An object with these batches of a partition of each topic; a bit of the record bytes of the
  /// batch that begins at `damaged` of the first is another one.
  std::string put(const std::vector<std::vector<StoredBatch>>& topics,
                  std::optional<Offset> damaged = std::nullopt) {
    const segment::ObjectId object(Uuid::random());
    const std::string name = segment::mixed_name(object);
    auto writer =
        segment::SegmentWriter::begin(store_.create(name).value(), {{}, object, 0}).value();
    for (size_t i = 0; i < topics.size(); ++i) {
      const TopicPartition partition{topic_of(static_cast<uint8_t>(i + 1)), {}};
      writer.begin_partition(partition, {partition.topic, "topic", ""});
      for (const StoredBatch& batch : topics[i]) {
        EXPECT_TRUE(writer.add(batch).ok());
      }
      EXPECT_TRUE(writer.end_partition().ok());
    }
    EXPECT_TRUE(writer.publish().ok());
    if (damaged) {
      size_t position = segment::kHeaderBytes + record::kBatchHeaderSize;
      for (const StoredBatch& batch : topics.front()) {
        position += batch.base_offset < *damaged ? batch.payload.size() : 0;
      }
      flip(name, position);
    }
    return name;
  }

  /// What is left of each object by name: how many parts.
  std::map<std::string, size_t> left() {
    auto found = broker::find_objects(store_, [](size_t, size_t) {}).value();
    EXPECT_TRUE(leave_damaged_doubles(store_, found).ok());
    std::map<std::string, size_t> parts;
    for (const auto& object : found.objects) {
      parts[object.name] = object.tail.partitions.size();
    }
    unused_ = found.unused;
    return parts;
  }

  objects::MemoryStore store_;
  std::vector<broker::UnusedObject> unused_;
  const StoredBatch a_ = batch_of(Offset{0}, "a", 3);
  const StoredBatch b_ = batch_of(Offset{3}, "b", 2);
  const StoredBatch c_ = batch_of(Offset{5}, "c");

 private:
  void flip(const std::string& name, size_t position) {
    auto reader = store_.read(name).value();
    std::vector<std::byte> bytes(reader->bytes());
    ASSERT_TRUE(reader->read_at(0, bytes).ok());
    bytes[position] ^= std::byte{1};
    ASSERT_TRUE(store_.remove(name).ok());
    auto writer = store_.create(name).value();
    ASSERT_TRUE(writer->write(bytes).ok());
    ASSERT_TRUE(writer->publish().ok());
  }
};

TEST_F(DamagedDoublesTest, OneThatIsWholeIsLeftInPlaceOfADamagedOne) {
  for (const int64_t at : {0, 3, 5}) {
    const auto damaged = put({{a_, b_, c_}, {a_}}, Offset{at});
    const auto first = put({{a_, b_}});
    const auto second = put({{c_}});
    EXPECT_EQ(left(), (std::map<std::string, size_t>{{damaged, 1}, {first, 1}, {second, 1}})) << at;
    ASSERT_THAT(unused_, SizeIs(1));
    EXPECT_EQ(unused_.front().name, damaged);
    EXPECT_THAT(unused_.front().why, HasSubstr("has CRC"));
    for (const std::string& name : {damaged, first, second}) {
      ASSERT_TRUE(store_.remove(name).ok());
    }
  }
}

TEST_F(DamagedDoublesTest, AllStayWhereNoneIsDamaged) {
  put({{a_, b_}});
  put({{b_, c_}});
  for (const auto& [name, parts] : left()) {
    EXPECT_EQ(parts, 1U);
  }
  EXPECT_THAT(unused_, IsEmpty());
}

TEST_F(DamagedDoublesTest, ADamagedOneStaysWhereOthersDoNotHaveAllOfIt) {
  const auto damaged = put({{a_, b_, c_}}, Offset{0});
  put({{a_, b_}});
  EXPECT_EQ(left().at(damaged), 1U);
  const auto other = put({{c_}}, Offset{5});
  EXPECT_EQ(left().at(damaged), 1U);
  EXPECT_EQ(left().at(other), 1U);
  EXPECT_THAT(unused_, IsEmpty());
}

TEST_F(DamagedDoublesTest, WhatOneObjectAloneHasIsNotRead) {
  const auto damaged = put({{b_}}, Offset{3});
  put({{a_}});
  put({{c_}});
  EXPECT_EQ(left().at(damaged), 1U);
  EXPECT_THAT(unused_, IsEmpty());
}

}  // namespace
}  // namespace millrace::server
