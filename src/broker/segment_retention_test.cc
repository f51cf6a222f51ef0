#include "broker/segment_retention.h"

#include <gtest/gtest.h>

#include <gmock/gmock.h>

#include <map>

namespace millrace::broker {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

TopicPartition partition_of(uint8_t topic, int32_t partition = 0) {
  TopicPartition id;
  id.topic.bytes[0] = topic;
  id.partition = PartitionId{partition};
  return id;
}

const TopicPartition kA = partition_of(1);
const TopicPartition kB = partition_of(2);

class SegmentRetentionTest : public testing::Test {
 protected:
  struct Part {
    TopicPartition partition;
    int64_t first;
    int64_t next;
    int64_t time_ms = 0;
    uint64_t bytes = 100;
  };

  void add(uint8_t object, const std::vector<Part>& parts) {
    catalog::SegmentRow& row = segments_.emplace_back();
    row.object.bytes[0] = object;
    for (const Part& part : parts) {
      row.parts.push_back(
          {part.partition, Offset{part.first}, Offset{part.next}, part.time_ms, part.bytes});
    }
  }

  SegmentWishes wishes() const {
    return {[this](const TopicId& id) {
              const auto found = settings_.find(id);
              return found == settings_.end() ? std::nullopt : std::optional(found->second);
            },
            [this](TopicPartition partition) {
              const auto found = behind_.find(partition);
              return found == behind_.end() ? uint64_t{0} : found->second;
            },
            [this](TopicPartition partition) {
              const auto found = deleted_below_.find(partition);
              return found == deleted_below_.end() ? Offset{0} : found->second;
            }};
  }

  /// All objects are of one partition.
  int64_t wanted_from(int64_t now_ms) const {
    std::vector<catalog::SegmentPartRow> parts;
    parts.reserve(segments_.size());
    for (const auto& row : segments_) {
      parts.push_back(row.parts.front());
    }
    return broker::wanted_from(parts, wishes(), now_ms).value;
  }

  std::vector<int> expired(int64_t now_ms) const {
    std::vector<int> numbers;
    for (const Uuid& object : expired_segments(segments_, wishes(), now_ms)) {
      numbers.push_back(object.bytes[0]);
    }
    return numbers;
  }

  TopicSettings& settings(TopicPartition partition) {
    TopicSettings& settings = settings_[partition.topic];
    settings.retention_ms = -1;
    return settings;
  }

  std::vector<catalog::SegmentRow> segments_;
  std::map<TopicId, TopicSettings> settings_;
  std::map<TopicPartition, uint64_t> behind_;
  std::map<TopicPartition, Offset> deleted_below_;
};

TEST_F(SegmentRetentionTest, ByTimeOldestFirst) {
  settings(kA).retention_ms = 1000;
  add(3, {{kA, 20, 30, 300}});
  add(1, {{kA, 0, 10, 100}});
  add(2, {{kA, 10, 20, 200}});
  EXPECT_THAT(expired(1100), IsEmpty());
  EXPECT_THAT(expired(1101), ElementsAre(1));
  EXPECT_THAT(expired(1301), ElementsAre(1, 2, 3));
}

TEST_F(SegmentRetentionTest, ANewerRecordKeepsWhatIsBehindIt) {
  settings(kA).retention_ms = 1000;
  add(1, {{kA, 0, 10, 500}});
  add(2, {{kA, 10, 20, 100}});  // out of order: what is left must be dense
  EXPECT_THAT(expired(1400), IsEmpty());
  EXPECT_THAT(expired(1501), ElementsAre(1, 2));
}

TEST_F(SegmentRetentionTest, ByBytesWithThoseInTheJournal) {
  settings(kA).retention_bytes = 250;
  add(1, {{kA, 0, 10}});
  add(2, {{kA, 10, 20}});
  add(3, {{kA, 20, 30}});
  EXPECT_THAT(expired(0), IsEmpty());  // without the first there would be 200
  behind_[kA] = 49;
  EXPECT_THAT(expired(0), IsEmpty());
  behind_[kA] = 50;
  EXPECT_THAT(expired(0), ElementsAre(1));
  behind_[kA] = 1000;
  EXPECT_THAT(expired(0), ElementsAre(1, 2, 3));
}

TEST_F(SegmentRetentionTest, NothingOfADeletedTopicIsWanted) {
  settings(kA);
  add(1, {{kB, 0, 10}});
  add(2, {{kB, 10, 20}, {partition_of(3), 0, 5}});
  add(3, {{kA, 0, 10}});
  EXPECT_THAT(expired(1 << 30), UnorderedElementsAre(1, 2));
}

TEST_F(SegmentRetentionTest, ADeletedTopicGoesFromTheFrontTooSinceTheCatalogTakesNoGap) {
  settings(kA);
  add(1, {{kB, 0, 10}});
  add(2, {{kA, 0, 10}, {kB, 10, 20}});
  add(3, {{kB, 20, 30}});
  EXPECT_THAT(expired(0), ElementsAre(1));
  settings_.erase(kA.topic);
  EXPECT_THAT(expired(0), UnorderedElementsAre(1, 2, 3));
}

TEST_F(SegmentRetentionTest, AMixedObjectStaysAsLongAsOneOfItsPartitionsWantsIt) {
  settings(kA).retention_ms = 1000;
  settings(kB);
  add(1, {{kA, 0, 10, 100}, {kB, 0, 10, 100}});
  add(2, {{kA, 10, 20, 200}});
  EXPECT_THAT(expired(5000), IsEmpty());  // 2 is not kA's oldest
  settings(kB).retention_ms = 1000;
  EXPECT_THAT(expired(5000), UnorderedElementsAre(1, 2));
  settings_.erase(kB.topic);
  EXPECT_THAT(expired(5000), UnorderedElementsAre(1, 2));
}

TEST_F(SegmentRetentionTest, ADeletedTopicGoesFromItsFrontToo) {
  settings(kA);
  add(1, {{kA, 0, 10}, {kB, 0, 10}});
  add(2, {{kB, 10, 20}});
  EXPECT_THAT(expired(5000), IsEmpty());  // else what is left of kB would end before it did
}

TEST_F(SegmentRetentionTest, WhatMixedObjectsHeldBackGoesInTheSameCall) {
  for (const TopicPartition partition : {kA, kB}) {
    settings(partition).retention_ms = 1000;
  }
  // Sorted by their first parts, 2 is looked at before 1, which it waits for.
  add(1, {{kA, 50, 60, 0}, {kB, 0, 10, 0}});
  add(2, {{kA, 40, 50, 0}});
  add(3, {{kB, 10, 20, 0}});
  EXPECT_THAT(expired(5000), UnorderedElementsAre(1, 2, 3));
}

TEST_F(SegmentRetentionTest, DeletedRecordsGoWithTheLastOfTheirObject) {
  settings(kA);
  settings(kB);
  add(1, {{kA, 0, 10}});
  add(2, {{kA, 10, 20}, {kB, 0, 5}});
  add(3, {{kA, 20, 30}});
  deleted_below_[kA] = Offset{9};
  EXPECT_THAT(expired(0), IsEmpty());
  deleted_below_[kA] = Offset{10};
  EXPECT_THAT(expired(0), ElementsAre(1));
  deleted_below_[kA] = Offset{30};
  EXPECT_THAT(expired(0), ElementsAre(1)) << "kB holds the second, and that the third";
  deleted_below_[kB] = Offset{5};
  EXPECT_THAT(expired(0), UnorderedElementsAre(1, 2, 3));
}

TEST_F(SegmentRetentionTest, WhatIsWantedBeginsBehindDeletedRecords) {
  settings(kA).retention_bytes = 250;
  add(1, {{kA, 5, 10}});
  add(2, {{kA, 10, 20}});
  add(3, {{kA, 20, 30}});
  EXPECT_EQ(wanted_from(0), 5);
  deleted_below_[kA] = Offset{19};
  EXPECT_EQ(wanted_from(0), 10);
  deleted_below_[kA] = Offset{20};
  EXPECT_EQ(wanted_from(0), 20);
  behind_[kA] = 250;
  EXPECT_EQ(wanted_from(0), 30) << "by bytes";
  behind_[kA] = 0;
  deleted_below_[kA] = Offset{31};
  EXPECT_EQ(wanted_from(0), 30);
}

TEST_F(SegmentRetentionTest, WhereWhatIsWantedOfAPartitionBegins) {
  TopicSettings& wish = settings(kA);
  wish.retention_ms = 1000;
  wish.retention_bytes = 250;
  add(1, {{kA, 5, 10, 100}});
  add(2, {{kA, 10, 20, 200}});
  add(3, {{kA, 20, 30, 150}});
  EXPECT_EQ(wanted_from(1100), 5);
  EXPECT_EQ(wanted_from(1101), 10);
  EXPECT_EQ(wanted_from(1200), 10) << "the second holds the third back";
  EXPECT_EQ(wanted_from(1201), 30);
  behind_[kA] = 50;
  EXPECT_EQ(wanted_from(0), 10);
  behind_[kA] = 150;
  EXPECT_EQ(wanted_from(0), 20);
  settings_.erase(kA.topic);
  EXPECT_EQ(wanted_from(0), 30);
  segments_.clear();
  EXPECT_EQ(wanted_from(0), 0);
}

}  // namespace
}  // namespace millrace::broker
