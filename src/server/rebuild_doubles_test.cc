#include "server/rebuild_doubles.h"

#include "objects/memory_store.h"
#include "segment/segment_writer.h"
#include "segment/test_batches.h"

#include <gtest/gtest.h>

#include <gmock/gmock.h>

namespace millrace::server {
namespace {

using record::StoredBatch;
using segment::batch_of;
using segment::topic_of;
using testing::IsEmpty;
using testing::SizeIs;

StoredBatch filler(int64_t first, int64_t next) {
  const auto offsets = static_cast<int32_t>(next - first);
  return {Offset{first}, static_cast<uint32_t>(offsets), 1000, record::filler_batch(offsets, 1000)};
}

class RebuildDoublesTest : public testing::Test {
 protected:
  /// An object with these batches of a partition of each topic.
  catalog::SegmentRow put(const std::vector<std::vector<StoredBatch>>& topics) {
    const segment::ObjectId object(Uuid::random());
    catalog::SegmentRow row{.object = object, .name = segment::mixed_name(object)};
    auto writer = segment::SegmentWriter::begin(store_.create(row.name).value(),
                                                {DirectoryId(Uuid::random()), object, 0})
                      .value();
    for (size_t i = 0; i < topics.size(); ++i) {
      const TopicPartition partition{topic_of(static_cast<uint8_t>(i + 1)), {}};
      writer.begin_partition(partition, {partition.topic, "topic", ""});
      for (const StoredBatch& batch : topics[i]) {
        EXPECT_TRUE(writer.add(batch).ok());
      }
      EXPECT_TRUE(writer.end_partition().ok());
    }
    for (const auto& part : writer.publish().value().partitions) {
      row.parts.push_back(
          {part.partition, part.first, part.next, part.max_timestamp_ms, part.data_bytes});
    }
    return row;
  }

  bool is_double(const catalog::SegmentRow& object, const std::vector<catalog::SegmentRow>& named) {
    const auto found = find_doubles(store_, {{object.object, object.name}}, named);
    EXPECT_TRUE(found.ok());
    return found->size() == 1;
  }

  objects::MemoryStore store_;
  const StoredBatch a_ = batch_of(Offset{0}, "a", 3);
  const StoredBatch b_ = batch_of(Offset{3}, "b", 2);
  const StoredBatch c_ = batch_of(Offset{5}, "c");
};

TEST_F(RebuildDoublesTest, HaveEveryBatchInOthersWhateverDirectoryMadeThem) {
  const auto object = put({{a_, b_}});
  EXPECT_TRUE(is_double(object, {put({{a_, b_, c_}})}));
  EXPECT_TRUE(is_double(object, {put({{a_}}), put({{b_}})}));
  EXPECT_FALSE(is_double(object, {put({{a_}})}));
  EXPECT_FALSE(is_double(object, {put({{b_, c_}})}));
  EXPECT_FALSE(is_double(object, {}));
}

TEST_F(RebuildDoublesTest, AreNoneWhereAnotherHasOtherBytesOrAFillerThere) {
  const auto object = put({{a_, b_}});
  EXPECT_FALSE(is_double(object, {put({{a_, batch_of(Offset{3}, "B", 2), c_}})}));
  EXPECT_FALSE(
      is_double(object, {put({{a_, batch_of(Offset{3}, "b"), batch_of(Offset{4}, "b")}})}));
  EXPECT_FALSE(is_double(object, {put({{a_, filler(3, 5), c_}})}));
  EXPECT_FALSE(is_double(object, {put({{a_, filler(3, 1'000'000)}})}));
}

TEST_F(RebuildDoublesTest, NeedNothingForTheirFillers) {
  EXPECT_TRUE(is_double(put({{a_, filler(3, 1'000'000)}}), {put({{a_, b_}})}));
  EXPECT_TRUE(is_double(put({{filler(3, 9)}}), {}));
}

TEST_F(RebuildDoublesTest, HaveAllOfThatInEachPartition) {
  const auto object = put({{a_}, {b_}});
  EXPECT_TRUE(is_double(object, {put({{a_, b_}, {b_, c_}})}));
  EXPECT_FALSE(is_double(object, {put({{a_, b_, c_}})}));
  EXPECT_FALSE(is_double(object, {put({{a_}, {c_}})}));
}

TEST_F(RebuildDoublesTest, AreNoneWhereARowLostThePartThatHasIt) {
  auto other = put({{a_}, {b_}});
  other.parts.erase(other.parts.begin());
  EXPECT_FALSE(is_double(put({{a_}}), {other})) << "it is expired there, for all that is known";
  EXPECT_TRUE(is_double(put({{a_}}), {other, put({{a_}})}));
}

TEST_F(RebuildDoublesTest, AreNoneWhereOneOfThemCannotBeRead) {
  const auto object = put({{a_}});
  const auto other = put({{a_}});
  ASSERT_TRUE(is_double(object, {other}));
  ASSERT_TRUE(store_.remove(other.name).ok());
  EXPECT_FALSE(is_double(object, {other}));
  const auto third = put({{a_}});
  ASSERT_TRUE(store_.remove(object.name).ok());
  EXPECT_FALSE(is_double(object, {third}));
  ASSERT_TRUE(store_.remove(third.name).ok());
  EXPECT_THAT(find_doubles(store_, {}, {}).value(), IsEmpty());
}

TEST_F(RebuildDoublesTest, EachIsJudgedAlone) {
  const auto first = put({{a_}});
  const auto second = put({{b_}});
  const auto third = put({{c_}});
  const auto found = find_doubles(
      store_,
      {{first.object, first.name}, {second.object, second.name}, {third.object, third.name}},
      {put({{a_}}), put({{c_}})});
  ASSERT_THAT(found.value(), SizeIs(2));
  EXPECT_EQ(found->front().name, first.name);
  EXPECT_EQ(found->back().name, third.name);
}

}  // namespace
}  // namespace millrace::server
