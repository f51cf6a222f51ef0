#include "broker/merger_test.h"

#include <gmock/gmock.h>

namespace millrace::broker {
namespace {

using namespace std::chrono_literals;
using objects::PutFate;
using testing::ElementsAre;
using testing::StartsWith;

TEST_F(MergerTest, SmallObjectsBecomeFewAndEveryRecordStaysAtItsOffset) {
  for (int i = 0; i < 64; ++i) {
    add({{1}, {2, 1 + i % 3}, {3 + i % 4, 2, 100}});
    clock_.advance(1s);
  }
  expect_whole();
  merge_all();
  EXPECT_LT(objects(), 20U);
  EXPECT_EQ(stored(), objects());
  expect_whole();
  restart();
  expect_whole();
}

TEST_F(MergerTest, APartitionWithEnoughGetsASegmentOfItsOwn) {
  for (int i = 0; i < 8; ++i) {
    add({{1, 2}, {2, 1, 10}, {3, 1, 10}});
  }
  ASSERT_TRUE(merge().value().is_more);
  std::vector<std::string> names;
  for (const auto& row : history_->segments()) {
    names.push_back(row.name);
    EXPECT_EQ(memory_.look(row.name)->bytes, row.bytes);
  }
  std::ranges::sort(names);
  EXPECT_THAT(names, ElementsAre(StartsWith("segments/" + id(1).topic.to_string() + "/1/000"),
                                 StartsWith("segments/mixed/")));
  EXPECT_FALSE(merge().value().is_more);
  EXPECT_EQ(merger_->counters().merges, 1U);
  EXPECT_EQ(merger_->counters().replaced, 8U);
  EXPECT_EQ(merger_->counters().objects, 2U);
  EXPECT_EQ(merger_->counters().bytes, history_->size().bytes);
  expect_whole();
}

TEST_F(MergerTest, AnIndexSaysWhatThoseBeforeItSaid) {
  using segment::PartitionState;
  // A transaction of producer 7 begins in the first part and is aborted in the second.
  const PartitionState first{
      .aborted = {{5, Offset{0}, Offset{1}}},
      .producers = {{.id = 5, .epoch = 1, .batches = {{Offset{0}, 0, 0, 1000}}}},
      .open = {{7, Offset{1}}}};
  const PartitionState second{
      .aborted = {{5, Offset{0}, Offset{1}}, {7, Offset{1}, Offset{3}}},
      .producers = {{.id = 5, .epoch = 2, .batches = {{Offset{3}, 9, 9, 2000}}},
                    {.id = 7, .epoch = 0, .batches = {}}},
      .open = {{8, Offset{3}}}};
  add({{1, 2, 1000, first}, {2}});
  clock_.advance(5min);
  add({{1, 2, 1000, second}, {2}});
  clock_.advance(5min);
  std::vector<segment::BatchEntry> entries;
  for (const auto& row : history_->segments()) {
    const auto source = segment::Segment::open(memory_.read(row.name).value(), row.name).value();
    const auto index = source->index(*source->tail().partition(id(1))).value();
    entries.insert(entries.end(), index.batches.begin(), index.batches.end());
  }
  std::ranges::sort(entries, {}, &segment::BatchEntry::base);
  const int64_t made_ms = now_ms() - 300'000;
  ASSERT_TRUE(merge().value().is_more);
  ASSERT_EQ(objects(), 1U);
  const auto row = history_->segments().front();
  EXPECT_EQ(row.created_ms, made_ms);
  const auto merged = segment::Segment::open(memory_.read(row.name).value(), row.name).value();
  EXPECT_EQ(merged->verify()->created_ms, made_ms);
  EXPECT_EQ(merged->tail().topics.front().topic, "topic now");
  const auto& part = *merged->tail().partition(id(1));
  EXPECT_EQ(part.stable, Offset{3});
  const auto index = merged->index(part).value();
  EXPECT_EQ(index.batches, entries);
  EXPECT_EQ(index.state.aborted, second.aborted);
  EXPECT_EQ(index.state.producers, second.producers);
  EXPECT_EQ(index.state.open, second.open);
}

TEST_F(MergerTest, BytesAreRewrittenSeldom) {
  rules_.bytes = uint64_t{1} << 30;
  rules_.least_segment = uint64_t{1} << 30;
  restart();
  for (int i = 0; i < 512; ++i) {
    add({{1, 1, 100}, {2, 1, 100}});
    merge_all();
    ASSERT_LE(objects(), 21U);
  }
  // Three times each, at most; rows, topics and indexes come on top of the batches.
  EXPECT_LE(merger_->counters().bytes, written_ * 5);
  EXPECT_GE(merger_->counters().bytes, written_ * 2);
  expect_whole();
}

TEST_F(MergerTest, WhatIsExpiredIsNotWrittenAgain) {
  settings_.retention_ms = 60'000;
  add({{1}, {2, 1}});
  clock_.advance(61s);
  for (int i = 0; i < 7; ++i) {
    add({{1}, {3}});
  }
  ASSERT_TRUE(merge().value().is_more);
  expect_whole({{1, 1}, {2, 1}});
}

TEST_F(MergerTest, WhatIsExpiredBehindWhatAnotherObjectHasIsKept) {
  settings_.retention_ms = 60'000;
  add({{1, 8}, {2, 60}});  // too large for a merge
  ASSERT_FALSE(is_mergeable(history_->segments().front(), rules_));
  for (int i = 0; i < 7; ++i) {
    add({{1}, {3}});
  }
  clock_.advance(61s);
  for (int i = 0; i < 3; ++i) {
    add({{3}});
  }
  ASSERT_TRUE(merge().value().is_more);
  expect_whole({{3, 7}});
}

TEST_F(MergerTest, OfADeletedTopicNothingIsWrittenAgain) {
  for (int i = 0; i < 8; ++i) {
    add({{1}, {2}});
  }
  ended_.insert(segment::topic_of(1));
  ASSERT_TRUE(merge().value().is_more);
  EXPECT_EQ(objects(), 0U);
  EXPECT_EQ(merger_->counters().bytes, 0U);
}

TEST_F(MergerTest, ATopicThatIsNotKnownKeepsTheEntryOfItsObjects) {
  ended_.insert(segment::topic_of(1));
  add({{1, 8}, {2, 60}});
  for (int i = 0; i < 8; ++i) {
    add({{1}});
  }
  ASSERT_TRUE(merge().value().is_more);
  for (const auto& row : history_->segments()) {
    const auto object = segment::Segment::open(memory_.read(row.name).value(), row.name).value();
    EXPECT_EQ(object->tail().topics.front().topic, "topic then");
  }
  expect_whole();
}

TEST_F(MergerTest, WhatIsAppendedMeanwhileStaysBehind) {
  for (int i = 0; i < 8; ++i) {
    add({{1}, {2}});
  }
  bool is_added = false;
  store_.set_faults({.least_latency = 1ns, .most_latency = 1ns});
  on_request_ = [&] {
    if (!is_added) {
      is_added = true;
      add({{1}, {2}});
    }
  };
  ASSERT_TRUE(merge().value().is_more);
  on_request_ = {};
  ASSERT_TRUE(is_added);
  expect_whole();
  restart();
  expect_whole();
}

TEST_F(MergerTest, AStoreThatIsAwayLosesNothing) {
  for (int i = 0; i < 8; ++i) {
    add({{1}, {2}});
  }
  store_.set_away(true);
  EXPECT_EQ(merge().error().code, Code::kOverloaded);
  EXPECT_EQ(merger_->counters().failures, 1U);
  EXPECT_EQ(objects(), 8U);
  store_.set_away(false);
  merge_all();
  EXPECT_EQ(objects(), 2U);
  expect_whole();
}

TEST_F(MergerTest, APutOfUnknownOutcomeLeavesAtMostAnObjectThatNothingNames) {
  for (const PutFate fate :
       {PutFate::kRefused, PutFate::kBrokenDone, PutFate::kBrokenNotDone, PutFate::kBrokenLate}) {
    for (int i = 0; i < 8; ++i) {
      add({{1, 2}, {2, 1, 10}, {3, 1, 10}});
    }
    const size_t before = objects();
    store_.plan_puts({PutFate::kDone, fate});
    EXPECT_FALSE(merge().ok());
    EXPECT_EQ(objects(), before);
    EXPECT_EQ(stored(), before + (fate == PutFate::kBrokenDone ? 1 : 0)) << "the first is removed";
    expect_whole();
    restart();
    expect_whole();
    merge_all();
    if (fate == PutFate::kBrokenLate) {
      EXPECT_TRUE(*store_.land_late_put());
    }
    for (const auto& object : *memory_.list("segments")) {
      const auto rows = history_->segments();
      if (std::ranges::find(rows, object.name, &catalog::SegmentRow::name) == rows.end()) {
        ASSERT_TRUE(memory_.remove(object.name).ok());
      }
    }
    expect_whole();
  }
}

TEST_F(MergerTest, ATopicIsRememberedWhileAPutOfItHasNoKnownEnd) {
  for (const bool fails : {true, false}) {
    for (int i = 0; i < 8; ++i) {
      add({{1, 1, 10}, {2, 1, 10}});
    }
    history_->tell_swept();
    history_->tell_contents({});
    if (fails) {
      store_.plan_puts({PutFate::kBrokenDone});
    }
    const auto merged = run(merger_->merge());
    ASSERT_EQ(merged.ok(), !fails);
    catalog::SegmentsCommit all;
    for (const auto& row : history_->segments()) {
      all.removed.push_back(row.object);
    }
    ASSERT_TRUE(catalog_->commit_segments(all).ok());
    history_->apply(all);
    for (const Uuid& object : all.removed) {
      history_->gone(object);
    }
    for (size_t i = 0; !fails && i < merged->replaced.size(); ++i) {
      history_->gone(merged->replaced[i]->object);
    }
    EXPECT_EQ(history_->may_have(id(1).topic), fails);
    restart();
  }
}

TEST_F(MergerTest, ACatalogThatRefusesLosesNothing) {
  for (int i = 0; i < 8; ++i) {
    add({{1}, {2}});
  }
  catalog_->fail_next({make_error(Code::kOverloaded, "disk full"), false});
  EXPECT_EQ(merge().error().code, Code::kOverloaded);
  EXPECT_EQ(stored(), 8U);
  expect_whole();
  merge_all();
  expect_whole();
}

TEST_F(MergerTest, AfterACommitOfUnknownOutcomeBothAreThereUntilTheNextStart) {
  for (const bool takes_effect : {false, true}) {
    for (int i = 0; i < 8; ++i) {
      add({{1, 1, 10}, {2, 1, 10}});
    }
    const size_t before = stored();
    const size_t named = objects();
    catalog_->fail_next({make_error(Code::kIo, "lost power"), takes_effect});
    EXPECT_EQ(merge().error().code, Code::kIo);
    EXPECT_EQ(stored(), before + 1);
    expect_whole();
    const auto again = merge();  // nothing is written for a catalog that takes nothing
    EXPECT_TRUE(again.ok() && !again->is_more);
    EXPECT_EQ(stored(), before + 1);
    restart();
    EXPECT_EQ(objects(), takes_effect ? 1 : named);
    expect_whole();
  }
}

TEST_F(MergerTest, ADamagedObjectStaysAsItIsAndTheOthersAreMerged) {
  for (int i = 0; i < 6; ++i) {
    add({{1}, {2}});
  }
  const std::string victim = add({{3, 3}, {4}});
  const auto reader = memory_.read(victim).value();
  std::vector<std::byte> bytes(reader->bytes());
  ASSERT_TRUE(reader->read_at(0, bytes).ok());
  bytes[segment::kHeaderBytes + 1500] ^= std::byte{1};
  auto writer = memory_.create(victim).value();
  ASSERT_TRUE(writer->write(bytes).ok());
  ASSERT_TRUE(writer->publish().ok());
  for (int i = 0; i < 12; ++i) {
    add({{1}, {2}});
  }
  const auto first = merge();
  ASSERT_TRUE(first.ok() && first->is_more);
  EXPECT_EQ(objects(), 19U);
  EXPECT_EQ(stored(), 19U);
  merge_all();
  EXPECT_EQ(merger_->counters().failures, 0U);
  EXPECT_EQ(objects(), 3U);  // two segments
  EXPECT_EQ(bytes::as_text(history_->read(id(3), Offset{0}, 1)->front().payload),
            values_[id(3)][Offset{0}]);
  EXPECT_EQ(history_->read(id(3), Offset{1}, 1).error().code, Code::kCorrupt);
  values_.erase(id(3));
  expect_whole();
  EXPECT_FALSE(merge().value().is_more) << "it is not tried again";
}

TEST_F(MergerTest, AMissingObjectIsNoEndOfTheOthers) {
  for (int i = 0; i < 4; ++i) {
    add({{1}, {2}});
  }
  ASSERT_TRUE(memory_.remove(add({{3}})).ok());
  for (int i = 0; i < 5; ++i) {
    add({{1}, {2}});
  }
  merge_all();
  EXPECT_EQ(objects(), 3U);
  EXPECT_EQ(history_->read(id(3), Offset{0}, 1).error().code, Code::kCorrupt);
  values_.erase(id(3));
  expect_whole();
}

TEST_F(MergerTest, AnObjectThatIsNotWhatTheCatalogSaysIsLeftAlone) {
  const auto replace = [&](const catalog::SegmentRow& row, const Uuid& object, Offset first) {
    auto writer =
        segment::SegmentWriter::begin(memory_.create(row.name).value(),
                                      {log_->directory_id(), segment::ObjectId(object), now_ms()})
            .value();
    writer.begin_partition(id(1), {id(1).topic, "", ""});
    for (Offset at = first; at < row.parts.front().next; at = at + 1) {
      ASSERT_TRUE(writer.add(batch_at(id(1), at, 10, now_ms())).ok());
    }
    ASSERT_TRUE(writer.end_partition().ok());
    ASSERT_TRUE(writer.publish().ok());
  };
  for (const bool is_another : {true, false}) {
    const Offset first = ends_[id(1)];
    add({{1, 2, 10}});
    const auto row = history_->segments_if(
        [&](const catalog::SegmentRow& one) { return one.parts.front().first == first; });
    replace(*row.front(), is_another ? Uuid{{9}} : row.front()->object,
            is_another ? first : first + 1);
    add({{1, 2, 10}});
    clock_.advance(5min);
    ASSERT_TRUE(merge().value().is_more);  // it is found
    EXPECT_FALSE(merge().value().is_more);
    EXPECT_EQ(merger_->counters().merges, 0U);
  }
}

TEST_F(MergerTest, DeletedRecordsAreNotWrittenAgain) {
  for (int i = 0; i < 8; ++i) {
    add({{1, 2}, {2}});
  }
  deleted_below_[id(1)] = Offset{7};
  deleted_below_[id(2)] = Offset{8};
  clock_.advance(5min);
  merge_all();
  expect_whole({{1, 6}, {2, 8}});
  EXPECT_EQ(history_->range(id(2)), std::nullopt);
}

TEST_F(MergerTest, AStopGivesUpAndLeavesNothing) {
  for (int i = 0; i < 8; ++i) {
    add({{1, 2}, {2}, {3}});
  }
  runtime::CancelSource stop;
  store_.set_faults({.least_latency = 1ns, .most_latency = 1ns});
  on_request_ = [&] {
    if (stored() > 8) {  // the first of two is there
      stop.cancel();
    }
  };
  store_.plan_puts({PutFate::kDone});
  const auto merged = merge(stop.token());
  on_request_ = {};
  if (stop.is_cancelled()) {
    EXPECT_FALSE(merged.value().is_more);
  }
  runtime::CancelSource before;
  before.cancel();
  EXPECT_FALSE(merge(before.token()).value().is_more);
  EXPECT_EQ(stored() - replaced_.size(), objects());
  expect_whole();
}

TEST_F(MergerTest, ASegmentThatIsFullOfSmallBatchesIsLeftAlone) {
  rules_.batches = 20;
  restart();
  for (int i = 0; i < 4; ++i) {
    add({{1, 10, 1}});
  }
  add({{1, 6, 1}});
  clock_.advance(5min);
  merge_all();
  EXPECT_EQ(objects(), 5U);
  for (int i = 0; i < 8; ++i) {
    add({{2, 6, 1}});
  }
  merge_all();
  EXPECT_EQ(objects(), 5U + 3U);  // 18, 18 and 12 batches
  expect_whole();
  EXPECT_FALSE(merge().value().is_more);
}

TEST_F(MergerTest, ARandomHistoryStaysWhole) {
  for (uint32_t seed = 1; seed <= 5; ++seed) {
    uint32_t random = seed;
    const auto below = [&](uint32_t most) {
      random = random * 1'664'525U + 1'013'904'223U;
      return static_cast<int>((random >> 16U) % most);
    };
    for (int i = 0; i < 60; ++i) {
      std::vector<Part> parts;
      for (int32_t partition = 0; partition < 6; ++partition) {
        if (below(3) == 0 || (partition == 5 && parts.empty())) {
          parts.push_back({partition, 1 + below(3), static_cast<size_t>(1 + below(2000)), {}});
        }
      }
      add(parts);
      clock_.advance(std::chrono::seconds(below(200)));
      if (below(4) == 0) {
        merge_all();
      }
    }
    expect_whole();
    restart();
    expect_whole();
    EXPECT_EQ(stored(), objects());
  }
}

}  // namespace
}  // namespace millrace::broker
