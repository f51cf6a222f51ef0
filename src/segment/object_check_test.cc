#include "segment/object_check.h"

#include "objects/memory_store.h"
#include "segment/segment_writer.h"
#include "segment/test_batches.h"

#include <gtest/gtest.h>

namespace millrace::segment {
namespace {

using Damages = ObjectCheck::Damages;

/// An object of two partitions, of three batches each.
class ObjectCheckTest : public testing::Test {
 protected:
  void SetUp() override {
    auto writer = SegmentWriter::begin(store_.create("object").value(), Header{}).value();
    for (int32_t partition = 0; partition < 2; ++partition) {
      writer.begin_partition({topic_of(1), PartitionId{partition}}, {topic_of(1), "topic", ""});
      for (int64_t i = 0; i < 3; ++i) {
        ASSERT_TRUE(writer.add(batch_of(Offset{i * 2}, std::string(500, 'v'), 2)).ok());
      }
      ASSERT_TRUE(writer.end_partition({}).ok());
    }
    made_ = writer.publish().value();
    bytes_ = content();
  }

  std::vector<std::byte> content() {
    const auto reader = store_.read("object").value();
    std::vector<std::byte> bytes(reader->bytes());
    EXPECT_TRUE(reader->read_at(0, bytes).ok());
    return bytes;
  }

  Damages check(std::vector<std::byte> bytes,
                ObjectCheck::Depth depth = ObjectCheck::Depth::kData) {
    auto writer = store_.create("object").value();
    EXPECT_TRUE(writer->write(bytes).ok());
    EXPECT_TRUE(writer->publish().ok());
    Damages damages;
    const auto check =
        ObjectCheck::open(store_.read("object").value(), "object", depth, damages).value();
    if (check) {
      EXPECT_TRUE(check->header(damages).ok());
      while (!check->is_done()) {
        EXPECT_TRUE(check->step(damages).ok());
      }
    }
    return damages;
  }

  Damages flipped(uint64_t position, ObjectCheck::Depth depth = ObjectCheck::Depth::kData) {
    auto bytes = bytes_;
    bytes[position] ^= std::byte{0x10};
    return check(std::move(bytes), depth);
  }

  objects::MemoryStore store_;
  MadeSegment made_;
  std::vector<std::byte> bytes_;
};

TEST_F(ObjectCheckTest, AWholeObjectHasNoDamage) {
  EXPECT_TRUE(check(bytes_).empty());
}

TEST_F(ObjectCheckTest, EveryFlippedByteIsNamedOnce) {
  for (size_t position = 0; position < bytes_.size(); ++position) {
    EXPECT_EQ(flipped(position).size(), 1U) << "byte " << position;
  }
}

TEST_F(ObjectCheckTest, DamageOfABatchIsNamedWithItsOffsetsAndTheRestIsRead) {
  const PartitionRow& row = made_.partitions[1];
  const uint64_t batch = row.data_bytes / 3;
  auto bytes = bytes_;
  bytes[row.data_position + batch + 70] ^= std::byte{1};
  bytes[row.data_position + 2 * batch + 70] ^= std::byte{1};
  const auto damages = check(bytes);
  ASSERT_EQ(damages.size(), 2U);
  EXPECT_STREQ(damages[0].problem, "object-data");
  EXPECT_EQ(damages[0].position, row.data_position + batch);
  ASSERT_TRUE(damages[0].range);
  EXPECT_EQ(damages[0].range->partition, row.partition);
  EXPECT_EQ(damages[0].range->first, Offset{2});
  EXPECT_EQ(damages[0].range->next, Offset{4});
  EXPECT_EQ(damages[1].range->first, Offset{4});
}

TEST_F(ObjectCheckTest, EachPartIsNamedAsWhatItIs) {
  const PartitionRow& row = made_.partitions[0];
  EXPECT_STREQ(flipped(row.index_position + 3).at(0).problem, "object-index");
  EXPECT_EQ(flipped(row.index_position + 3).at(0).range->next, row.next);
  EXPECT_STREQ(flipped(20).at(0).problem, "object-header");
  EXPECT_STREQ(flipped(bytes_.size() - 30).at(0).problem, "object-footer");
  EXPECT_STREQ(flipped(bytes_.size() - 70).at(0).problem, "object-tail");
}

TEST_F(ObjectCheckTest, WithoutTheDataOnlyThatIsNotRead) {
  const PartitionRow& row = made_.partitions[0];
  EXPECT_TRUE(flipped(row.data_position + 70, ObjectCheck::Depth::kIndexes).empty());
  EXPECT_EQ(flipped(row.index_position + 3, ObjectCheck::Depth::kIndexes).size(), 1U);
  EXPECT_EQ(flipped(20, ObjectCheck::Depth::kIndexes).size(), 1U);
}

}  // namespace
}  // namespace millrace::segment
