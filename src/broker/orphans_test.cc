#include "broker/orphans.h"

#include "broker/segments_test.h"
#include "segment/segment_writer.h"

#include <gmock/gmock.h>

namespace millrace::broker {
namespace {

using testing::HasSubstr;
using testing::Optional;

class OrphansTest : public SegmentsTest {
 protected:
  /// An object that the catalog does not name.
  std::string plant(TopicPartition partition, int64_t first, int64_t next,
                    std::optional<DirectoryId> directory = std::nullopt) {
    const segment::Header header{directory.value_or(log_->directory_id()),
                                 segment::ObjectId(Uuid::random()), 0};
    const std::string name = segment::segment_name(header.object, partition, Offset{first});
    auto writer = segment::SegmentWriter::begin(memory_.create(name).value(), header).value();
    writer.begin_partition(partition, {partition.topic, "topic", ""});
    for (int64_t at = first; at < next; ++at) {
      EXPECT_TRUE(writer.add(segment::batch_of(Offset{at}, "v", 1, time_of(at))).ok());
    }
    EXPECT_TRUE(writer.end_partition().ok());
    EXPECT_TRUE(writer.publish().ok());
    return name;
  }

  std::optional<std::string> why(const std::string& name) {
    const auto ids = [this](const TopicId& id) {
      return broker_->find(id)          ? TopicState::kThere
             : broker_->was_deleted(id) ? TopicState::kDeleted
                                        : TopicState::kUnknown;
    };
    return why_kept(store_, name,
                    {log_->directory_id(), ids,
                     [this](TopicPartition partition) { return log_->range(partition).end; },
                     [this](TopicPartition) { return start_; },
                     [this](const segment::PartitionRow& row) {
                       return row.max_timestamp_ms <= expired_ms_;
                     },
                     [this](TopicPartition) { return deleted_below_; },
                     [this](TopicPartition, Offset first,
                            Offset next) -> Result<std::optional<std::string>> {
                       const bool is_bad = first <= unreadable_ && unreadable_ < next;
                       return is_bad ? std::optional<std::string>("damaged") : std::nullopt;
                     }})
        .value();
  }

  std::function<int64_t(int64_t)> time_of = [](int64_t) { return int64_t{1000}; };  // by offset
  Offset start_;                // of every partition
  Offset deleted_below_;        // likewise
  Offset unreadable_{-1};       // elsewhere, likewise
  int64_t expired_ms_ = -1000;  // what is not newer is expired

  void rename(const std::string& from, const std::string& to) {
    const auto bytes = bytes_of(from);
    ASSERT_TRUE(memory_.remove(from).ok());
    put(to, bytes);
  }

  /// A bit of its first batch.
  void damage(const std::string& name) {
    auto bytes = bytes_of(name);
    bytes[segment::kHeaderBytes + record::kBatchHeaderSize] ^= std::byte{1};
    ASSERT_TRUE(memory_.remove(name).ok());
    put(name, bytes);
  }

 private:
  std::vector<std::byte> bytes_of(const std::string& name) {
    auto reader = memory_.read(name).value();
    std::vector<std::byte> bytes(reader->bytes());
    EXPECT_TRUE(reader->read_at(0, bytes).ok());
    return bytes;
  }

  void put(const std::string& name, const std::vector<std::byte>& bytes) {
    auto writer = memory_.create(name).value();
    ASSERT_TRUE(writer->write(bytes).ok());
    ASSERT_TRUE(writer->publish().ok());
  }
};

TEST_F(OrphansTest, WhatIsSomewhereElseTooMayGo) {
  const auto topic = create("orders");
  write(topic, 5);
  EXPECT_EQ(why(plant(topic->partition({})->id(), 0, 5)), std::nullopt);
  EXPECT_EQ(why(plant(topic->partition({})->id(), 2, 4)), std::nullopt);
  ASSERT_TRUE(run(broker_->remove("orders")).ok());
  EXPECT_EQ(why(plant(topic->partition({})->id(), 0, 500)), std::nullopt);
}

TEST_F(OrphansTest, WhatGoesIsExpiredByTheBatchesThatAreNowhereElse) {
  const auto topic = create("orders");
  write(topic, 5);
  time_of = [](int64_t offset) { return offset * 1000; };
  const std::string name = plant(topic->partition({})->id(), 0, 3);
  expired_ms_ = 1000;
  for (const int64_t start : {0, 1, 2}) {
    start_ = Offset{start};
    EXPECT_EQ(why(name), std::nullopt) << start;
  }
  start_ = Offset{3};
  EXPECT_THAT(why(name), Optional(HasSubstr("it holds offsets 0 to 2")));
  deleted_below_ = Offset{2};
  EXPECT_THAT(why(name), Optional(HasSubstr("it holds offsets 2 to 2")));
  expired_ms_ = 2000;
  EXPECT_EQ(why(name), std::nullopt);
}

TEST_F(OrphansTest, WhatIsNowhereElseStaysAndIsNamed) {
  const auto topic = create("orders");
  write(topic, 5);
  const TopicPartition id = topic->partition({})->id();
  EXPECT_THAT(why(plant(id, 3, 6)),
              Optional(HasSubstr("it holds offsets 3 to 5 of partition 0 of topic " +
                                 id.topic.to_string() + ", which otherwise ends at 5")));
  EXPECT_THAT(why(plant({segment::topic_of(7), {}}, 0, 1)), Optional(HasSubstr("is not known")));
  EXPECT_THAT(why(plant(id, 0, 1, DirectoryId(Uuid{{9}}))),
              Optional(HasSubstr("another data directory, 09000000")));
  const std::string made = plant(id, 0, 1);
  rename(made, "segments/other.seg");
  EXPECT_THAT(why("segments/other.seg"), Optional(HasSubstr("it was made as " + made)));
}

TEST_F(OrphansTest, WhatCannotBeReadElsewhereStays) {
  const auto topic = create("orders");
  write(topic, 5);
  start_ = Offset{1};
  deleted_below_ = Offset{2};
  const std::string name = plant(topic->partition({})->id(), 0, 4);
  for (const int64_t offset : {2, 3}) {
    unreadable_ = Offset{offset};
    EXPECT_THAT(why(name), Optional(HasSubstr("it holds offsets 2 to 3 of partition 0")));
    EXPECT_THAT(why(name), Optional(HasSubstr("cannot be read elsewhere: damaged")));
  }
  for (const int64_t offset : {1, 4}) {
    unreadable_ = Offset{offset};
    EXPECT_EQ(why(name), std::nullopt) << offset;
  }
  unreadable_ = Offset{3};
  ASSERT_TRUE(run(broker_->remove("orders")).ok());
  EXPECT_EQ(why(name), std::nullopt);
}

TEST_F(OrphansTest, WhatIsBeforeTheStartGoesOnlyWhenItIsExpired) {
  const auto topic = create("orders");
  write(topic, 5);
  start_ = Offset{2};
  const std::string name = plant(topic->partition({})->id(), 0, 3);
  EXPECT_THAT(why(name), Optional(HasSubstr("it holds offsets 0 to 1 of partition 0")));
  EXPECT_THAT(why(name), Optional(HasSubstr("begins at 2, and they are not expired")));
  expired_ms_ = std::numeric_limits<int64_t>::max();
  EXPECT_EQ(why(name), std::nullopt);
}

TEST_F(OrphansTest, WhatIsBeforeTheStartGoesWhenItIsDeleted) {
  const auto topic = create("orders");
  write(topic, 5);
  start_ = Offset{3};
  const std::string name = plant(topic->partition({})->id(), 0, 4);
  deleted_below_ = Offset{2};
  EXPECT_THAT(why(name), Optional(HasSubstr("it holds offsets 2 to 2 of partition 0")));
  deleted_below_ = Offset{3};
  EXPECT_EQ(why(name), std::nullopt) << "the fourth is elsewhere";
}

TEST_F(OrphansTest, WhatIsNoSegmentStaysAndIsNamed) {
  auto writer = memory_.create("segments/readme.txt").value();
  ASSERT_TRUE(writer->write(bytes::as_bytes("hello")).ok());
  ASSERT_TRUE(writer->publish().ok());
  EXPECT_THAT(why("segments/readme.txt"), Optional(HasSubstr("segments/readme.txt")));
  EXPECT_TRUE(round().ok());
  EXPECT_EQ(stored(), 1U);
}

TEST_F(OrphansTest, ADoubleStaysWhileTheNamedObjectIsDamaged) {
  const auto topic = create("orders");
  write(topic, 30);
  free_journal();
  ASSERT_GT(log_->range(topic->partition({})->id()).start, Offset{0});
  const auto named = history_->segments();
  const auto first =
      std::ranges::find(named, Offset{0}, [](const auto& row) { return row.parts.front().first; });
  plant(topic->partition({})->id(), 0, 5);
  damage(first->name);
  restart();
  ASSERT_TRUE(round().ok());
  EXPECT_EQ(stored(), named.size() + 1);
  damage(first->name);  // it is whole again
  restart();
  ASSERT_TRUE(round().ok());
  EXPECT_EQ(stored(), named.size());
}

TEST_F(OrphansTest, WhatWasMergedStaysWhileTheMergedObjectIsDamaged) {
  const auto topic = create("orders");
  const TopicPartition id = topic->partition({})->id();
  add_small_object(topic);
  add_small_object(topic);
  write(create("other"), 60);
  free_journal();
  ASSERT_EQ(log_->range(id).start, log_->range(id).end);
  clock_.advance(std::chrono::minutes(5));
  ASSERT_TRUE(round().ok());
  ASSERT_EQ(segments_->merged().merges, 1U);
  const size_t left = kept().leaving.size();
  ASSERT_GE(left, 2U);
  const size_t all = stored();
  const auto merged =
      history_->segments_if([&](const auto& row) { return row.parts.front().partition == id; });
  ASSERT_EQ(merged.size(), 1U);
  damage(merged.front()->name);
  restart();
  segments_->finish();  // nothing was looked at yet
  ASSERT_TRUE(round().ok());
  segments_->finish();
  EXPECT_EQ(stored(), all - left + 1) << "the second can be read";
  ASSERT_EQ(kept().leaving.size(), 1U);
  EXPECT_TRUE(memory_.look(kept().leaving.front().name).ok());
  damage(merged.front()->name);  // it is whole again
  restart();
  ASSERT_TRUE(round().ok());
  EXPECT_EQ(stored(), all - left);
  EXPECT_TRUE(kept().leaving.empty());
}

TEST_F(OrphansTest, WhatIsBeingMadeIsNoLeftover) {
  const auto topic = create("orders");
  write(topic, 5);
  const std::string name = plant(topic->partition({})->id(), 0, 5);
  const Uuid object = Uuid::parse(name.substr(name.size() - 40, 36)).value();
  history_->begin_making(object);
  EXPECT_TRUE(history_->knows(name));
  ASSERT_TRUE(round().ok());
  EXPECT_EQ(stored(), 1U);
  history_->end_making(object);
  EXPECT_FALSE(history_->knows(name));
  restart();
  ASSERT_TRUE(round().ok());
  EXPECT_EQ(stored(), 0U);
}

TEST_F(OrphansTest, AStoreThatFailsDecidesNothing) {
  const auto topic = create("orders");
  write(topic, 5);
  plant(topic->partition({})->id(), 0, 5);
  store_.set_away(true);
  EXPECT_FALSE(round().ok());
  store_.set_away(false);
  EXPECT_EQ(stored(), 1U);
  EXPECT_TRUE(round().ok());
  EXPECT_EQ(stored(), 0U);
}

}  // namespace
}  // namespace millrace::broker
