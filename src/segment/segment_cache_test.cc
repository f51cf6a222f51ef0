#include "segment/segment_cache.h"

#include "io/simulated_disk.h"
#include "objects/local_store.h"
#include "segment/segment_writer.h"
#include "segment/test_batches.h"

#include <gtest/gtest.h>

#include <gmock/gmock.h>

#include <thread>

namespace millrace::segment {
namespace {

using testing::HasSubstr;

const TopicPartition kPartition{topic_of(1), PartitionId{0}};

class SegmentCacheTest : public testing::Test {
 protected:
  /// Object `number` has the batches of offsets [100 * number, 100 * number + 100).
  void make(uint8_t number) {
    const Header header{{}, id_of(number), 0};
    auto writer = SegmentWriter::begin(store_->create(name_of(number)).value(), header).value();
    writer.begin_partition(kPartition, {kPartition.topic, "topic", ""});
    for (int i = 0; i < 100; ++i) {
      ASSERT_TRUE(writer.add(batch_of(Offset{100 * number + i}, fmt::format("{}", i))).ok());
    }
    ASSERT_TRUE(writer.end_partition().ok());
    ASSERT_TRUE(writer.publish().ok());
  }

  static ObjectId id_of(uint8_t number) { return ObjectId(topic_of(number)); }

  static std::string name_of(uint8_t number) { return fmt::format("segments/{}", number); }

  static Result<SegmentCache::Part> open(SegmentCache& cache, uint8_t number) {
    return cache.open(id_of(number), name_of(number), kPartition);
  }

  static bool can_read(SegmentCache& cache, uint8_t number) {
    const auto part = open(cache, number);
    const auto batches = part.ok() ? part->read(Offset{100 * number + 7}, 1)
                                   : Result<std::vector<record::StoredBatch>>(part.error());
    return batches.ok() && batches->front().base_offset == Offset{100 * number + 7};
  }

  io::SimulatedDisk disk_{1};
  std::unique_ptr<objects::LocalStore> store_ =
      objects::LocalStore::open(disk_, "/data/store", "/data/tmp").value();
};

TEST_F(SegmentCacheTest, OpensOnceAndClosesTheLeastRecentlyUsed) {
  for (uint8_t number = 1; number <= 3; ++number) {
    make(number);
  }
  SegmentCache one(*store_, 1 << 30);
  ASSERT_TRUE(can_read(one, 1));
  const size_t bytes = one.bytes();
  ASSERT_TRUE(can_read(one, 1));
  EXPECT_EQ(one.bytes(), bytes);

  const size_t room_for_two = 2 * bytes + bytes / 2;  // indexes compress to different sizes
  SegmentCache cache(*store_, room_for_two);
  ASSERT_TRUE(can_read(cache, 1) && can_read(cache, 2));
  const auto first = open(cache, 1)->segment;
  const auto second = open(cache, 2)->segment;
  ASSERT_TRUE(can_read(cache, 1));  // 2 is the least recently used now
  ASSERT_TRUE(can_read(cache, 3));
  EXPECT_LE(cache.bytes(), room_for_two);
  EXPECT_EQ(open(cache, 1)->segment, first);
  EXPECT_NE(open(cache, 2)->segment, second);
  EXPECT_TRUE(can_read(cache, 3));
}

TEST_F(SegmentCacheTest, TheLastOneStaysWhateverItTakes) {
  make(1);
  SegmentCache cache(*store_, 1);
  const auto part = open(cache, 1);
  ASSERT_TRUE(part.ok());
  EXPECT_EQ(open(cache, 1)->segment, part->segment);
}

TEST_F(SegmentCacheTest, WhoHoldsAPartReadsOnAfterItWasForgotten) {
  make(1);
  SegmentCache cache(*store_, 1 << 30);
  const auto part = open(cache, 1).value();
  cache.forget(id_of(1));
  cache.forget(id_of(1));
  EXPECT_EQ(cache.bytes(), 0U);
  ASSERT_TRUE(store_->remove(name_of(1)).ok());
  EXPECT_TRUE(part.read(Offset{150}, 1).ok());
  EXPECT_EQ(open(cache, 1).error().code, Code::kCorrupt);
}

TEST_F(SegmentCacheTest, AnotherObjectUnderTheNameIsDamage) {
  make(1);
  SegmentCache cache(*store_, 1 << 30);
  const auto wrong = cache.open(id_of(2), name_of(1), kPartition);
  EXPECT_EQ(wrong.error().code, Code::kCorrupt);
  EXPECT_THAT(wrong.error().message, HasSubstr("segments/1: it is object"));
  const auto other = cache.open(id_of(1), name_of(1), {topic_of(9), PartitionId{0}});
  EXPECT_THAT(other.error().message, HasSubstr("it has nothing of partition 0"));
}

TEST_F(SegmentCacheTest, ManyThreadsReadWhileItEvicts) {
  constexpr uint8_t kObjects = 6;
  for (uint8_t number = 1; number <= kObjects; ++number) {
    make(number);
  }
  SegmentCache cache(*store_, 20'000);
  std::atomic<int> failures{0};
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (size_t thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      for (size_t i = 0; i < 300; ++i) {
        const auto number = static_cast<uint8_t>(1 + (i * 7 + thread) % kObjects);
        failures += can_read(cache, number) ? 0 : 1;
        if (i % 50 == 0) {
          cache.forget(id_of(number));
        }
      }
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(failures, 0);
}

}  // namespace
}  // namespace millrace::segment
