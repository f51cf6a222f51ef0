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
                     [this](TopicPartition) { return deleted_below_; }})
        .value();
  }

  std::function<int64_t(int64_t)> time_of = [](int64_t) { return int64_t{1000}; };  // by offset
  Offset start_;                // of every partition
  Offset deleted_below_;        // likewise
  int64_t expired_ms_ = -1000;  // what is not newer is expired

  void rename(const std::string& from, const std::string& to) {
    auto reader = memory_.read(from).value();
    std::vector<std::byte> bytes(reader->bytes());
    ASSERT_TRUE(reader->read_at(0, bytes).ok());
    auto writer = memory_.create(to).value();
    ASSERT_TRUE(writer->write(bytes).ok());
    ASSERT_TRUE(writer->publish().ok());
    ASSERT_TRUE(memory_.remove(from).ok());
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
