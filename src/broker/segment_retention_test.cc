#include "broker/segment_retention.h"

#include <gtest/gtest.h>

#include <gmock/gmock.h>

#include <algorithm>
#include <map>

namespace millrace::broker {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;
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

  /// Object, topic: of all expired parts, each partition's in order of offset.
  std::vector<std::pair<int, int>> expired_parts(int64_t now_ms) const {
    std::vector<std::pair<int, int>> parts;
    std::map<TopicPartition, Offset> starts;
    for (const auto& [object, partition] : broker::expired_parts(segments_, wishes(), now_ms)) {
      parts.emplace_back(object.bytes[0], partition.topic.bytes[0]);
      const auto row = std::ranges::find(segments_, object, &catalog::SegmentRow::object);
      const auto part =
          std::ranges::find(row->parts, partition, &catalog::SegmentPartRow::partition);
      Offset& start = starts[partition];
      EXPECT_LE(start, part->first) << "of one partition, in order";
      start = part->next;
    }
    return parts;
  }

  /// Of kA.
  std::vector<int> expired(int64_t now_ms) const {
    std::vector<int> numbers;
    for (const auto& [object, topic] : expired_parts(now_ms)) {
      if (topic == 1) {
        numbers.push_back(object);
      }
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
  add(2, {{kA, 0, 10}, {kB, 10, 20}, {partition_of(3), 0, 5}});
  add(3, {{kB, 20, 30}});
  EXPECT_THAT(expired_parts(1 << 30),
              UnorderedElementsAre(Pair(1, 2), Pair(2, 2), Pair(2, 3), Pair(3, 2)));
}

TEST_F(SegmentRetentionTest, AMixedObjectHoldsNothingBackThatIsBehindIt) {
  settings(kA).retention_ms = 1000;
  settings(kB);
  add(1, {{kA, 0, 10, 100}, {kB, 0, 10, 100}});
  add(2, {{kA, 10, 20, 200}});
  add(3, {{kA, 20, 30, 300}, {kB, 10, 20, 300}});
  EXPECT_THAT(expired_parts(1100), IsEmpty());
  EXPECT_THAT(expired_parts(1101), ElementsAre(Pair(1, 1)));
  EXPECT_THAT(expired_parts(1300), ElementsAre(Pair(1, 1), Pair(2, 1)));
  settings(kB).retention_ms = 1000;
  EXPECT_THAT(expired_parts(1300), UnorderedElementsAre(Pair(1, 1), Pair(1, 2), Pair(2, 1)));
}

TEST_F(SegmentRetentionTest, PartsOfAnObjectComeBesideOneAnotherWhereTheOrderAllows) {
  for (const TopicPartition partition : {kA, kB}) {
    settings(partition).retention_ms = 1000;
  }
  add(2, {{kA, 10, 20}, {kB, 10, 20}});
  add(1, {{kA, 0, 10}, {kB, 0, 10}});
  segments_[0].created_ms = 2;
  segments_[1].created_ms = 1;
  EXPECT_THAT(expired_parts(5000), ElementsAre(Pair(1, 1), Pair(1, 2), Pair(2, 1), Pair(2, 2)));
  // Each has what comes first in one of them.
  segments_[0].parts[1].first = Offset{0};
  segments_[0].parts[1].next = Offset{10};
  segments_[1].parts[1].first = Offset{10};
  segments_[1].parts[1].next = Offset{20};
  EXPECT_THAT(expired_parts(5000), ElementsAre(Pair(1, 1), Pair(2, 1), Pair(2, 2), Pair(1, 2)));
}

TEST_F(SegmentRetentionTest, DeletedRecordsGoWithTheLastOfTheirPart) {
  settings(kA);
  settings(kB);
  add(1, {{kA, 0, 10}});
  add(2, {{kA, 10, 20}, {kB, 0, 5}});
  add(3, {{kA, 20, 30}});
  deleted_below_[kA] = Offset{9};
  EXPECT_THAT(expired_parts(0), IsEmpty());
  deleted_below_[kA] = Offset{10};
  EXPECT_THAT(expired_parts(0), ElementsAre(Pair(1, 1)));
  deleted_below_[kA] = Offset{30};
  EXPECT_THAT(expired_parts(0), ElementsAre(Pair(1, 1), Pair(2, 1), Pair(3, 1)));
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
