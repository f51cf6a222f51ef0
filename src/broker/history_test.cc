#include "broker/history.h"

#include "objects/memory_store.h"
#include "segment/segment_writer.h"
#include "segment/test_batches.h"

#include <gtest/gtest.h>

#include <gmock/gmock.h>

#include <atomic>
#include <map>
#include <thread>

namespace millrace::broker {
namespace {

using segment::topic_of;
using testing::HasSubstr;

const TopicPartition kA{topic_of(1), PartitionId{0}};
const TopicPartition kB{topic_of(2), PartitionId{7}};

class HistoryTest : public testing::Test {
 protected:
  struct Range {
    TopicPartition partition;
    int64_t first;
    int64_t next;
  };

  /// An object in the store, a batch an offset, its time by time_of(); and its row.
  catalog::SegmentRow make(uint8_t number, const std::vector<Range>& ranges) {
    const segment::Header header{{}, segment::ObjectId(topic_of(number)), 0};
    catalog::SegmentRow row{header.object, fmt::format("segments/{}", number), 0, 0, {}};
    auto writer = segment::SegmentWriter::begin(store_.create(row.name).value(), header).value();
    for (const Range& range : ranges) {
      writer.begin_partition(range.partition, {range.partition.topic, "topic", ""});
      for (int64_t at = range.first; at < range.next; ++at) {
        EXPECT_TRUE(
            writer.add(segment::batch_of(Offset{at}, fmt::format("{}", at), 1, time_of(at))).ok());
      }
      EXPECT_TRUE(writer.end_partition().ok());
    }
    const auto made = writer.publish().value();
    row.bytes = made.bytes;
    for (const auto& part : made.partitions) {
      row.parts.push_back(
          {part.partition, part.first, part.next, part.max_timestamp_ms, part.data_bytes});
    }
    return row;
  }

  static int64_t first_read(History& history, TopicPartition partition, int64_t from) {
    const auto batches = history.read(partition, Offset{from}, 1 << 20);
    return batches.ok() ? batches->front().base_offset.value : -1;
  }

  int64_t time_of(int64_t offset) const {
    const auto found = times_.find(offset);
    return found == times_.end() ? 10 * offset : found->second;
  }

  objects::MemoryStore store_;
  std::map<int64_t, int64_t> times_;  // of offsets with another
};

TEST_F(HistoryTest, FindsTheObjectOfAnOffset) {
  const auto mixed = make(10, {{kA, 0, 5}, {kB, 3, 4}});
  const auto alone = make(11, {{kA, 5, 9}});
  History history(store_, 1 << 20, {mixed, alone});
  EXPECT_EQ(history.range(kA)->start, Offset{0});
  EXPECT_EQ(history.range(kA)->end, Offset{9});
  EXPECT_EQ(history.range(kB)->start, Offset{3});
  for (int64_t at = 0; at < 9; ++at) {
    EXPECT_EQ(first_read(history, kA, at), at);
  }
  EXPECT_EQ(history.read(kA, Offset{2}, 1 << 20)->size(), 3U);  // those of one object
  EXPECT_EQ(history.read(kA, Offset{9}, 1).error().code, Code::kNotFound);
  EXPECT_EQ(history.read(kB, Offset{2}, 1).error().code, Code::kNotFound);
  EXPECT_EQ(history.read({topic_of(3), {}}, Offset{0}, 1).error().code, Code::kNotFound);
  EXPECT_FALSE(history.range({topic_of(3), {}}));
}

TEST_F(HistoryTest, FindsByTime) {
  History history(store_, 1 << 20, {make(10, {{kA, 0, 5}}), make(11, {{kA, 5, 9}})});
  for (const auto& [time, offset] : std::vector<std::pair<int64_t, int64_t>>{
           {0, 0}, {1, 1}, {10, 1}, {40, 4}, {41, 5}, {80, 8}}) {
    EXPECT_EQ(history.find_timestamp(kA, Offset{0}, time).value()->base_offset, Offset{offset})
        << time;
  }
  EXPECT_FALSE(history.find_timestamp(kA, Offset{0}, 81).value());
  EXPECT_FALSE(history.find_timestamp(kB, Offset{0}, 0).value());
}

TEST_F(HistoryTest, FindsByTimeFromAnOffsetOn) {
  History history(store_, 1 << 20, {make(10, {{kA, 0, 5}}), make(11, {{kA, 5, 9}})});
  for (const auto& [from, offset] :
       std::vector<std::pair<int64_t, int64_t>>{{0, 1}, {1, 1}, {2, 2}, {5, 5}, {8, 8}}) {
    EXPECT_EQ(history.find_timestamp(kA, Offset{from}, 10).value()->base_offset, Offset{offset});
  }
  EXPECT_FALSE(history.find_timestamp(kA, Offset{9}, 10).value());
}

TEST_F(HistoryTest, AnObjectWhoseNewestRecordIsBeforeThatOffsetHasNothing) {
  times_ = {{0, 100}, {1, 10}, {2, 20}, {3, 30}};
  History history(store_, 1 << 20, {make(10, {{kA, 0, 2}}), make(11, {{kA, 2, 4}})});
  EXPECT_EQ(history.find_timestamp(kA, Offset{0}, 15).value()->base_offset, Offset{0});
  EXPECT_EQ(history.find_timestamp(kA, Offset{1}, 15).value()->base_offset, Offset{2});
  EXPECT_FALSE(history.find_timestamp(kA, Offset{1}, 31).value());
}

TEST_F(HistoryTest, AMergePutsSegmentsInPlaceOfAMixedObject) {
  const auto mixed = make(10, {{kA, 0, 5}, {kB, 3, 4}});
  History history(store_, 1 << 20, {mixed});
  ASSERT_EQ(first_read(history, kA, 2), 2);
  history.apply({{make(20, {{kA, 0, 5}}), make(21, {{kB, 3, 4}})}, {mixed.object}, {}});
  ASSERT_TRUE(store_.remove(mixed.name).ok());
  EXPECT_EQ(first_read(history, kA, 2), 2);
  EXPECT_EQ(first_read(history, kB, 3), 3);
  EXPECT_EQ(history.segments().size(), 2U);
}

TEST_F(HistoryTest, RetentionTakesTheFront) {
  const auto first = make(10, {{kA, 0, 5}});
  History history(store_, 1 << 20, {first, make(11, {{kA, 5, 9}})});
  history.apply({{}, {first.object}, {}});
  EXPECT_EQ(history.range(kA)->start, Offset{5});
  EXPECT_EQ(history.read(kA, Offset{4}, 1).error().code, Code::kNotFound);
  history.apply({{}, {history.segments().front().object}, {}});
  EXPECT_FALSE(history.range(kA));
  EXPECT_TRUE(history.segments().empty());
}

TEST_F(HistoryTest, AMissingObjectIsAnErrorOfItsOffsetsAlone) {
  const auto first = make(10, {{kA, 0, 5}});
  History history(store_, 1 << 20, {first, make(11, {{kA, 5, 9}})});
  ASSERT_TRUE(store_.remove(first.name).ok());
  const auto read = history.read(kA, Offset{1}, 1);
  EXPECT_EQ(read.error().code, Code::kCorrupt);  // kNotFound would make a consumer start elsewhere
  EXPECT_THAT(read.error().message, HasSubstr("segments/10: the object is missing"));
  EXPECT_EQ(first_read(history, kA, 6), 6);
}

TEST_F(HistoryTest, ReadersGoOnWhileObjectsComeAndGo) {
  constexpr int64_t kObjects = 20;
  std::vector<catalog::SegmentRow> rows;
  rows.reserve(kObjects);
  for (int64_t i = 0; i < kObjects; ++i) {
    rows.push_back(make(static_cast<uint8_t>(10 + i), {{kA, 5 * i, 5 * i + 5}}));
  }
  History history(store_, 4000, {rows[0]});
  std::atomic<bool> is_over{false};
  std::atomic<int> failures{0};
  std::vector<std::thread> threads;
  threads.reserve(3);
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      while (!is_over) {
        const auto range = history.range(kA).value();
        const Offset last{range.end.value - 1};
        const auto batches = history.read(kA, last, 1);
        const bool is_right = batches.ok() ? batches->front().base_offset == last
                                           : history.range(kA)->start > last;  // overtaken
        failures += is_right ? 0 : 1;
      }
    });
  }
  for (size_t i = 1; i < rows.size(); ++i) {
    history.apply({{rows[i]}, {}, {}});
    if (i >= 3) {
      history.apply({{}, {rows[i - 3].object}, {}});
    }
  }
  is_over = true;
  for (auto& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(failures, 0);
}

}  // namespace
}  // namespace millrace::broker
