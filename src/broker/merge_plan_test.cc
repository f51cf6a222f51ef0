#include "broker/merge_plan.h"

#include "catalog/memory_catalog.h"

#include <gtest/gtest.h>

#include <gmock/gmock.h>

#include <algorithm>
#include <map>
#include <random>

namespace millrace::broker {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr MergeRules kRules{.bytes = 1000, .least_segment = 100, .batches = 50, .age = 5min};
constexpr int64_t kNow = 1'000'000'000;

TopicPartition partition_of(int32_t number) {
  TopicPartition id;
  id.topic.bytes[0] = 1;
  id.partition = PartitionId{number};
  return id;
}

class MergePlan : public testing::Test {
 protected:
  struct Part {
    int32_t partition = 0;
    uint64_t bytes = 0;
    int64_t skipped = 0;  // offsets before it that an object holds that is no candidate
  };

  /// Each part goes on where the one before of its partition ended.
  void add(const std::vector<Part>& parts, std::chrono::milliseconds age = 0ms) {
    catalog::SegmentRow row;
    row.object.bytes[0] = 9;
    row.object.bytes[14] = static_cast<uint8_t>(objects_.size() >> 8U);
    row.object.bytes[15] = static_cast<uint8_t>(objects_.size());
    row.created_ms = kNow - age.count();
    for (const Part& part : parts) {
      Offset& end = ends_[part.partition];
      const Offset first = end + part.skipped;
      end = first + 10;
      row.parts.push_back({partition_of(part.partition), first, end, 0, part.bytes});
      row.bytes += part.bytes;
    }
    objects_.push_back(std::make_shared<const catalog::SegmentRow>(row));
  }

  /// Which of those added.
  std::vector<size_t> plan(const MergeRules& rules = kRules) const {
    std::vector<size_t> numbers;
    for (const auto& object : plan_merge(objects_, kNow, rules)) {
      numbers.push_back(
          static_cast<size_t>(std::ranges::find(objects_, object) - objects_.begin()));
    }
    return numbers;
  }

  std::vector<History::SegmentPtr> objects_;
  std::map<int32_t, Offset> ends_;
};

TEST_F(MergePlan, EightOfOneSizeAreMergedTwoOnceTheyAreOld) {
  for (int i = 0; i < 7; ++i) {
    add({{1, 10}});
  }
  EXPECT_THAT(plan(), IsEmpty());
  add({{1, 10}});
  EXPECT_THAT(plan(), ElementsAre(0, 1, 2, 3, 4, 5, 6, 7));
  objects_.clear();
  add({{1, 10}}, 5min);
  EXPECT_THAT(plan(), IsEmpty());
  add({{1, 10}}, 5min - 1ms);
  EXPECT_THAT(plan(), IsEmpty());
  objects_.pop_back();
  ends_[1] = ends_[1] + -10;
  add({{1, 10}}, 5min);
  EXPECT_THAT(plan(), ElementsAre(0, 1));
}

TEST_F(MergePlan, AnObjectWaitsUntilTheOthersAreAsMuch) {
  add({{1, 50}}, 1h);
  add({{1, 20}}, 1h);
  EXPECT_THAT(plan(), IsEmpty());
  add({{1, 10}}, 1h);
  add({{1, 10}}, 1h);
  EXPECT_THAT(plan(), ElementsAre(1, 2, 3)) << "20 + 10 + 10 are less than 50";
  add({{1, 10}}, 1h);
  EXPECT_THAT(plan(), ElementsAre(0, 1, 2, 3, 4));
}

TEST_F(MergePlan, WhatIsLargeIsLeftAlone) {
  add({{1, 99}});
  add({{1, 100}});
  add({{1, 250}, {2, 249}});
  add({{1, 250}, {2, 250}});
  EXPECT_TRUE(is_mergeable(*objects_[0], kRules));
  EXPECT_FALSE(is_mergeable(*objects_[1], kRules));
  EXPECT_TRUE(is_mergeable(*objects_[2], kRules));
  EXPECT_FALSE(is_mergeable(*objects_[3], kRules));
  auto trimmed = *objects_[3];
  trimmed.parts.front().bytes = 249;
  EXPECT_TRUE(is_mergeable(trimmed, kRules)) << "of its 500 bytes 499 are wanted";
}

TEST_F(MergePlan, WhatAnotherObjectIsBetweenIsNotMerged) {
  add({{1, 10}, {2, 10}}, 1h);
  add({{2, 10}, {3, 10}}, 1h);
  add({{1, 10, 5}, {2, 10}}, 1h);
  add({{2, 20}}, 1h);
  EXPECT_THAT(plan(), ElementsAre(0, 1));
  objects_.erase(objects_.begin(), objects_.begin() + 2);
  EXPECT_THAT(plan(), ElementsAre(0, 1));
}

TEST_F(MergePlan, OffsetsSayWhatIsOlderNotTheClock) {
  add({{1, 10}}, 1h);
  add({{1, 10}, {2, 10}}, 3h);
  add({{2, 10}}, 2h);
  EXPECT_THAT(plan(), ElementsAre(0, 1, 2));
  std::ranges::reverse(objects_);
  EXPECT_THAT(plan(), ElementsAre(2, 1, 0));
}

TEST_F(MergePlan, AGroupHasAsManyBytesAndObjectsAsTheRulesSay) {
  for (int i = 0; i < 30; ++i) {
    add({{1, 90}}, 1h);
  }
  EXPECT_THAT(plan(), SizeIs(22));  // of 2 x 1000 bytes
  MergeRules few = kRules;
  few.most_objects = 5;
  EXPECT_THAT(plan(few), SizeIs(5));
}

TEST_F(MergePlan, MoreThanIsPutInOrderAtOnceIsPlannedToo) {
  for (int i = 0; i < 5000; ++i) {  // no two of them meet
    add({{1, 10, 5}}, 1h);
  }
  EXPECT_THAT(plan(), IsEmpty());
  add({{1, 10}}, 1h);
  EXPECT_THAT(plan(), ElementsAre(4999, 5000));
}

class PlanMerged : public testing::Test {
 protected:
  static MergePart part_of(size_t object, int32_t partition, int64_t first, uint64_t bytes,
                           size_t batches = 1) {
    return {object, partition_of(partition), Offset{first}, Offset{first + 10}, bytes, batches};
  }

  /// Of each object made: (partition, first offset) of the parts.
  static std::vector<std::vector<std::pair<int32_t, int64_t>>> plan(std::vector<MergePart> parts) {
    std::vector<std::vector<std::pair<int32_t, int64_t>>> objects;
    for (const auto& object : plan_merged(std::move(parts), kRules)) {
      auto& out = objects.emplace_back();
      for (const MergedPart& merged : object) {
        for (const MergePart& part : merged) {
          out.emplace_back(part.partition.partition.value, part.first.value);
        }
      }
    }
    return objects;
  }
};

using testing::Pair;

TEST_F(PlanMerged, WhatHasEnoughTogetherBecomesASegmentTheRestIsMixed) {
  EXPECT_THAT(plan({part_of(0, 1, 0, 50), part_of(0, 2, 0, 50), part_of(0, 3, 0, 1),
                    part_of(1, 1, 10, 49), part_of(1, 2, 10, 50), part_of(1, 3, 10, 1)}),
              ElementsAre(ElementsAre(Pair(2, 0), Pair(2, 10)),
                          ElementsAre(Pair(1, 0), Pair(1, 10), Pair(3, 0), Pair(3, 10))));
  EXPECT_THAT(plan({}), IsEmpty());
}

TEST_F(PlanMerged, ASegmentEndsBeforeThePartThatIsTooMuch) {
  EXPECT_THAT(plan({part_of(0, 1, 0, 400), part_of(1, 1, 10, 400), part_of(2, 1, 20, 201)}),
              ElementsAre(ElementsAre(Pair(1, 0), Pair(1, 10)), ElementsAre(Pair(1, 20))));
  EXPECT_THAT(plan({part_of(0, 1, 0, 1, 30), part_of(1, 1, 10, 1, 20), part_of(2, 1, 20, 1, 1)}),
              ElementsAre(ElementsAre(Pair(1, 0), Pair(1, 10)), ElementsAre(Pair(1, 20))));
}

TEST_F(PlanMerged, MixedObjectsEndWithThePartitionThatFillsThem) {
  std::vector<MergePart> parts;
  parts.reserve(15);
  for (int32_t i = 0; i < 15; ++i) {
    parts.push_back(part_of(0, i, 0, 99));
  }
  EXPECT_THAT(plan(parts), ElementsAre(SizeIs(11), SizeIs(4)));
}

/// A catalog of objects, which refuses what is not dense, and merges in it.
class MergedCatalog {
 public:
  explicit MergedCatalog(MergeRules rules) : rules_(rules) {}

  void add(const std::vector<std::pair<int32_t, uint64_t>>& parts) {
    catalog::SegmentRow row = object_of(now_ms_);
    for (const auto& [partition, bytes] : parts) {
      Offset& end = ends_[partition];
      row.parts.push_back({partition_of(partition), end, end + 10, 0, bytes});
      row.bytes += bytes;
      end = end + 10;
      written_ += bytes;
    }
    commit({.added = {row}, .removed = {}, .place = {}});
  }

  void merge_all() {
    for (int turns = 0; !testing::Test::HasFatalFailure(); ++turns) {
      ASSERT_LT(turns, 1000) << "it has no end";
      std::vector<History::SegmentPtr> objects;
      for (const auto& row : contents_.segments) {
        if (is_mergeable(row, rules_)) {
          objects.push_back(std::make_shared<const catalog::SegmentRow>(row));
        }
      }
      const auto group = plan_merge(objects, now_ms_, rules_);
      if (group.empty()) {
        return;
      }
      commit(merged(group));
    }
  }

  void pass(std::chrono::milliseconds time) { now_ms_ += time.count(); }

  size_t objects() const { return contents_.segments.size(); }

  double rewritten() const {
    return static_cast<double>(rewritten_) / static_cast<double>(written_);
  }

 private:
  catalog::SegmentRow object_of(int64_t created_ms) {
    catalog::SegmentRow row;
    row.object = Uuid::random();
    row.name = "segments/" + row.object.to_string() + ".seg";
    row.created_ms = created_ms;
    return row;
  }

  catalog::SegmentsCommit merged(const std::vector<History::SegmentPtr>& group) {
    catalog::SegmentsCommit commit;
    std::vector<MergePart> parts;
    int64_t created_ms = 0;
    for (size_t i = 0; i < group.size(); ++i) {
      commit.removed.push_back(group[i]->object);
      created_ms = std::max(created_ms, group[i]->created_ms);
      for (const auto& part : group[i]->parts) {
        parts.push_back({i, part.partition, part.first, part.next, part.bytes, 1});
      }
    }
    for (const auto& object : plan_merged(parts, rules_)) {
      catalog::SegmentRow& row = commit.added.emplace_back(object_of(created_ms));
      for (const MergedPart& merged : object) {
        auto& out = row.parts.emplace_back(catalog::SegmentPartRow{
            merged.front().partition, merged.front().first, merged.back().next, 0, 0});
        for (const MergePart& part : merged) {
          out.bytes += part.bytes;
        }
        row.bytes += out.bytes;
        rewritten_ += out.bytes;
      }
    }
    return commit;
  }

  void commit(const catalog::SegmentsCommit& commit) {
    const Status applied = catalog::apply(contents_, commit);
    ASSERT_TRUE(applied.ok()) << applied.error().message;
  }

  const MergeRules rules_;
  catalog::Contents contents_;
  std::map<int32_t, Offset> ends_;
  int64_t now_ms_ = kNow;
  uint64_t written_ = 0;
  uint64_t rewritten_ = 0;
};

TEST(MergePlanBound, AByteIsRewrittenOnceForEachEightfold) {
  // 2, 16, 128, 1024, 8192 bytes, which is half of a segment.
  MergedCatalog catalog({.bytes = 16'384, .least_segment = 100'000, .batches = 100'000});
  for (int i = 0; i < 8192; ++i) {
    catalog.add({{1, 1}, {2, 1}});
    catalog.merge_all();
    ASSERT_LE(catalog.objects(), 7U * 4U + 2U) << i;
  }
  EXPECT_LE(catalog.rewritten(), 4.0);
  EXPECT_GE(catalog.rewritten(), 3.0) << "the test is of no use";
}

TEST(MergePlanBound, OfOldObjectsAByteIsRewrittenOnceForEachDoubling) {
  // 2 to 1024 bytes.
  MergedCatalog catalog({.bytes = 2048, .least_segment = 100'000, .batches = 100'000});
  for (int i = 0; i < 2048; ++i) {
    catalog.add({{1, 1}, {2, 1}});
    catalog.pass(10min);
    catalog.merge_all();
    ASSERT_LE(catalog.objects(), 9U + 4U) << i;
  }
  EXPECT_LE(catalog.rewritten(), 9.0);
  EXPECT_GE(catalog.rewritten(), 4.0) << "the test is of no use";
}

TEST(MergePlanBound, WhateverComesStaysDenseAndBecomesLittle) {
  for (uint32_t seed = 1; seed <= 5; ++seed) {
    std::mt19937 random(seed);
    const auto below = [&](uint32_t most) { return static_cast<uint32_t>(random() % most); };
    MergedCatalog catalog({.bytes = 1000, .least_segment = 125, .batches = 50, .age = 5min});
    for (int i = 0; i < 400; ++i) {
      std::map<int32_t, uint64_t> object;
      for (uint32_t n = 1 + below(6); n > 0; --n) {
        object[static_cast<int32_t>(below(8))] = 1 + below(below(20) == 0 ? 900 : 10);
      }
      catalog.add({object.begin(), object.end()});
      if (below(3) == 0) {
        catalog.pass(std::chrono::seconds(below(300)));
        catalog.merge_all();
        ASSERT_FALSE(testing::Test::HasFatalFailure()) << seed;
      }
    }
    EXPECT_LT(catalog.objects(), 250U) << seed;
    EXPECT_LT(catalog.rewritten(), 10.0) << seed;
  }
}

}  // namespace
}  // namespace millrace::broker
