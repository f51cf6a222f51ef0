#include "segment/cut.h"

#include "io/simulated_disk.h"
#include "objects/local_store.h"
#include "segment/segment.h"
#include "segment/test_batches.h"

#include <gtest/gtest.h>

#include <gmock/gmock.h>

#include <map>

namespace millrace::segment {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

const TopicPartition kA{topic_of(1), PartitionId{0}};
const TopicPartition kB{topic_of(1), PartitionId{4}};
const TopicPartition kC{topic_of(2), PartitionId{0}};

class CutTest : public testing::Test {
 protected:
  CutTest() { header_.object = ObjectId(topic_of(77)); }

  void fill(TopicPartition partition, int64_t first, int batches, size_t bytes = 100) {
    auto& log = log_[partition];
    for (int64_t i = first; i < first + batches; ++i) {
      log.push_back(batch_of(Offset{i}, std::string(bytes, 'x')));
    }
  }

  Result<Cut> cut_of(const std::vector<CutPart>& parts, const CutLimits& limits = {}) {
    const CutSource source{[this](TopicPartition partition, Offset from, size_t max_bytes) {
                             return read(partition, from, max_bytes);
                           },
                           [](const TopicId& id) { return TopicEntry{id, "topic", ""}; }};
    return cut(*store_, header_, parts, source, limits);
  }

  Result<std::vector<record::StoredBatch>> read(TopicPartition partition, Offset from,
                                                size_t max_bytes) {
    std::vector<record::StoredBatch> found;
    size_t bytes = 0;
    for (const auto& batch : log_[partition]) {
      if (batch.base_offset < from) {
        continue;
      }
      if (damaged_.contains(partition) && batch.base_offset >= damaged_[partition]) {
        return found.empty()
                   ? Result<std::vector<record::StoredBatch>>(make_error(Code::kCorrupt, "damaged"))
                   : found;
      }
      if (!found.empty() && bytes + batch.payload.size() > max_bytes) {
        break;
      }
      bytes += batch.payload.size();
      found.push_back(batch);
    }
    return found;
  }

  std::unique_ptr<Segment> open(const std::string& name) {
    return Segment::open(store_->read(name).value(), name).value();
  }

  io::SimulatedDisk disk_{1};
  std::unique_ptr<objects::LocalStore> store_ =
      objects::LocalStore::open(disk_, "/data/store", "/data/tmp").value();
  Header header_;
  std::map<TopicPartition, std::vector<record::StoredBatch>> log_;
  std::map<TopicPartition, Offset> damaged_;
};

TEST_F(CutTest, OnePartitionIsASegmentUnderItsFirstOffset) {
  fill(kB, 5, 10);
  const auto made = cut_of({{kB, Offset{7}, Offset{12}}}).value();
  EXPECT_EQ(made.name, segment_name(header_.object, kB, Offset{7}));
  const auto segment = open(made.name);
  EXPECT_TRUE(segment->verify().ok());
  ASSERT_EQ(made.made.partitions.size(), 1U);
  EXPECT_EQ(made.made.partitions[0], segment->tail().partitions[0]);
  EXPECT_EQ(made.made.partitions[0].first, Offset{7});
  EXPECT_EQ(made.made.partitions[0].next, Offset{12});
  EXPECT_EQ(segment->tail().topics[0].topic, "topic");
}

TEST_F(CutTest, SeveralPartitionsAreAMixedObject) {
  fill(kA, 0, 3);
  fill(kB, 0, 1);
  fill(kC, 9, 2);
  const auto made =
      cut_of({{kA, Offset{0}, Offset{3}}, {kB, Offset{0}, Offset{1}}, {kC, Offset{9}, Offset{11}}})
          .value();
  EXPECT_EQ(made.name, mixed_name(header_.object));
  EXPECT_TRUE(open(made.name)->verify().ok());
  EXPECT_EQ(made.made.partitions.size(), 3U);
  EXPECT_THAT(made.unread, IsEmpty());
}

TEST_F(CutTest, APartitionEndsWithTheBatchThatReachesALimit) {
  fill(kA, 0, 20);
  const uint64_t one = log_[kA].front().payload.size();
  const auto next_of = [&](const CutLimits& limits) {
    header_.object = ObjectId(Uuid::random());
    return cut_of({{kA, Offset{0}, Offset{20}}}, limits)->made.partitions[0].next.value;
  };
  EXPECT_EQ(next_of({.bytes = 4 * one - 1}), 4);
  EXPECT_EQ(next_of({.bytes = 4 * one}), 4);
  EXPECT_EQ(next_of({.bytes = 4 * one + 1}), 5);
  EXPECT_EQ(next_of({.batches = 6}), 6);
  EXPECT_EQ(next_of({.batches = 20}), 20);
}

TEST_F(CutTest, ReadsOnOverThePiecesOfTheLog) {
  fill(kA, 0, 30, 1 << 20);
  const auto made = cut_of({{kA, Offset{0}, Offset{30}}}).value();
  EXPECT_EQ(made.made.partitions[0].next, Offset{30});
  EXPECT_TRUE(open(made.name)->verify().ok());
}

TEST_F(CutTest, WhatCannotBeReadEndsItsPartitionAlone) {
  fill(kA, 0, 5);
  fill(kB, 0, 5);
  fill(kC, 0, 5);
  damaged_[kA] = Offset{0};
  damaged_[kB] = Offset{3};
  const auto made =
      cut_of({{kA, Offset{0}, Offset{5}}, {kB, Offset{0}, Offset{5}}, {kC, Offset{0}, Offset{5}}})
          .value();
  ASSERT_EQ(made.unread.size(), 2U);
  EXPECT_EQ(made.unread[0].first, kA);
  EXPECT_THAT(made.unread[1].second.message, HasSubstr("damaged"));
  const auto segment = open(made.name);
  EXPECT_EQ(segment->tail().partition(kA), nullptr);
  EXPECT_EQ(segment->tail().partition(kB)->next, Offset{3});
  EXPECT_EQ(segment->tail().partition(kC)->next, Offset{5});
}

TEST_F(CutTest, NothingReadIsNoObject) {
  fill(kA, 0, 5);
  damaged_[kA] = Offset{0};
  const auto made = cut_of({{kA, Offset{0}, Offset{5}}}).value();
  EXPECT_THAT(made.made.partitions, IsEmpty());
  EXPECT_EQ(made.unread.size(), 1U);
  EXPECT_TRUE(store_->list("segments")->empty());
}

TEST_F(CutTest, AFullStoreIsAnErrorAndLeavesNothing) {
  fill(kA, 0, 50, 100'000);
  disk_.set_faults({.capacity_bytes = 1 << 20});
  EXPECT_EQ(cut_of({{kA, Offset{0}, Offset{50}}}).error().code, Code::kOverloaded);
  disk_.set_faults({});
  EXPECT_TRUE(store_->list("segments")->empty());
  EXPECT_TRUE(cut_of({{kA, Offset{0}, Offset{50}}}).ok());
}

}  // namespace
}  // namespace millrace::segment
