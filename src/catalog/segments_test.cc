// Segment objects in every catalog.
#include "catalog/catalog_test.h"

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <random>

namespace millrace::catalog {
namespace {

class SegmentsTest : public CatalogTest {
 protected:
  SegmentsTest() : catalog_(begun()) {}

  /// Refused with kInvalid, a message that has `says`, and nothing written.
  void expect_refused(const SegmentsCommit& commit, const std::string& says) {
    const Contents before = stored();
    const Status status = catalog_->commit_segments(commit);
    ASSERT_FALSE(status.ok()) << says;
    EXPECT_EQ(status.error().code, Code::kInvalid) << status.error().message;
    EXPECT_NE(status.error().message.find(says), std::string::npos) << status.error().message;
    EXPECT_EQ(stored(), before);
  }

  std::vector<uint64_t> stored_objects() {
    std::vector<uint64_t> numbers;
    for (const SegmentRow& object : stored().segments) {
      numbers.push_back(object.object.bytes[7]);
    }
    return numbers;
  }

  Catalog& next_life() {
    catalog_.reset();
    catalog_ = begun();
    return *catalog_;
  }

  std::unique_ptr<Catalog> catalog_;
};

INSTANTIATE_TEST_SUITE_P(Kinds, SegmentsTest, testing::ValuesIn(kKinds), name_of_kind);

TEST_P(SegmentsTest, ComeBackInOrderWithTheirPlace) {
  const SegmentRow mixed = object_of(3, {part_of(1, 2, 0, 4), part_of(2, 0, 7, 9)});
  const SegmentRow before = object_of(9, {part_of(2, 0, 5, 7)});
  const SegmentRow behind = object_of(1, {part_of(2, 0, 9, 10)});
  EXPECT_OK(catalog_->commit_segments(segments_of({before, mixed})));
  EXPECT_OK(catalog_->commit_segments(segments_of({behind}, {}, 8)));
  const Contents contents = stored();
  EXPECT_EQ(contents.segments, (std::vector{behind, mixed, before}));
  EXPECT_EQ(contents.segments_place, place_of(8));
  EXPECT_EQ(contents.broker_place, std::nullopt);
  EXPECT_EQ(contents.tables_place, std::nullopt);
}

TEST_P(SegmentsTest, AreInOneStoreUntilTheLastOneIsGone) {
  EXPECT_EQ(stored().store, std::nullopt);
  EXPECT_OK(catalog_->commit_store("s3://a"));
  EXPECT_EQ(stored().store, "s3://a");
  EXPECT_OK(next_life().commit_store("s3://b/c"));  // there is no object yet
  const SegmentRow object = object_of(1, {part_of(2, 0, 0, 5)});
  EXPECT_OK(catalog_->commit_segments(segments_of({object})));
  const auto refuses = [&] {
    const Status status = next_life().commit_store("s3://a");
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, Code::kConflict);
    EXPECT_NE(status.error().message.find("1 segment objects of this directory are in s3://b/c"),
              std::string::npos)
        << status.error().message;
    EXPECT_EQ(stored().store, "s3://b/c");
  };
  refuses();
  EXPECT_OK(next_life().commit_store("s3://b/c"));
  EXPECT_OK(catalog_->commit_segments(segments_of({}, {1})));
  refuses();  // it is leaving
  SegmentsCommit gone = segments_of({});
  gone.gone = {object.object};
  EXPECT_OK(catalog_->commit_segments(gone));
  EXPECT_OK(next_life().commit_store("data directory"));
  EXPECT_EQ(stored().store, "data directory");
}

TEST_P(SegmentsTest, OtherPartsAndSegmentsLeaveEachOtherAlone) {
  EXPECT_OK(catalog_->commit_broker(broker_part(1)));
  EXPECT_OK(catalog_->commit_flush(flush_of(2, 0, 0, 10)));
  const Contents before = stored();
  EXPECT_OK(catalog_->commit_segments(segments_of({object_of(1, {part_of(2, 0, 0, 5)})})));
  Contents contents = stored();
  const std::vector<SegmentRow> segments = std::exchange(contents.segments, {});
  EXPECT_EQ(std::exchange(contents.segments_place, std::nullopt), place_of(7));
  EXPECT_EQ(contents, before);
  EXPECT_OK(catalog_->drop_table(topic_id(2), place_of(20)));
  BrokerPart none;
  none.place = place_of(21);
  EXPECT_OK(catalog_->commit_broker(none));
  EXPECT_EQ(stored().segments, segments);
  EXPECT_EQ(stored().segments_place, place_of(7));
}

TEST_P(SegmentsTest, APartThatDoesNotGoOnIsRefusedByPartitionAndOffsets) {
  EXPECT_OK(catalog_->commit_segments(
      segments_of({object_of(1, {part_of(2, 3, 10, 20), part_of(4, 0, 0, 5)})})));
  const std::string name = "segments of " + topic_id(2).to_string() + " partition 3: ";
  const auto add = [](int64_t first, int64_t next) {
    return segments_of({object_of(5, {part_of(2, 3, first, next)})});
  };
  expect_refused(add(21, 30), name + "offsets 20 to 20 are in no object");
  expect_refused(add(40, 50), name + "offsets 20 to 39 are in no object");
  expect_refused(add(19, 30), name + "offsets 19 to 19 are in two objects");
  expect_refused(add(12, 14), name + "offsets 12 to 13 are in two objects");
  expect_refused(add(10, 20), name + "offsets 10 to 19 are in two objects");
  expect_refused(add(0, 9), name + "offsets 9 to 9 are in no object");
  expect_refused(add(0, 11), name + "offsets 10 to 10 are in two objects");
  expect_refused(
      segments_of({object_of(5, {part_of(2, 3, 20, 25)}), object_of(6, {part_of(2, 3, 26, 30)})}),
      name + "offsets 25 to 25 are in no object");
  // A right part beside a wrong one is not taken either.
  expect_refused(segments_of({object_of(5, {part_of(1, 0, 0, 5), part_of(2, 3, 30, 40)})}),
                 name + "offsets 20 to 29 are in no object");
  EXPECT_OK(catalog_->commit_segments(add(20, 30)));
  EXPECT_OK(catalog_->commit_segments(segments_of({object_of(6, {part_of(2, 3, 9, 10)})})));
}

TEST_P(SegmentsTest, RetentionTakesFromTheFrontAlone) {
  EXPECT_OK(catalog_->commit_segments(
      segments_of({object_of(1, {part_of(2, 0, 0, 5)}), object_of(2, {part_of(2, 0, 5, 8)}),
                   object_of(3, {part_of(2, 0, 8, 9)}), object_of(4, {part_of(2, 0, 9, 20)})})));
  const std::string name = "segments of " + topic_id(2).to_string() + " partition 0: ";
  expect_refused(segments_of({}, {2}), name + "offsets 5 to 7 are in no object");
  expect_refused(segments_of({}, {2, 3}), name + "offsets 5 to 8 are in no object");
  expect_refused(segments_of({}, {1, 3}), name + "offsets 8 to 8 are in no object");
  expect_refused(segments_of({}, {4}), name + "their end would move back from 20 to 9");
  expect_refused(segments_of({}, {1, 2, 4}), name + "their end would move back from 20 to 9");
  EXPECT_OK(catalog_->commit_segments(segments_of({}, {2, 1}, 8)));
  EXPECT_EQ(stored_objects(), (std::vector<uint64_t>{3, 4}));
  EXPECT_EQ(stored().segments_place, place_of(8));
}

TEST_P(SegmentsTest, AMixedObjectIsAtTheFrontOnlyWhereAllItsPartsAre) {
  EXPECT_OK(catalog_->commit_segments(
      segments_of({object_of(1, {part_of(2, 0, 0, 5), part_of(2, 1, 10, 20)}),
                   object_of(2, {part_of(2, 0, 5, 9), part_of(2, 1, 5, 10)})})));
  expect_refused(segments_of({}, {2}), "partition 0: their end would move back from 9 to 5");
  expect_refused(segments_of({}, {1}), "partition 1: their end would move back from 20 to 10");
  EXPECT_OK(catalog_->commit_segments(segments_of({}, {1, 2})));
}

TEST_P(SegmentsTest, ATrimmedPartLeavesItsObjectToTheOthers) {
  const auto part = [](uint64_t object, int32_t partition) {
    return TrimmedPart{object_id(object), {topic_id(2), PartitionId{partition}}};
  };
  EXPECT_OK(catalog_->commit_segments(
      segments_of({object_of(1, {part_of(2, 0, 0, 5), part_of(2, 1, 3, 9), part_of(2, 2, 0, 1)}),
                   object_of(2, {part_of(2, 0, 5, 9), part_of(2, 1, 9, 10)}),
                   object_of(3, {part_of(2, 0, 9, 12)})})));
  expect_refused(trimmed_of({part(2, 0)}), "partition 0: offsets 5 to 8 are in no object");
  expect_refused(trimmed_of({part(2, 1)}), "partition 1: their end would move back from 10 to 9");
  expect_refused(trimmed_of({part(1, 0), part(1, 0)}), "a trimmed part stands there twice");
  EXPECT_CODE(kConflict, catalog_->commit_segments(trimmed_of({part(1, 3)})));
  EXPECT_CODE(kConflict, catalog_->commit_segments(trimmed_of({part(4, 0)})));
  expect_refused(trimmed_of({part(1, 0), part(1, 1), part(1, 2)}), "it would have no parts left");
  SegmentsCommit both = segments_of({}, {1});
  both.trimmed = {part(1, 0)};
  expect_refused(both, "a segment object stands there twice");
  EXPECT_OK(catalog_->commit_segments(trimmed_of({part(1, 0), part(2, 0)}, 8)));
  EXPECT_EQ(stored().segments_place, place_of(8));
  EXPECT_EQ(stored().segments[0].parts, (std::vector{part_of(2, 1, 3, 9), part_of(2, 2, 0, 1)}));
  EXPECT_EQ(stored().segments[1].parts, std::vector{part_of(2, 1, 9, 10)});
  EXPECT_CODE(kConflict, catalog_->commit_segments(trimmed_of({part(1, 0)})));
  // The last of partition 2, with an object that it has nothing to do with.
  SegmentsCommit mixed = segments_of({object_of(5, {part_of(2, 0, 12, 13)})}, {3});
  mixed.trimmed = {part(1, 2)};
  EXPECT_OK(catalog_->commit_segments(mixed));
  EXPECT_EQ(stored_objects(), (std::vector<uint64_t>{1, 2, 5}));
  // Away with what is left of it, as of any other.
  EXPECT_OK(catalog_->commit_segments(segments_of({}, {1})));
  EXPECT_EQ(stored().leaving.size(), 2U);
}

TEST_P(SegmentsTest, AMergeReplacesObjectsByOthersOfTheSameOffsets) {
  EXPECT_OK(catalog_->commit_segments(
      segments_of({object_of(1, {part_of(2, 0, 0, 5), part_of(2, 1, 3, 4)}),
                   object_of(2, {part_of(2, 0, 5, 8), part_of(2, 1, 4, 9)}),
                   object_of(3, {part_of(2, 0, 8, 12)})})));
  const auto merge = [](int64_t next) {
    return segments_of(
        {object_of(4, {part_of(2, 0, 0, next)}), object_of(5, {part_of(2, 1, 3, 9)})}, {1, 2}, 9);
  };
  expect_refused(merge(7), "partition 0: offsets 7 to 7 are in no object");
  expect_refused(merge(9), "partition 0: offsets 8 to 8 are in two objects");
  EXPECT_OK(catalog_->commit_segments(merge(8)));
  EXPECT_EQ(stored_objects(), (std::vector<uint64_t>{3, 4, 5}));
  // And one that takes away the front and adds behind the end as well.
  EXPECT_OK(catalog_->commit_segments(segments_of(
      {object_of(6, {part_of(2, 0, 8, 10)}), object_of(7, {part_of(2, 0, 10, 15)})}, {3, 4})));
  EXPECT_EQ(stored_objects(), (std::vector<uint64_t>{5, 6, 7}));
}

TEST_P(SegmentsTest, TheEndOfAPartitionStaysWhenItsLastPartGoes) {
  const TopicPartition told = part_of(1, 0, 0, 9).partition;
  const TopicPartition untold = part_of(2, 3, 0, 9).partition;
  BrokerPart broker = broker_part();
  broker.partitions = {{told, Offset{1}, Offset{4}}};
  EXPECT_OK(catalog_->commit_broker(broker));
  const SegmentRow one = object_of(1, {part_of(1, 0, 2, 6), part_of(2, 3, 0, 5)});
  const SegmentRow two = object_of(2, {part_of(1, 0, 6, 9), part_of(2, 3, 5, 7)});
  EXPECT_OK(catalog_->commit_segments(segments_of({one, two})));
  EXPECT_OK(catalog_->commit_segments(segments_of({}, {1})));
  EXPECT_EQ(stored().partitions, broker.partitions) << "parts are left";
  EXPECT_OK(catalog_->commit_segments(trimmed_of({{two.object, told}})));
  EXPECT_EQ(stored().partitions, (std::vector<PartitionRow>{{told, Offset{1}, Offset{9}}}));
  EXPECT_OK(catalog_->commit_segments(segments_of({}, {2})));
  const std::vector<PartitionRow> both{{told, Offset{1}, Offset{9}},
                                       {untold, Offset{7}, Offset{7}}};
  EXPECT_EQ(stored().partitions, both);
  EXPECT_EQ(next_life().contents().partitions, both);
  broker.partitions[0].next = Offset{12};
  EXPECT_OK(catalog_->commit_broker(broker));
  EXPECT_OK(catalog_->commit_segments(segments_of({object_of(3, {part_of(1, 0, 9, 11)})})));
  EXPECT_OK(catalog_->commit_segments(segments_of({}, {3})));
  EXPECT_EQ(stored().partitions, broker.partitions) << "it is no lower than what the broker said";
}

TEST_P(SegmentsTest, APartitionWithoutPartsMayBeginAnywhere) {
  EXPECT_OK(catalog_->commit_segments(segments_of({object_of(1, {part_of(2, 0, 100, 105)})})));
  expect_refused(segments_of({object_of(2, {part_of(2, 0, 0, 104)})}, {1}),
                 "their end would move back from 105 to 104");
  EXPECT_OK(catalog_->commit_segments(segments_of({object_of(2, {part_of(2, 0, 200, 205)})}, {1})));
  EXPECT_OK(catalog_->commit_segments(segments_of({}, {2})));
  EXPECT_TRUE(stored().segments.empty());
  EXPECT_OK(catalog_->commit_segments(segments_of({object_of(3, {part_of(2, 0, 3, 4)})})));
}

TEST_P(SegmentsTest, WhatIsRemovedIsLeavingUntilItIsGone) {
  const SegmentRow first = object_of(1, {part_of(2, 0, 0, 5)});
  const SegmentRow second = object_of(2, {part_of(2, 0, 5, 9)});
  const auto leaving = [](const SegmentRow& row) { return LeavingObject{row.object, row.name}; };
  EXPECT_OK(catalog_->commit_segments(segments_of({first, second})));
  EXPECT_CODE(kConflict, catalog_->commit_segments(gone_of({1})));
  EXPECT_OK(catalog_->commit_segments(segments_of({}, {1, 2})));
  EXPECT_EQ(stored().leaving, (std::vector{leaving(first), leaving(second)}));
  EXPECT_CODE(kConflict, catalog_->commit_segments(segments_of({first})));
  SegmentsCommit both = gone_of({1}, 9);
  both.added.push_back(object_of(3, {part_of(2, 0, 9, 10)}));
  EXPECT_OK(catalog_->commit_segments(both));
  EXPECT_EQ(stored().leaving, std::vector{leaving(second)});
  EXPECT_EQ(stored().segments_place, place_of(9));
  EXPECT_CODE(kConflict, catalog_->commit_segments(gone_of({1})));
  EXPECT_CODE(kConflict, catalog_->commit_segments(gone_of({2, 4})));
  EXPECT_EQ(stored().leaving, std::vector{leaving(second)});
  expect_refused(gone_of({2, 2}), "a segment object stands there twice");
  EXPECT_OK(catalog_->commit_segments(gone_of({2})));
  EXPECT_TRUE(stored().leaving.empty());
}

TEST_P(SegmentsTest, WhatIsThereOrMissingIsAConflictAndWritesNothing) {
  EXPECT_OK(catalog_->commit_segments(segments_of({object_of(1, {part_of(2, 0, 0, 5)})})));
  const Contents before = stored();
  const SegmentRow right = object_of(2, {part_of(1, 0, 0, 5)});
  EXPECT_CODE(kConflict, catalog_->commit_segments(segments_of({right, before.segments[0]})));
  EXPECT_CODE(kConflict,
              catalog_->commit_segments(segments_of({right, object_of(1, {part_of(2, 0, 5, 9)})})));
  EXPECT_CODE(kConflict, catalog_->commit_segments(segments_of({right}, {1, 3})));
  EXPECT_CODE(kConflict, catalog_->commit_segments(segments_of({}, {3})));
  EXPECT_EQ(stored(), before);
  EXPECT_OK(catalog_->commit_segments(segments_of({right}, {1})));
}

TEST_P(SegmentsTest, NothingToDoMovesThePlace) {
  EXPECT_OK(catalog_->commit_segments(segments_of({}, {}, 3)));
  EXPECT_EQ(stored().segments_place, place_of(3));
  EXPECT_TRUE(stored().segments.empty());
}

TEST_P(SegmentsTest, GreatestAndLeastValuesComeBack) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  SegmentRow object = object_of(1, {part_of(2, std::numeric_limits<int32_t>::max(), 0, kMost)});
  object.bytes = object.parts[0].bytes = static_cast<uint64_t>(kMost);
  object.created_ms = std::numeric_limits<int64_t>::min();
  object.parts[0].max_timestamp_ms = -1;
  SegmentRow last = object_of(2, {part_of(3, 0, kMost - 1, kMost)});
  last.parts[0].max_timestamp_ms = kMost;
  EXPECT_OK(catalog_->commit_segments(segments_of({object, last})));
  EXPECT_EQ(stored().segments, (std::vector{object, last}));
}

TEST_P(SegmentsTest, RowsThatBreakARuleAreRefused) {
  EXPECT_OK(catalog_->commit_segments(segments_of({object_of(1, {part_of(2, 0, 0, 5)})})));
  const auto refuses = [&](const std::string& says, auto change) {
    SegmentsCommit commit = segments_of({object_of(2, {part_of(3, 0, 0, 5), part_of(3, 1, 0, 5)})});
    change(commit.added[0]);
    expect_refused(commit, says);
  };
  const std::string id = object_id(2).to_string();
  refuses("no id", [](SegmentRow& row) { row.object = {}; });
  for (const std::string& name :
       {std::string(), "mixed/" + id + ".seg", "segments/mixed/" + id, "segments/../" + id + ".seg",
        "segments//" + id + ".seg", "segments/mixed/" + object_id(1).to_string() + ".seg"}) {
    refuses("its name is '" + name + "'", [&](SegmentRow& row) { row.name = name; });
  }
  refuses("beyond 2^63", [](SegmentRow& row) { row.bytes = uint64_t{1} << 63; });
  refuses("it has no parts", [](SegmentRow& row) { row.parts.clear(); });
  refuses("out of order", [](SegmentRow& row) { std::swap(row.parts[0], row.parts[1]); });
  refuses("there twice", [](SegmentRow& row) { row.parts[1] = row.parts[0]; });
  refuses("a part of", [](SegmentRow& row) { row.parts[0].partition.topic = {}; });
  refuses("a part of", [](SegmentRow& row) { row.parts[0].partition.partition.value = -1; });
  refuses("offsets -1 to 5", [](SegmentRow& row) { row.parts[0].first = Offset{-1}; });
  refuses("offsets 0 to 0", [](SegmentRow& row) { row.parts[0].next = Offset{0}; });
  refuses("timestamp -2", [](SegmentRow& row) { row.parts[0].max_timestamp_ms = -2; });
  refuses("0 bytes", [](SegmentRow& row) { row.parts[0].bytes = 0; });
  refuses("1101 bytes", [](SegmentRow& row) { row.parts[1].bytes = 1101; });
  refuses("~", [](SegmentRow& row) { row.name += '~'; });
  SegmentsCommit commit = segments_of({object_of(1, {part_of(2, 0, 5, 6)})}, {1});
  expect_refused(commit, "a segment object stands there twice");
  expect_refused(segments_of({}, {1, 1}), "a segment object stands there twice");
  commit = segments_of({});
  commit.place.position = uint64_t{1} << 63;
  expect_refused(commit, "place in the journal");
}

TEST_P(SegmentsTest, NeedABeginLikeAnyCommit) {
  const auto catalog = GetParam().make()->open().value();
  EXPECT_CODE(kInvalid, catalog->commit_segments(segments_of({})));
}

/// The rules again, by counting how many objects have an offset, with nothing in common with how
/// the catalog looks at a commit.
class CountedOffsets {
 public:
  void add(const SegmentRow& object) {
    for (const SegmentPartRow& part : object.parts) {
      for (int64_t at = part.first.value; at < part.next.value; ++at) {
        ++objects_[part.partition][static_cast<size_t>(at)];
      }
    }
  }

  /// Each offset between the first and the last is in one object, and no end is before that of
  /// `before` but where there is nothing any more.
  bool may_follow(const CountedOffsets& before) const {
    for (const auto& [partition, offsets] : objects_) {
      const auto [first, end] = bounds(partition);
      for (size_t at = first; at < end; ++at) {
        if (offsets.at(at) != 1) {
          return false;
        }
      }
      if (first != end && end < before.bounds(partition).second) {
        return false;
      }
    }
    return true;
  }

 private:
  static constexpr size_t kOffsets = 64;

  std::pair<size_t, size_t> bounds(const TopicPartition& partition) const {
    const auto found = objects_.find(partition);
    size_t first = 0;
    size_t end = 0;
    for (size_t at = 0; found != objects_.end() && at < kOffsets; ++at) {
      if (found->second[at] != 0) {
        first = end == 0 ? at : first;
        end = at + 1;
      }
    }
    return {first, end};
  }

  std::map<TopicPartition, std::array<int, kOffsets>> objects_;
};

/// Commits of all sorts, and what each would leave.
class RandomSegments {
 public:
  struct Step {
    SegmentsCommit commit;
    std::vector<SegmentRow> left;
    bool is_right = false;
  };

  Step next() {
    Step step;
    step.commit = segments_of({});
    CountedOffsets before;
    CountedOffsets after;
    const bool is_trim = below(4) == 0;
    for (const SegmentRow& object : there) {
      before.add(object);
      if (below(3) != 0) {
        step.left.push_back(object);
      } else if (!is_trim) {
        step.commit.removed.push_back(object.object);
      } else if (SegmentRow& left = step.left.emplace_back(object); left.parts.size() > 1) {
        const auto part = left.parts.begin() + static_cast<ptrdiff_t>(below(left.parts.size()));
        step.commit.trimmed.push_back({object.object, part->partition});
        left.parts.erase(part);
      }
    }
    for (uint64_t n = is_trim ? below(2) : below(3); n > 0; --n) {
      SegmentRow object = make_object();
      step.left.push_back(object);
      step.commit.added.push_back(std::move(object));
    }
    for (const SegmentRow& object : step.left) {
      after.add(object);
    }
    step.is_right = after.may_follow(before);
    return step;
  }

  std::vector<SegmentRow> there;

 private:
  uint64_t below(uint64_t n) { return random_() % n; }

  /// Mostly where others begin or end, so that many fit.
  int64_t edge() { return static_cast<int64_t>(4 * below(12) + (below(12) == 0 ? 1 : 0)); }

  SegmentRow make_object() {
    std::vector<SegmentPartRow> parts;
    while (parts.empty()) {
      for (int32_t partition = 0; partition < 2; ++partition) {
        const int64_t first = edge();
        const int64_t next = edge();
        if (first < next && below(2) == 0) {
          parts.push_back(part_of(1, partition, first, next));
        }
      }
    }
    return object_of(next_object_++, std::move(parts));
  }

  std::mt19937_64 random_{5};
  uint64_t next_object_ = 1;
};

/// Very many commits: not with the syncs of a real disk.
class ManySegmentsTest : public SegmentsTest {};

INSTANTIATE_TEST_SUITE_P(Kinds, ManySegmentsTest, testing::Values(kKinds[0], kKinds[1]),
                         name_of_kind);

TEST_P(ManySegmentsTest, AreTakenExactlyWhenWhatTheyLeaveIsDense) {
  RandomSegments segments;
  int additions = 0;
  int removals = 0;
  int trims = 0;
  int replacements = 0;
  int refusals = 0;
  for (int i = 0; i < 15000; ++i) {
    RandomSegments::Step step = segments.next();
    const Status status = catalog_->commit_segments(step.commit);
    ASSERT_EQ(status.ok(), step.is_right) << i << (status.ok() ? "" : status.error().message);
    const bool has_added = !step.commit.added.empty();
    const bool has_removed = !step.commit.removed.empty();
    if (!status.ok()) {
      EXPECT_EQ(status.error().code, Code::kInvalid);
      ++refusals;
      continue;
    }
    additions += has_added && !has_removed ? 1 : 0;
    removals += has_removed && !has_added && !step.left.empty() ? 1 : 0;
    trims += step.commit.trimmed.empty() ? 0 : 1;
    replacements += has_added && has_removed ? 1 : 0;
    segments.there = std::move(step.left);
  }
  EXPECT_EQ(stored().segments, segments.there);  // both in order of the numbers
  for (const int count : {additions, removals, trims, replacements, refusals}) {
    EXPECT_GT(count, 30);
  }
}

}  // namespace
}  // namespace millrace::catalog
