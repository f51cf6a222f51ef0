#include "objects/cached_store.h"

#include "io/simulated_disk.h"
#include "objects/cached_store_test.h"

#include <gmock/gmock.h>

#include <atomic>
#include <functional>
#include <thread>

namespace millrace::objects {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

class CachedPlace final : public StorePlace {
 public:
  ObjectStore& store() override { return *store_; }

  std::vector<std::string> leftovers() override { return {}; }

 private:
  MemoryStore memory_;
  io::SimulatedDisk disk_{1};
  const std::unique_ptr<CachedStore> store_ =
      CachedStore::open(memory_, disk_, {.directory = "/data/cache", .max_bytes = 24 << 20})
          .value();
};

INSTANTIATE_TEST_SUITE_P(All, StoreConformance,
                         ::testing::Values(StoreKind{"Cached",
                                                     +[]() -> std::unique_ptr<StorePlace> {
                                                       return std::make_unique<CachedPlace>();
                                                     }}),
                         kind_name);

TEST_F(CachedStoreTest, AReadThatWasThereIsNotAskedOfTheRemote) {
  const auto content = put_remote("a", 3 * kBlock + 5);
  EXPECT_TRUE(reads("a", content, 10, 2 * kBlock));
  ASSERT_THAT(remote_.reads(), SizeIs(1));  // three blocks that stand side by side
  EXPECT_EQ(remote_.reads()[0].position, 0U);
  EXPECT_EQ(remote_.reads()[0].bytes, 3 * kBlock);
  EXPECT_EQ(counters().misses, 3U);
  EXPECT_EQ(counters().bytes_from_remote, 3 * kBlock);
  EXPECT_EQ(counters().hits, 0U);
  EXPECT_TRUE(reads("a", content, 0, 3 * kBlock));
  EXPECT_TRUE(reads("a", content, kBlock - 1, 2));
  EXPECT_THAT(remote_.reads(), SizeIs(1));
  EXPECT_EQ(counters().hits, 5U);
  EXPECT_EQ(counters().bytes_from_cache, 3 * kBlock + 2);
  EXPECT_TRUE(reads("a", content, 0, content.size()));  // and the short one at the end
  ASSERT_THAT(remote_.reads(), SizeIs(2));
  EXPECT_EQ(remote_.reads()[1].position, 3 * kBlock);
  EXPECT_EQ(remote_.reads()[1].bytes, 5U);
  EXPECT_TRUE(reads("a", content, 3 * kBlock + 1, 4));
  EXPECT_THAT(remote_.reads(), SizeIs(2));
  EXPECT_EQ(store_->cached_bytes(), bytes_on_disk());
}

TEST_F(CachedStoreTest, OnlyWhatIsMissingIsRead) {
  const auto content = put_remote("a", 20 * kBlock);
  EXPECT_TRUE(reads_block("a", content, 2));
  EXPECT_TRUE(reads("a", content, 0, 20 * kBlock));
  std::vector<std::pair<uint64_t, size_t>> wanted{
      {2, 1}, {0, 2}, {3, BlockFetcher::kMostBlocks}, {11, BlockFetcher::kMostBlocks}, {19, 1}};
  ASSERT_THAT(remote_.reads(), SizeIs(wanted.size()));
  for (size_t i = 0; i < wanted.size(); ++i) {
    EXPECT_EQ(remote_.reads()[i].position, wanted[i].first * kBlock);
    EXPECT_EQ(remote_.reads()[i].bytes, wanted[i].second * kBlock);
  }
}

TEST_F(CachedStoreTest, WhoReadsTheSameAtOnceWaitsForOneReadOfTheRemote) {
  const auto content = put_remote("a", 4 * kBlock);
  remote_.hold([](const auto&) { return true; });
  constexpr size_t kReaders = 6;
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  threads.reserve(kReaders);
  for (size_t i = 0; i < kReaders; ++i) {
    threads.emplace_back([&, i] { wrong += reads("a", content, 1 + i, 3 * kBlock) ? 0 : 1; });
  }
  while (counters().misses < 4 + (kReaders - 1)) {  // one waits for four blocks, all others for it
    std::this_thread::yield();
  }
  remote_.release();
  for (auto& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(wrong, 0);
  ASSERT_THAT(remote_.reads(), SizeIs(1));
  EXPECT_EQ(remote_.reads()[0].bytes, 4 * kBlock);
}

TEST_F(CachedStoreTest, WhoWaitsForAReadThatFailsIsToldTheSame) {
  const auto content = put_remote("a", kBlock);
  remote_.hold([](const auto&) { return true; });
  remote_.refuse([](const auto&) { return true; });
  const auto reader = store_->read("a").value();
  std::vector<std::thread> threads;
  std::atomic<int> refused{0};
  threads.reserve(3);
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      std::vector<std::byte> out(10);
      const Status read = reader->read_at(0, out);
      refused += !read.ok() && read.error().code == Code::kOverloaded ? 1 : 0;
    });
  }
  while (counters().misses < 3) {
    std::this_thread::yield();
  }
  remote_.release();
  for (auto& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(refused, 3);
  EXPECT_THAT(remote_.reads(), SizeIs(1));
  remote_.refuse({});
  EXPECT_TRUE(reads_block("a", content, 0));
  EXPECT_EQ(store_->counters().failures, 3U);
}

TEST_F(CachedStoreTest, WhatIsRemovedOrWrittenAgainIsForgotten) {
  const auto content = put_remote("a", 3 * kBlock);
  const auto other = put_remote("b", kBlock, 2);
  EXPECT_TRUE(reads("a", content, 0, content.size()));
  EXPECT_TRUE(reads_block("b", other, 0));
  const auto reader = store_->read("a").value();
  ASSERT_TRUE(store_->remove("a").ok());
  EXPECT_EQ(store_->cached_bytes(), file_bytes("b", kBlock));
  EXPECT_THAT(files(), SizeIs(1));
  std::vector<std::byte> out(3 * kBlock);
  EXPECT_TRUE(reader->read_at(0, out).ok());  // the remote still has it for its readers
  EXPECT_EQ(out, content);
  EXPECT_THAT(files(), SizeIs(1));  // and of that nothing is kept
  const auto again = content_of(3 * kBlock, 7);
  ASSERT_TRUE(put(*store_, "a", again).ok());
  EXPECT_TRUE(reads("a", again, 0, again.size()));
  const auto third = content_of(3 * kBlock, 8);
  ASSERT_TRUE(put(*store_, "a", third).ok());
  EXPECT_TRUE(reads("a", third, 0, third.size()));
  EXPECT_EQ(counters().bad_blocks, 0U);
}

TEST_F(CachedStoreTest, WhatIsOnItsWayWhenItsObjectGoesIsNotKept) {
  const auto content = put_remote("a", kBlock);
  remote_.hold([](const auto&) { return true; });
  std::thread reading([&] { EXPECT_TRUE(reads_block("a", content, 0)); });
  EXPECT_TRUE(remote_.begun.reaches(1));
  ASSERT_TRUE(store_->remove("a").ok());
  remote_.release();
  reading.join();
  EXPECT_THAT(files(), IsEmpty());
  EXPECT_EQ(store_->cached_bytes(), 0U);
}

TEST_F(CachedStoreTest, AnotherSizeOfTheSameNameIsAnotherObject) {
  const auto content = put_remote("a", 2 * kBlock);
  EXPECT_TRUE(reads("a", content, 0, content.size()));
  const auto reader = store_->read("a").value();
  const auto longer = put_remote("a", 2 * kBlock + 1, 2);  // not by way of the store
  EXPECT_TRUE(reads("a", longer, 0, longer.size()));
  EXPECT_TRUE(reads("a", longer, 0, longer.size()));
  EXPECT_EQ(reader->bytes(), 2 * kBlock);
  EXPECT_THAT(remote_.reads(), SizeIs(2));
}

TEST_F(CachedStoreTest, RefusesOptionsThatCannotBe) {
  const auto code_of = [&](const std::function<void(CachedStoreOptions&)>& change) {
    auto options = options_;
    change(options);
    return CachedStore::open(remote_, disk_, options, clock_).error().code;
  };
  EXPECT_EQ(code_of([](auto& options) { options.block_bytes = 4095; }), Code::kInvalid);
  EXPECT_EQ(code_of([](auto& options) { options.block_bytes = (64 << 20) + 1; }), Code::kInvalid);
  EXPECT_EQ(code_of([](auto& options) { options.directory = ""; }), Code::kInvalid);
}

TEST_F(CachedStoreTest, AReaderOverTheLimitWaits) {
  constexpr auto kTime = std::chrono::seconds(1);  // that a block takes
  options_.remote_bytes_per_second = kBlock;
  start();
  const auto content = put_remote("a", 4 * kBlock);
  EXPECT_TRUE(reads_block("a", content, 0));
  std::thread reading([&] { EXPECT_TRUE(reads_block("a", content, 2)); });
  while (counters().misses < 2) {
    std::this_thread::yield();
  }
  EXPECT_TRUE(reads_block("a", content, 0));  // what is there has no limit
  EXPECT_THAT(remote_.reads(), SizeIs(1));
  clock_.advance(kTime - RateLimit::kBurst);
  store_->set_remote_bytes_per_second(kBlock);  // has who waits look at the clock
  reading.join();
  EXPECT_THAT(remote_.reads(), SizeIs(2));
  std::thread last([&] { EXPECT_TRUE(reads_block("a", content, 1)); });
  while (counters().misses < 3) {
    std::this_thread::yield();
  }
  store_->set_remote_bytes_per_second(0);
  last.join();
}

}  // namespace
}  // namespace millrace::objects
