#include "objects/memory_store.h"
#include "record/record_batch.h"
#include "segment/segment.h"
#include "segment/segment_writer.h"
#include "server/rebuild_gap.h"
#include "server/rebuild_journal.h"
#include "server/rebuild_segments.h"

#include <gtest/gtest.h>

#include <gmock/gmock.h>

#include <algorithm>

namespace millrace::server {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr int64_t kNow = 1'700'000'000'000;

TopicId topic_of(uint8_t id) {
  TopicId topic;
  topic.bytes[15] = id;
  return topic;
}

broker::TopicRecord record_of(uint8_t id, std::string name, int64_t created_ms = 0) {
  broker::TopicRecord topic;
  topic.id = topic_of(id);
  topic.name = std::move(name);
  topic.partitions = 2;
  topic.created_ms = created_ms;
  return topic;
}

/// Offsets [first, next) of a partition.
struct Span {
  uint8_t topic = 0;
  int32_t partition = 0;
  int64_t first = 0;
  int64_t next = 0;
  int64_t max_timestamp_ms = kNow;
};

/// A search of which only what matters here is filled in.
class Found {
 public:
  Found& object(uint8_t id, int64_t created_ms, const std::vector<broker::TopicRecord>& topics,
                const std::vector<Span>& spans) {
    broker::FoundObject object;
    object.header.object.bytes[0] = id;
    object.header.created_ms = created_ms;
    object.name = "object " + std::to_string(id);
    object.bytes = 1 << 20;
    for (const auto& topic : topics) {
      object.tail.topics.push_back({topic.id, topic.to_frame().value, ""});
    }
    for (const Span& span : spans) {
      segment::PartitionRow row;
      row.partition = {topic_of(span.topic), PartitionId{span.partition}};
      row.first = Offset{span.first};
      row.next = Offset{span.next};
      row.batches = static_cast<uint32_t>(span.next - span.first);
      row.max_timestamp_ms = span.max_timestamp_ms;
      row.data_bytes = static_cast<uint64_t>(span.next - span.first);
      object.tail.partitions.push_back(row);
    }
    found_.objects.push_back(std::move(object));
    return *this;
  }

  const broker::FoundObjects& get() const { return found_; }

 private:
  broker::FoundObjects found_;
};

Topics topics_in(const std::vector<broker::TopicRecord>& records) {
  Topics topics;
  for (const auto& each : records) {
    topics.emplace(each.id, each);
  }
  return topics;
}

/// That keeps offsets [first, next) of the partitions of the first topic.
KnownJournal journal_of(const std::vector<broker::TopicRecord>& records,
                        const std::vector<std::pair<int64_t, int64_t>>& kept) {
  KnownJournal journal;
  journal.topics = topics_in(records);
  for (size_t i = 0; i < kept.size(); ++i) {
    journal.kept[{records.front().id, PartitionId{static_cast<int32_t>(i)}}] = {
        Offset{kept[i].first}, Offset{kept[i].second}};
  }
  return journal;
}

std::vector<std::string> names_of(const SegmentPlan& plan) {
  std::vector<std::string> names;
  names.reserve(plan.rows.size());
  for (const auto& row : plan.rows) {
    names.push_back(row.name);
  }
  return names;
}

TEST(RebuildTopics, AreAsTheirNewestObjectSays) {
  auto older = record_of(1, "orders");
  older.settings.retention_ms = 1;
  auto newer = record_of(1, "orders");
  newer.settings.retention_ms = 2;
  std::map<TopicId, std::string> left;
  for (const bool is_first : {true, false}) {
    Found found;
    found.object(1, is_first ? 20 : 10, {is_first ? newer : older}, {});
    found.object(2, is_first ? 10 : 20, {is_first ? older : newer}, {});
    const Topics topics = topics_of(found.get(), left);
    ASSERT_THAT(topics, SizeIs(1));
    EXPECT_EQ(topics.at(topic_of(1)).settings.retention_ms, 2);
  }
  EXPECT_THAT(left, IsEmpty());
}

TEST(RebuildTopics, OfOneNameThatMadeLastIsTaken) {
  for (const uint8_t last : {uint8_t{1}, uint8_t{2}}) {
    Found found;
    found.object(1, 10, {record_of(1, "orders", last == 1 ? 200 : 100)}, {});
    found.object(2, 10, {record_of(2, "orders", last == 2 ? 200 : 100)}, {});
    std::map<TopicId, std::string> left;
    const Topics topics = topics_of(found.get(), left);
    ASSERT_THAT(topics, SizeIs(1));
    EXPECT_EQ(topics.begin()->first, topic_of(last));
    EXPECT_THAT(left.at(topic_of(last == 1 ? 2 : 1)),
                HasSubstr("another topic orders was made later"));
  }
}

TEST(RebuildTopics, WhatCannotBeReadIsNamed) {
  Found found;
  found.object(1, 10, {record_of(1, "orders")}, {});
  broker::FoundObjects broken = found.get();
  broken.objects.front().tail.topics.front().topic = "?";
  std::map<TopicId, std::string> left;
  EXPECT_THAT(topics_of(broken, left), IsEmpty());
  EXPECT_THAT(left, SizeIs(1));
}

TEST(RebuildSegments, OfAMixedObjectThePartsThatAreNeededAreNamed) {
  Found found;
  found.object(1, 0, {}, {{1, 0, 0, 10}, {1, 1, 0, 5}});
  found.object(2, 0, {}, {{1, 0, 0, 20}});
  const auto plan =
      plan_segments(found.get(), journal_of({record_of(1, "t")}, {{20, 20}, {5, 9}}), kNow);
  EXPECT_THAT(names_of(plan), ElementsAre("object 1", "object 2"));
  ASSERT_THAT(plan.rows.front().parts, SizeIs(1));
  EXPECT_EQ(plan.rows.front().parts.front().partition.partition, PartitionId{1});
  ASSERT_THAT(plan.unused, SizeIs(1));
  EXPECT_THAT(plan.unused.front().why, HasSubstr("offsets 0 to 9"));
  EXPECT_THAT(plan.unused.front().why, HasSubstr("are in other objects too"));
}

TEST(RebuildSegments, WhatIsNotNamedIsToldWithItsReason) {
  Found found;
  found.object(1, 0, {}, {{1, 0, 0, 30}});
  found.object(2, 0, {}, {{1, 0, 20, 29}});
  found.object(3, 0, {}, {{1, 0, 30, 60}});
  found.object(4, 0, {}, {{9, 0, 0, 10}});
  found.object(5, 0, {}, {{1, 7, 0, 10}});
  found.object(6, 0, {}, {{1, 0, 32, 38}});
  const auto plan =
      plan_segments(found.get(), journal_of({record_of(1, "t")}, {{25, 40}, {}}), kNow);
  EXPECT_THAT(names_of(plan), ElementsAre("object 1"));
  std::string why;
  for (const auto& each : plan.unused) {
    why += each.name + ": " + each.why + "\n";
  }
  EXPECT_THAT(why, HasSubstr("object 2: offsets 20 to 28"));
  EXPECT_THAT(why, HasSubstr("are in other objects too, or fillers"));
  EXPECT_THAT(why, HasSubstr("object 3: offsets 30 to 59"));
  EXPECT_THAT(why, HasSubstr("the journal ends at 40"));
  EXPECT_THAT(why, HasSubstr("object 4: partition 0 of topic " + topic_of(9).to_string()));
  EXPECT_THAT(why, HasSubstr("object 5: partition 7"));
  EXPECT_THAT(why, HasSubstr("object 6: offsets 32 to 37"));
  EXPECT_THAT(why, HasSubstr("are in the journal too"));
  EXPECT_EQ(plan.ends.at({topic_of(1), PartitionId{0}}), Offset{60});
  EXPECT_THAT(plan.lost, IsEmpty());
  EXPECT_THAT(plan.holes, IsEmpty()) << "the journal has what is behind object 1";
}

TEST(RebuildSegments, WhatLiesInFrontOfMissingObjectsIsNamedAndTheyAreHoles) {
  Found found;
  found.object(1, 0, {}, {{1, 0, 0, 10, kNow - 7}});
  found.object(2, 0, {}, {{1, 0, 20, 30, kNow - 5}});
  const auto plan_of = [&](Offset journal_start, int64_t deleted_below = 0) {
    KnownJournal journal = journal_of({record_of(1, "t")}, {{journal_start.value, 40}, {}});
    if (deleted_below > 0) {
      journal.starts[{topic_of(1), PartitionId{0}}] = Offset{deleted_below};
    }
    return plan_segments(found.get(), journal, kNow);
  };
  const auto holes_of = [](const SegmentPlan& plan) {
    std::vector<std::tuple<int64_t, int64_t, int64_t>> holes;
    for (const Gap& hole : plan.holes) {
      EXPECT_EQ(hole.partition, (TopicPartition{topic_of(1), PartitionId{0}}));
      holes.emplace_back(hole.first.value, hole.next.value, kNow - hole.time_ms);
    }
    return holes;
  };
  const auto is_lost = [](const std::string& offsets) {
    return "records of topic t partition 0 with offsets " + offsets +
           ", unless they were expired: no object has them";
  };
  const SegmentPlan between = plan_of(Offset{25});
  EXPECT_THAT(names_of(between), ElementsAre("object 1", "object 2"));
  EXPECT_THAT(holes_of(between), ElementsAre(std::tuple(10, 20, 7)));
  EXPECT_THAT(between.lost, ElementsAre(is_lost("10 to 19")));
  EXPECT_THAT(between.unused, IsEmpty());

  for (const int64_t start : {30, 31}) {  // the journal begins where the last one ends, or behind
    const SegmentPlan plan = plan_of(Offset{start});
    EXPECT_THAT(names_of(plan), SizeIs(2));
    EXPECT_THAT(holes_of(plan), SizeIs(start == 30 ? 1 : 2));
    EXPECT_EQ(plan.histories.at({topic_of(1), PartitionId{0}}).end, Offset{start});
  }
  EXPECT_THAT(holes_of(plan_of(Offset{31})).back(), std::tuple(30, 31, 5));
  EXPECT_THAT(plan_of(Offset{31}).lost.back(), is_lost("30 to 30"));

  const SegmentPlan in_journal = plan_of(Offset{15});  // it has what is missing behind 15
  EXPECT_THAT(names_of(in_journal), ElementsAre("object 1"));
  EXPECT_THAT(holes_of(in_journal), ElementsAre(std::tuple(10, 15, 7)));
  EXPECT_THAT(in_journal.unused.front().why, HasSubstr("are in the journal too"));

  EXPECT_THAT(plan_of(Offset{25}, 9).lost, ElementsAre(is_lost("10 to 19")));
  EXPECT_THAT(holes_of(plan_of(Offset{25}, 9)), SizeIs(1));
  for (const int64_t deleted : {10, 19}) {  // nothing that is wanted lies in front
    const SegmentPlan plan = plan_of(Offset{25}, deleted);
    EXPECT_THAT(names_of(plan), ElementsAre("object 2"));
    EXPECT_THAT(plan.holes, IsEmpty());
    EXPECT_THAT(plan.lost, ElementsAre(is_lost(std::to_string(deleted) + " to 19")));
  }
  EXPECT_THAT(plan_of(Offset{25}, 20).lost, IsEmpty());
}

TEST(RebuildSegments, WhatIsExpiredOrDeletedIsNotTakenInAgain) {
  Found found;
  const int64_t old = kNow - int64_t{8} * 24 * 3600 * 1000;
  found.object(1, 0, {}, {{1, 0, 0, 10, old}});
  found.object(2, 0, {}, {{1, 0, 10, 20}});
  found.object(3, 0, {}, {{2, 0, 0, 10}});
  auto deleted = record_of(2, "gone");
  deleted.is_deleted = true;
  const TopicPartition partition{topic_of(1), PartitionId{0}};
  const KnownJournal journal = journal_of({record_of(1, "t"), deleted}, {{15, 40}, {}});
  const auto plan = plan_segments(found.get(), journal, kNow);
  EXPECT_THAT(names_of(plan), ElementsAre("object 2"));
  EXPECT_EQ(plan.histories.at(partition).start, Offset{10});
  EXPECT_THAT(plan.unused, SizeIs(1));
  ASSERT_THAT(plan.deleted, SizeIs(1));
  EXPECT_EQ(plan.deleted.front().name, "object 3");
  EXPECT_THAT(names_of(plan_segments(found.get(), journal, old)), SizeIs(2));
}

TEST(RebuildSegments, BehindWhatIsExpiredMissingObjectsAreNoHoles) {
  const int64_t old = kNow - int64_t{8} * 24 * 3600 * 1000;
  const auto named = [](const broker::TopicRecord& topic, int64_t first_ms, uint64_t in_journal) {
    Found found;
    found.object(1, 0, {}, {{1, 0, 0, 10, first_ms}});
    found.object(2, 0, {}, {{1, 0, 20, 30}});
    KnownJournal journal = journal_of({topic}, {{30, 40}, {}});
    journal::FileSummary file;
    journal::PartitionSpan& span = file.partitions[{topic_of(1), PartitionId{0}}];
    span.first = Offset{30};
    span.end = Offset{40};
    span.bytes = in_journal;
    journal.files.push_back(file);
    const SegmentPlan plan = plan_segments(found.get(), journal, kNow);
    EXPECT_THAT(plan.holes, SizeIs(plan.rows.size() - 1));
    EXPECT_THAT(plan.lost, SizeIs(plan.rows.size() - 1));
    return names_of(plan);
  };
  auto topic = record_of(1, "t");
  EXPECT_THAT(named(topic, kNow, 5), ElementsAre("object 1", "object 2"));
  EXPECT_THAT(named(topic, old, 5), ElementsAre("object 2"));
  topic.settings.retention_bytes = 15;
  EXPECT_THAT(named(topic, kNow, 4), ElementsAre("object 1", "object 2"));
  EXPECT_THAT(named(topic, kNow, 5), ElementsAre("object 2")) << "15 bytes are behind it";
  topic.settings.durability = broker::Durability::kObject;
  EXPECT_THAT(named(topic, kNow, 5), SizeIs(2)) << "what only the journal has is not acknowledged";
}

TEST(RebuildSegments, WithoutAJournalWhatIsMissingIsAHoleAsOldAsWhatIsBeforeIt) {
  Found found;
  found.object(1, 0, {}, {{1, 0, 0, 10, kNow - 7}, {1, 1, 0, 10}});
  found.object(2, 0, {}, {{1, 1, 10, 20}});
  found.object(3, 0, {}, {{1, 0, 50, 60, kNow - 3}});
  found.object(4, 0, {}, {{1, 0, 58, 63}});
  found.object(5, 0, {}, {{1, 0, 61, 90}});
  const Topics topics = topics_in({record_of(1, "t")});
  const auto plan = plan_segments(found.get(), topics, {});
  EXPECT_THAT(names_of(plan), ElementsAre("object 1", "object 2", "object 3", "object 5"));
  const TopicPartition partition{topic_of(1), PartitionId{0}};
  ASSERT_THAT(plan.holes, SizeIs(2));
  for (const Gap& hole : plan.holes) {
    EXPECT_EQ(hole.partition, partition);
  }
  EXPECT_EQ(plan.holes[0].first, Offset{10});
  EXPECT_EQ(plan.holes[0].next, Offset{50});
  EXPECT_EQ(plan.holes[0].time_ms, kNow - 7);
  EXPECT_EQ(plan.holes[1].first, Offset{60});
  EXPECT_EQ(plan.holes[1].next, Offset{61});
  EXPECT_EQ(plan.holes[1].time_ms, kNow - 3);
  ASSERT_THAT(plan.unused, SizeIs(1));
  EXPECT_THAT(plan.unused.front().name, "object 4");
  EXPECT_THAT(plan.unused.front().why, HasSubstr("are in other objects too"));
  EXPECT_THAT(plan.covered, IsEmpty()) << "of offset 60 it has the only record";
}

TEST(RebuildGap, BehindAnExpiredPartIsAsFarAsTheOthers) {
  const int64_t old = kNow - int64_t{8} * 24 * 3600 * 1000;
  const int64_t far = int64_t{1} << 36;
  const auto ends = [](broker::TopicRecord topic, int64_t first_ms, int64_t second_ms) {
    Found found;
    found.object(1, 0, {}, {{1, 0, 0, 10, first_ms}, {1, 1, 0, 5000, second_ms}});
    const Topics topics = topics_in({std::move(topic)});
    const auto plan = plan_segments(found.get(), topics, {});
    std::vector<int64_t> next;
    for (const Gap& gap : plan_gaps(topics, plan, 100, kNow).gaps) {
      EXPECT_EQ(gap.first, next.empty() ? Offset{10} : Offset{5000});
      next.push_back(gap.next.value);
    }
    return next;
  };
  auto topic = record_of(1, "t");
  EXPECT_THAT(ends(topic, kNow, kNow), ElementsAre(110, 5100));
  EXPECT_THAT(ends(topic, old, kNow), ElementsAre(5100, 5100));
  EXPECT_THAT(ends(topic, old, old), ElementsAre(5000 + far, 5000 + far));
  topic.settings.retention_bytes = 1000;  // what is in the journal may have taken all but these
  EXPECT_THAT(ends(topic, kNow, kNow), ElementsAre(5000 + far, 5000 + far));
  topic.settings.durability = broker::Durability::kObject;  // objects alone count
  EXPECT_THAT(ends(topic, kNow, kNow), ElementsAre(110, 5100));
}

TEST(RebuildGap, OfOnePartitionEachIsInAnObjectOfItsOwn) {
  objects::MemoryStore store;
  const Topics topics = topics_in({record_of(1, "a")});
  const TopicPartition first{topic_of(1), PartitionId{0}};
  const TopicPartition second{topic_of(1), PartitionId{1}};
  const auto rows = write_gaps(store, DirectoryId(Uuid::random()), topics,
                               {{first, Offset{1}, Offset{2}, kNow - 9},
                                {first, Offset{5}, Offset{7}, kNow - 5},
                                {second, Offset{3}, Offset{4}, kNow}},
                               kNow);
  ASSERT_TRUE(rows.ok());
  ASSERT_THAT(*rows, SizeIs(2));
  const auto& [one, other] = std::tie((*rows)[0].parts, (*rows)[1].parts);
  ASSERT_THAT(one, SizeIs(2));
  EXPECT_EQ(one[0].first, Offset{1});
  EXPECT_EQ(one[0].max_timestamp_ms, kNow - 9);
  EXPECT_EQ(one[1].partition, second);
  ASSERT_THAT(other, SizeIs(1));
  EXPECT_EQ(other[0].next, Offset{7});
}

TEST(RebuildGap, IsAnObjectOfFillersThatIsReadAsAnyOther) {
  objects::MemoryStore store;
  const DirectoryId directory(Uuid::random());
  const Topics topics = topics_in({record_of(1, "a"), record_of(2, "b")});
  const int64_t far = int64_t{5} << 30;  // more than a batch can take
  const std::vector<Gap> gaps{{{topic_of(1), PartitionId{0}}, Offset{0}, Offset{10}, kNow},
                              {{topic_of(1), PartitionId{1}}, Offset{7}, Offset{7 + far}, kNow},
                              {{topic_of(2), PartitionId{0}}, Offset{3}, Offset{4}, kNow}};
  const auto rows = write_gaps(store, directory, topics, gaps, kNow);
  ASSERT_TRUE(rows.ok());
  ASSERT_THAT(*rows, SizeIs(1));
  const catalog::SegmentRow* row = &rows->front();
  const auto object = segment::Segment::open(store.read(row->name).value(), row->name).value();
  EXPECT_EQ(object->verify()->directory, directory);
  ASSERT_THAT(object->tail().partitions, SizeIs(3));
  for (size_t i = 0; i < gaps.size(); ++i) {
    const auto& part = object->tail().partitions[i];
    EXPECT_EQ(part.partition, gaps[i].partition);
    EXPECT_EQ(part.first, gaps[i].first);
    EXPECT_EQ(part.next, gaps[i].next);
    EXPECT_EQ(row->parts[i].next, gaps[i].next);
    EXPECT_EQ(part.max_timestamp_ms, kNow);
    const auto batches =
        object->read(part, object->index(part).value(), part.first, 1 << 20).value();
    EXPECT_EQ(batches.size(), i == 1 ? 3U : 1U);
    for (const auto& batch : batches) {
      EXPECT_TRUE(record::parse_header(batch.payload)->is_filler());
    }
  }
  EXPECT_THAT(object->tail().topics, SizeIs(2));
}

TEST(RebuildSegments, WhatTheOldCatalogNamedAndNobodyFindsIsTold) {
  Found found;
  found.object(2, 20, {record_of(1, "t")}, {{1, 0, 10, 20}});
  KnownJournal journal = journal_of({record_of(1, "t")}, {{20, 30}, {5, 30}});
  catalog::SegmentRow there{.object = Uuid{{2}}, .name = "object 2", .parts = {}};
  catalog::SegmentRow gone{.object = Uuid{{1}}, .name = "object 1", .parts = {}};
  there.parts.push_back({{topic_of(1), PartitionId{0}}, Offset{10}, Offset{20}, kNow, 10});
  gone.parts.push_back({{topic_of(1), PartitionId{0}}, Offset{0}, Offset{10}, kNow, 10});
  gone.parts.push_back({{topic_of(1), PartitionId{1}}, Offset{5}, Offset{10}, kNow, 10});
  catalog::Contents old;
  old.segments = {gone, there};
  const auto lost = [&] {
    auto plan = plan_segments(found.get(), journal, kNow);
    add_missing(old, found.get(), journal, plan);
    return plan.lost;
  };
  EXPECT_THAT(lost(), ElementsAre("records of topic t partition 0 with offsets 0 to 9: catalog.db "
                                  "named object 1 for them, which is not there"));
  journal.starts[{topic_of(1), PartitionId{0}}] = Offset{4};
  EXPECT_THAT(lost(), ElementsAre(HasSubstr("with offsets 4 to 9")));
  journal.starts[{topic_of(1), PartitionId{0}}] = Offset{10};
  EXPECT_THAT(lost(), IsEmpty());
  journal.starts.clear();
  broker::FoundObjects unreadable = found.get();
  unreadable.unused.push_back({"object 1", "object 1: Permission denied"});
  auto plan = plan_segments(unreadable, journal, kNow);
  add_missing(old, unreadable, journal, plan);
  EXPECT_THAT(plan.lost, ElementsAre(HasSubstr("named object 1 for them, which cannot be used: "
                                               "object 1: Permission denied")));
  found.object(3, 20, {record_of(1, "t")}, {{1, 0, 0, 10}});
  EXPECT_THAT(lost(), IsEmpty()) << "another one has it";
  journal.kept.at({topic_of(1), PartitionId{0}}).start = Offset{22};
  old.segments.back().parts.front().next = Offset{22};
  old.segments.back().object = Uuid{{9}};
  EXPECT_THAT(lost(),
              ElementsAre(HasSubstr("20 to 21, unless they were expired: no object has them"),
                          HasSubstr("with offsets 10 to 21: catalog.db named object 2 for them")))
      << "it is in a hole";
}

}  // namespace
}  // namespace millrace::server
