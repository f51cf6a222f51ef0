#include "broker/segments_test.h"
#include "broker/start_fact.h"
#include "runtime/coroutine.h"
#include "runtime/gate.h"

#include <gmock/gmock.h>

#include <thread>

namespace millrace::broker {
namespace {

using namespace std::chrono_literals;
using testing::EndsWith;
using testing::HasSubstr;

constexpr int64_t kAll = RecordsToDelete::kAll.value;

class DeleteRecordsTest : public SegmentsTest {
 protected:
  Result<Offset> remove(const std::string& topic, int64_t before, int32_t partition = 0) {
    auto answers = run(broker_->delete_records({{topic, PartitionId{partition}, Offset{before}}}));
    EXPECT_EQ(answers.size(), 1U);
    return answers.front();
  }

  Offset kept(const TopicPtr& topic) const { return log_->range(topic->partition({})->id()).start; }

  /// Retention as often as it takes, with the graces of readers.
  void let_go() {
    for (int i = 0; i < 3; ++i) {
      free_journal();
      clock_.advance(1min);
    }
  }

  TopicPtr reopen() {
    restart();
    return broker_->find("orders");
  }
};

TEST_F(DeleteRecordsTest, TheStartMovesUpAndNothingBelowIsRead) {
  const auto topic = create("orders");
  write(topic, 10, 10);
  EXPECT_EQ(remove("orders", 4).value(), Offset{4});
  EXPECT_EQ(range(topic).start, Offset{4});
  EXPECT_EQ(range(topic).end, Offset{10});
  const auto partition = topic->partition({});
  EXPECT_EQ(run(partition->read(Offset{3}, 1)).error().code, Code::kNotFound);
  EXPECT_THAT(run(partition->read(Offset{3}, 1)).error().message, EndsWith("its start, 4"));
  EXPECT_EQ(run(partition->read(Offset{4}, 1))->front().base_offset, Offset{4});
  expect_whole(topic);
  EXPECT_EQ(remove("orders", kAll).value(), Offset{10});
  EXPECT_EQ(range(topic).start, Offset{10});
  EXPECT_TRUE(run(partition->read(Offset{10}, 1))->empty());
  write(topic, 1, 10);
  EXPECT_EQ(run(partition->read(Offset{10}, 1))->front().base_offset, Offset{10});
}

TEST_F(DeleteRecordsTest, NothingBelowIsReadOutOfMemoryEither) {
  cache_bytes_ = 1 << 20;
  restart();
  const auto topic = create("orders");
  write(topic, 10, 10);
  ASSERT_TRUE(remove("orders", 4).ok());
  EXPECT_TRUE(topic->partition({})->read_tail(Offset{3}, 1).empty());
  EXPECT_EQ(topic->partition({})->read_tail(Offset{4}, 1).size(), 1U);
}

TEST_F(DeleteRecordsTest, WhereItStartsAsHighAlreadyNothingIsDone) {
  const auto topic = create("orders");
  write(topic, 10, 10);
  EXPECT_EQ(remove("orders", 0).value(), Offset{0});
  ASSERT_TRUE(remove("orders", 6).ok());
  const auto place = log_->place();
  for (const int64_t before : {0, 5, 6}) {
    EXPECT_EQ(remove("orders", before).value(), Offset{6});
  }
  EXPECT_EQ(log_->place(), place) << "nothing was written";
}

TEST_F(DeleteRecordsTest, WhatRetentionFreedIsDeletedForGood) {
  const auto topic = create("orders", {{"retention.bytes", "100000"}});
  write(topic, 60);
  let_go();
  const Offset start = range(topic).start;
  ASSERT_GT(start, Offset{1});
  EXPECT_EQ(remove("orders", 1).value(), start);
  // A power cut may bring back what was freed; what this says is durable.
  EXPECT_EQ(reopen()->partition({})->deleted_below(), start);
}

TEST_F(DeleteRecordsTest, RefusesWhatCannotBe) {
  const auto topic = create("orders");
  write(topic, 10, 10);
  EXPECT_EQ(remove("orders", 11).error().code, Code::kInvalid);
  EXPECT_THAT(remove("orders", 11).error().message,
              EndsWith("partition 0: records before offset 11 cannot be deleted, it has offsets 0 "
                       "to 10"));
  EXPECT_EQ(remove("orders", -2).error().code, Code::kInvalid);
  EXPECT_EQ(remove("orders", 1, 1).error().code, Code::kNotFound);
  EXPECT_EQ(remove("others", 1).error().code, Code::kNotFound);
  ASSERT_TRUE(run(broker_->create({.name = "main.t", .is_table = true})).ok());
  EXPECT_EQ(remove("main.t", kAll).error().code, Code::kForbidden);
  EXPECT_THAT(remove("main.t", kAll).error().message, HasSubstr("the log of a table"));
  EXPECT_EQ(range(topic).start, Offset{0});
}

TEST_F(DeleteRecordsTest, ManyAreOneCommitAndEachHasItsAnswer) {
  const auto topic = create("orders");
  const auto other = create("other");
  write(topic, 10, 10);
  write(other, 10, 10);
  const auto run_before = log_->place().run;
  const auto answers = run(broker_->delete_records({{"orders", {}, Offset{7}},
                                                    {"other", {}, Offset{11}},
                                                    {"other", {}, Offset{3}},
                                                    {"orders", {}, Offset{5}}}));
  ASSERT_EQ(answers.size(), 4U);
  EXPECT_EQ(answers[0].value(), Offset{7});
  EXPECT_EQ(answers[1].error().code, Code::kInvalid);
  EXPECT_EQ(answers[2].value(), Offset{3});
  EXPECT_TRUE(answers[3].ok());
  EXPECT_EQ(log_->place().run, next(run_before));
  EXPECT_EQ(range(topic).start, Offset{7});
  EXPECT_EQ(range(reopen()).start, Offset{7}) << "the greater of the two counts";
  EXPECT_EQ(range(broker_->find("other")).start, Offset{3});
}

TEST_F(DeleteRecordsTest, ItHoldsAfterRestartsAndCheckpoints) {
  const auto topic = create("orders");
  write(topic, 10);
  ASSERT_TRUE(remove("orders", 4).ok());
  EXPECT_EQ(range(reopen()).start, Offset{4});
  const auto other = create("other");
  const auto first = log_->files().back().number;
  while (log_->files().back().number == first) {  // its checkpoint says it again
    write(other, 1);
  }
  disk_.power_cut();
  EXPECT_EQ(range(reopen()).start, Offset{4});
  ASSERT_TRUE(remove("orders", kAll).ok());
  disk_.power_cut();
  const auto found = reopen();
  EXPECT_EQ(range(found).start, Offset{10});
  write(found, 1);
  expect_whole(found);
}

TEST_F(DeleteRecordsTest, WhatFailsIsNotSeen) {
  const auto topic = create("orders");
  write(topic, 10, 10);
  disk_.set_faults({.off_at = disk_.operations()});
  EXPECT_FALSE(remove("orders", 4).ok());
  EXPECT_EQ(range(topic).start, Offset{0});
}

TEST_F(DeleteRecordsTest, ATopicMadeAgainHasAllOfItsRecords) {
  const auto old = create("orders");
  write(old, 10);
  ASSERT_TRUE(remove("orders", 4).ok());
  ASSERT_TRUE(run(broker_->remove("orders")).ok());
  EXPECT_EQ(remove("orders", 4).error().code, Code::kNotFound);
  const auto fresh = create("orders");
  write(fresh, 60);
  EXPECT_EQ(range(fresh).start, Offset{0});
  let_go();
  EXPECT_FALSE(broker_->was_deleted(old->record.id));
  const auto found = reopen();
  EXPECT_EQ(range(found).start, Offset{0});
  EXPECT_TRUE(log_->recovered(record::SystemKind::kStart).empty()) << "it ended with its topic";
}

TEST_F(DeleteRecordsTest, AStartThatComesAfterTheEndOfItsTopicIsForgotten) {
  record::CommitRequest late;
  late.system.push_back(to_frame({{segment::topic_of(7), PartitionId{0}}, Offset{1}}));
  ASSERT_TRUE(run(log_->commit(std::move(late))).ok());
  restart();
  EXPECT_TRUE(log_->recovered(record::SystemKind::kStart).empty());
}

TEST_F(DeleteRecordsTest, FilesOfTheJournalAreFreedHoweverLongTheyWereToBeKept) {
  const auto topic = create("orders", {{"retention.ms", "-1"}});
  segments_.reset();  // nothing is cut
  write(topic, 100);
  const size_t files = log_->files().size();
  run(broker_->apply_retention());
  ASSERT_TRUE(run(log_->sync()).ok());
  ASSERT_EQ(log_->files().size(), files);
  const auto seen = run(log_->wait_for_round(0, runtime::Deadline::after(0s), {}));
  ASSERT_TRUE(remove("orders", 70).ok());
  const auto deadline = runtime::Deadline::after(10s);
  run(log_->wait_for_round(seen, deadline, {}));
  EXPECT_FALSE(deadline.has_passed()) << "it was asked for";
  run(broker_->apply_retention());
  ASSERT_TRUE(run(log_->sync()).ok());
  EXPECT_LT(log_->files().size(), files);
  EXPECT_GT(kept(topic), Offset{40});
  EXPECT_LE(kept(topic), Offset{70});
  EXPECT_EQ(range(topic).start, Offset{70});
  expect_whole(topic);
}

TEST_F(DeleteRecordsTest, WorksThoughTheJournalIsFull) {
  max_bytes_ = 1024 * kKiB;
  restart();
  segments_.reset();  // nothing is cut
  const auto topic = create("orders", {{"retention.ms", "-1"}});
  const auto append = [&](size_t bytes) {
    const auto batch = segment::batch_of(Offset{0}, std::string(bytes, 'v'), 1, 0);
    std::vector<PartitionAppend> appends;
    appends.push_back({topic->partition({}), batch.payload, bytes::crc32c(batch.payload), 1, 0});
    return run(Partition::append(*log_, std::move(appends), {})).ok();
  };
  while (append(10 * kKiB) || append(10)) {
  }
  ASSERT_TRUE(log_->full());
  const auto removed = remove("orders", kAll);
  ASSERT_TRUE(removed.ok()) << removed.error().message;
  run(broker_->apply_retention());
  ASSERT_TRUE(run(log_->sync()).ok());
  EXPECT_TRUE(append(10 * kKiB));
  EXPECT_FALSE(log_->full());
}

TEST_F(DeleteRecordsTest, ObjectsBelowTheStartGoAndTheRestStaysDense) {
  const auto topic = create("orders");
  write(topic, 60);
  free_journal();
  const size_t all = stored();
  ASSERT_GE(all, 4U);
  ASSERT_TRUE(remove("orders", 25).ok());
  ASSERT_TRUE(round().ok());
  EXPECT_EQ(stored(), all) << "readers may be at them";
  EXPECT_EQ(history_->range(topic->partition({})->id())->start, Offset{20}) << "ten in each";
  clock_.advance(1min);
  ASSERT_TRUE(round().ok());
  EXPECT_EQ(stored(), all - 2);
  EXPECT_EQ(range(topic).start, Offset{25});
  expect_whole(topic);
  write(topic, 60);
  let_go();
  const auto found = reopen();
  EXPECT_EQ(range(found).start, Offset{25});
  EXPECT_EQ(range(found).end, Offset{120});
  expect_whole(found);
}

TEST_F(DeleteRecordsTest, WhatFollowsObjectsIsCutThoughItIsDeleted) {
  const auto topic = create("orders");
  const auto other = create("other");
  write(other, 1, kKiB);
  add_small_object(topic);  // which the other holds
  ASSERT_EQ(history_->size().objects, 1U);
  write(topic, 100);
  ASSERT_TRUE(remove("orders", 90).ok());
  run(broker_->apply_retention());
  ASSERT_TRUE(run(log_->sync()).ok());
  EXPECT_LE(kept(topic), Offset{3}) << "else the catalog would have a gap";
  let_go();
  clock_.advance(10min);
  let_go();
  EXPECT_EQ(range(topic).start, Offset{90});
  EXPECT_EQ(range(topic).end, Offset{103});
  expect_whole(topic);
  EXPECT_EQ(range(other).start, Offset{0});
  expect_whole(other);
  ASSERT_TRUE(remove("other", kAll).ok());
  let_go();
  EXPECT_GT(history_->range(topic->partition({})->id())->start, Offset{50});
  expect_whole(topic);
}

TEST_F(DeleteRecordsTest, WhatIsDeletedBeforeItIsCutIsNeverCut) {
  const auto topic = create("orders");
  write(topic, 100);
  ASSERT_TRUE(remove("orders", kAll).ok());
  free_journal();
  EXPECT_EQ(segments_->archived().objects, 0U);
  EXPECT_GT(kept(topic), Offset{50});
}

TEST_F(DeleteRecordsTest, TimesAreFoundFromTheStartOn) {
  const auto topic = create("orders");
  const int64_t begin = clock_.wall_ms().time_since_epoch().count();
  for (int i = 0; i < 100; ++i) {
    write(topic, 1);
    clock_.advance(1ms);
  }
  const auto find = [&](int64_t after) {
    return run(broker_->find("orders")->partition({})->find_timestamp(begin + after)).value();
  };
  EXPECT_EQ(find(0)->offset, Offset{0});
  ASSERT_TRUE(remove("orders", 33).ok());
  EXPECT_EQ(find(0)->offset, Offset{33});
  EXPECT_EQ(find(32)->offset, Offset{33});
  EXPECT_EQ(find(60)->offset, Offset{60});
  free_journal();
  ASSERT_GT(kept(topic), Offset{34});
  EXPECT_EQ(find(0)->offset, Offset{33}) << "out of objects";
  ASSERT_TRUE(remove("orders", 99).ok());
  EXPECT_EQ(find(0)->offset, Offset{99});
  ASSERT_TRUE(remove("orders", kAll).ok());
  EXPECT_FALSE(find(0));
}

TEST_F(DeleteRecordsTest, WithinABatchTheStartIsTheRecord) {
  const auto topic = create("orders");
  const auto batch = segment::batch_of(Offset{0}, "v", 10, 1000);
  std::vector<PartitionAppend> appends;
  appends.push_back({topic->partition({}), batch.payload, bytes::crc32c(batch.payload), 10, 1000});
  ASSERT_TRUE(run(Partition::append(*log_, std::move(appends), {})).ok());
  ASSERT_TRUE(remove("orders", 7).ok());
  EXPECT_EQ(range(topic).start, Offset{7});
  const auto partition = topic->partition({});
  EXPECT_EQ(run(partition->find_timestamp(0)).value()->offset, Offset{7});
  const auto whole = run(partition->read(Offset{7}, 1));
  EXPECT_EQ(whole->front().base_offset, Offset{0}) << "batches are whole, as ever";
}

TEST_F(DeleteRecordsTest, WhatACrashLeftOfDeletedRecordsIsRemovedByTheNextStart) {
  const auto topic = create("orders");
  write(topic, 60);
  free_journal();
  ASSERT_TRUE(remove("orders", 25).ok());
  ASSERT_TRUE(round().ok());
  ASSERT_GT(stored(), history_->segments().size());
  const auto found = reopen();  // within the grace
  ASSERT_TRUE(round().ok());
  EXPECT_EQ(stored(), history_->segments().size());
  expect_whole(found);
}

TEST_F(DeleteRecordsTest, OfTwoAtOnceTheGreaterCounts) {
  const auto topic = create("orders");
  write(topic, 100, 10);
  for (int64_t at = 0; at < 80; at += 2) {
    std::thread other([&] { EXPECT_TRUE(remove("orders", at + 1).ok()); });
    EXPECT_TRUE(remove("orders", at).ok());
    other.join();
  }
  EXPECT_EQ(range(topic).start, Offset{79});
  EXPECT_EQ(range(reopen()).start, Offset{79});
}

runtime::Task<void> delete_one(Broker& broker, int64_t before) {
  const auto answers = co_await broker.delete_records({{"orders", {}, Offset{before}}});
  EXPECT_TRUE(answers.front().ok());
}

runtime::Task<void> delete_two(Broker& broker, int64_t first, int64_t second) {
  runtime::Gate gate;
  EXPECT_TRUE(gate.spawn(runtime::Shard::here(), "first", delete_one(broker, first)));
  EXPECT_TRUE(gate.spawn(runtime::Shard::here(), "second", delete_one(broker, second)));
  co_await gate.close();
}

TEST_F(DeleteRecordsTest, TheLowerOfTwoAtOnceIsNotWrittenBehindTheGreater) {
  const auto topic = create("orders");
  write(topic, 30, 10);
  run(delete_two(*broker_, 20, 10));
  EXPECT_EQ(range(topic).start, Offset{20});
  EXPECT_EQ(range(reopen()).start, Offset{20});
  run(delete_two(*broker_, 25, 30));
  EXPECT_EQ(range(reopen()).start, Offset{30});
}

TEST_F(DeleteRecordsTest, RecordsInObjectsAloneAreNotReadAgainAfterAStart) {
  const auto topic = create("orders", {{"durability", "object"}});
  broker_->upload_objects(segments_->uploader(), {});
  runtime::CancelSource end;
  runtime::Gate gate;
  ASSERT_TRUE(gate.spawn(shards_->shard(0), "uploads", segments_->uploader().run(end.token())));
  write(topic, 5);
  EXPECT_EQ(remove("orders", 6).error().code, Code::kInvalid);
  EXPECT_EQ(remove("orders", kAll).value(), Offset{5});
  end.cancel();
  run(gate.close());
  let_go();
  EXPECT_EQ(history_->size().objects, 0U);
  const auto found = reopen();
  broker_->upload_objects(segments_->uploader(), catalog_->contents().partitions);
  EXPECT_EQ(range(found).start, Offset{5});
  EXPECT_EQ(range(found).end, Offset{5});
  EXPECT_FALSE(found->partition({})->waits_for_objects(Offset{5}));
}

TEST(StartFact, IsItsFrame) {
  const StartFact fact{{segment::topic_of(7), PartitionId{3}}, Offset{258}};
  const auto frame = to_frame(fact);
  EXPECT_EQ(frame.key.size(), 20U);
  EXPECT_EQ(frame.value, std::string("\x02\x01\0\0\0\0\0\0", 8));
  EXPECT_EQ(start_fact_from(frame)->partition, fact.partition);
  EXPECT_EQ(start_fact_from(frame)->start, fact.start);
  const auto broken = [&](auto change) {
    record::SystemFrame wrong = frame;
    change(wrong);
    return start_fact_from(wrong).error().code;
  };
  EXPECT_EQ(broken([](auto& wrong) { wrong.key.pop_back(); }), Code::kCorrupt);
  EXPECT_EQ(broken([](auto& wrong) { wrong.key += 'x'; }), Code::kCorrupt);
  EXPECT_EQ(broken([](auto& wrong) { wrong.key.back() = '\xff'; }), Code::kCorrupt);
  EXPECT_EQ(broken([](auto& wrong) { wrong.value.pop_back(); }), Code::kCorrupt);
  EXPECT_EQ(broken([](auto& wrong) { wrong.value += 'x'; }), Code::kCorrupt);
  EXPECT_EQ(broken([](auto& wrong) { wrong.value.back() = '\xff'; }), Code::kCorrupt);
}

}  // namespace
}  // namespace millrace::broker
