// What CachedStore reads ahead of its readers.
#include "io/simulated_disk.h"
#include "objects/cached_store.h"
#include "objects/cached_store_test.h"
#include "objects/store_conformance_test.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <numeric>
#include <random>
#include <thread>

namespace millrace::objects {
namespace {

using ::testing::SizeIs;

constexpr uint64_t kBlock = 4096;

class Prefetch : public ::testing::Test {
 protected:
  void start(size_t blocks, size_t rest = 0) {
    content_ = content_of(blocks * kBlock + rest);
    ASSERT_TRUE(put(remote_, "a", content_).ok());
    store_ = CachedStore::open(remote_, disk_, options_, clock_).value();
    reader_ = store_->read("a").value();
  }

  bool reads(uint64_t position, size_t size) {
    std::vector<std::byte> out(size);
    const Status read = reader_->read_at(position, out);
    EXPECT_TRUE(read.ok()) << read.error().message;
    return read.ok() && std::ranges::equal(out, std::span(content_).subspan(position, size));
  }

  bool reads_block(uint64_t block) {
    return reads(block * kBlock, std::min<uint64_t>(kBlock, content_.size() - block * kBlock));
  }

  /// Reads of the remote that are not this thread's.
  static WatchedStore::Which ahead() {
    return [self = std::this_thread::get_id()](const auto& read) { return read.thread != self; };
  }

  const CacheCounters& counters() const { return store_->cache_counters(); }

  std::vector<std::byte> content_;
  WatchedStore remote_;
  io::SimulatedDisk simulated_{1};
  WatchedDisk disk_{simulated_};
  ManualClock clock_;
  CachedStoreOptions options_{.directory = "/data/cache",
                              .max_bytes = 16 << 20,
                              .block_bytes = kBlock,
                              .prefetch_threads = 3};
  std::unique_ptr<CachedStore> store_;
  std::unique_ptr<ObjectReader> reader_;
};

TEST_F(Prefetch, WhoReadsOnFindsBlocksThere) {
  constexpr uint64_t kBlocks = 60;
  start(kBlocks, 100);
  ReadAhead same(content_.size(), kBlock, options_.max_ahead_bytes);
  uint64_t ordered = 2;  // blocks, with the two that it begins with
  for (uint64_t block = 0; block <= kBlocks; ++block) {
    ASSERT_TRUE(reads_block(block)) << block;
    const auto order =
        same.add(block * kBlock, std::min(kBlock, content_.size() - block * kBlock), 0);
    if (order.end > order.begin) {
      ordered = (order.end + kBlock - 1) / kBlock;
    }
    ASSERT_TRUE(disk_.written.reaches(std::max(ordered, block + 1) - (block == 0 ? 1 : 0)));
  }
  EXPECT_EQ(remote_.own_reads(), 2U);
  EXPECT_THAT(remote_.reads(), SizeIs(kBlocks + 1));  // each once, and none beyond the end
  EXPECT_EQ(counters().misses, 2U);
  EXPECT_EQ(counters().hits, kBlocks - 1);
  EXPECT_EQ(counters().bytes_from_remote, content_.size());
  reader_.reset();
  store_.reset();
}

TEST_F(Prefetch, WhatWasReadAheadIsCountedAsUsedOrNot) {
  start(20);
  EXPECT_TRUE(reads_block(0));
  EXPECT_TRUE(reads_block(1));            // orders 2 and 3
  EXPECT_TRUE(disk_.written.reaches(4));  // theirs as well
  EXPECT_TRUE(reads(2 * kBlock, 7));      // orders 4 to 6
  EXPECT_TRUE(disk_.written.reaches(7));
  EXPECT_TRUE(reads(2 * kBlock + 7, 7));
  ASSERT_TRUE(store_->remove("a").ok());
  while (counters().prefetch_used + counters().prefetch_unused < 5) {
    std::this_thread::yield();
  }
  EXPECT_EQ(counters().prefetched, 5U);
  EXPECT_EQ(counters().prefetch_used, 1U);
  EXPECT_EQ(counters().prefetch_unused, 4U);
}

TEST_F(Prefetch, WhoJumpsAboutReadsNothingAhead) {
  constexpr uint64_t kBlocks = 64;
  start(kBlocks);
  std::vector<uint64_t> blocks(kBlocks / 2);
  std::iota(blocks.begin(), blocks.end(), 0);
  std::ranges::shuffle(blocks, std::mt19937_64(7));
  for (const uint64_t block : blocks) {
    EXPECT_TRUE(reads_block(2 * block));
  }
  EXPECT_TRUE(reads(content_.size() - 64, 64));  // as a segment is opened: its end,
  EXPECT_TRUE(reads(content_.size() - 500, 200));
  EXPECT_TRUE(reads_block(1));  // and from there to somewhere
  EXPECT_EQ(remote_.own_reads(), remote_.reads().size());
  EXPECT_EQ(counters().prefetched, 0U);
}

TEST_F(Prefetch, SeveralReadersOfOneObjectAreFollowed) {
  constexpr uint64_t kReaders = ReadAhead::kStreams;
  constexpr uint64_t kEach = 12;
  start(kReaders * kEach);
  for (uint64_t step = 0; step < 2; ++step) {
    for (uint64_t each = 0; each < kReaders; ++each) {
      EXPECT_TRUE(reads_block(each * kEach + step));
    }
  }
  EXPECT_TRUE(disk_.written.reaches(4 * kReaders));
  EXPECT_EQ(remote_.own_reads(), 2 * kReaders);
  for (uint64_t each = 0; each < kReaders; ++each) {
    EXPECT_TRUE(reads_block(each * kEach + 2));
  }
  EXPECT_EQ(remote_.own_reads(), 2 * kReaders);
}

TEST_F(Prefetch, ARemoteThatFailsAheadIsNoErrorUntilItIsAsked) {
  start(20);
  remote_.refuse(ahead());
  for (uint64_t block = 0; block < 6; ++block) {
    EXPECT_TRUE(reads_block(block));
  }
  while (counters().prefetch_failed == 0) {
    std::this_thread::yield();
  }
  EXPECT_EQ(counters().prefetched, 0U);
  EXPECT_EQ(remote_.own_reads(), 6U);
  EXPECT_EQ(store_->counters().failures, 0U);
  remote_.refuse([](const auto&) { return true; });
  std::vector<std::byte> out(kBlock);
  const Status read = reader_->read_at(6 * kBlock, out);
  ASSERT_FALSE(read.ok());
  EXPECT_EQ(read.error().code, Code::kOverloaded);
  EXPECT_TRUE(reads_block(5));  // what is there needs no remote
  remote_.refuse({});
  EXPECT_TRUE(reads_block(6));
}

TEST_F(Prefetch, AReaderThatWaitsForAFailingReadAheadReadsItself) {
  options_.prefetch_threads = 1;
  start(20);
  remote_.hold(ahead());
  remote_.refuse(ahead());
  EXPECT_TRUE(reads_block(0));
  EXPECT_TRUE(reads_block(1));
  EXPECT_TRUE(remote_.begun.reaches(3));  // block 2, ahead
  std::thread waiting([&] { EXPECT_TRUE(reads(2 * kBlock, 10)); });
  while (counters().misses < 3) {
    std::this_thread::yield();
  }
  remote_.refuse([block_2_was_begun = false](const auto& read) mutable {
    return read.position == 2 * kBlock && !std::exchange(block_2_was_begun, true);
  });
  remote_.release();
  waiting.join();
  while (counters().prefetch_failed < 1) {  // is counted after those who wait are told
    std::this_thread::yield();
  }
  EXPECT_EQ(remote_.own_reads(), 2U);
}

TEST_F(Prefetch, AReaderTakesOverWhatIsQueued) {
  options_.prefetch_threads = 1;
  start(20);
  remote_.hold(ahead());
  EXPECT_TRUE(reads_block(0));
  EXPECT_TRUE(reads_block(1));
  EXPECT_TRUE(remote_.begun.reaches(3));  // the only thread has block 2 now
  EXPECT_TRUE(reads_block(3));            // and is not waited for
  EXPECT_EQ(remote_.own_reads(), 3U);
  EXPECT_TRUE(reads_block(3));
  EXPECT_EQ(counters().prefetch_used, 0U);  // that one was the reader's own
  remote_.release();
  EXPECT_TRUE(reads_block(2));
  EXPECT_EQ(remote_.own_reads(), 3U);
}

TEST_F(Prefetch, AReaderThatWaitsForAReadAheadUsesIt) {
  start(4);
  remote_.hold(ahead());
  EXPECT_TRUE(reads_block(0));
  EXPECT_TRUE(reads_block(1));
  EXPECT_TRUE(remote_.begun.reaches(4));  // 2 and 3, ahead, to the end
  std::thread waiting([&] { EXPECT_TRUE(reads_block(2)); });
  while (counters().misses < 3) {
    std::this_thread::yield();
  }
  remote_.release();
  waiting.join();
  EXPECT_TRUE(disk_.written.reaches(4));
  ASSERT_TRUE(store_->remove("a").ok());
  while (counters().prefetch_used + counters().prefetch_unused < 2) {
    std::this_thread::yield();
  }
  EXPECT_EQ(counters().prefetch_used, 1U);
  EXPECT_EQ(counters().prefetch_unused, 1U);
}

TEST_F(Prefetch, AStoreThatEndsReadsNothingMore) {
  options_.prefetch_threads = 1;
  start(20);
  EXPECT_TRUE(reads(0, 4 * kBlock));
  store_->set_remote_bytes_per_second(1);
  EXPECT_TRUE(reads_block(10));  // now everybody waits for an hour of a clock that stands
  auto second = store_->read("a").value();
  std::vector<std::byte> out(kBlock);
  for (uint64_t block = 0; block < 3; ++block) {
    EXPECT_TRUE(second->read_at(block * kBlock, out).ok());
  }
  second.reset();
  store_.reset();  // 4 waits, or is dropped; 5 and 6 are queued, and are dropped
  EXPECT_THAT(remote_.reads(), SizeIs(testing::Le(3U)));
}

TEST_F(Prefetch, NothingIsReadAheadForADiskThatTakesNothing) {
  start(20);
  io::DiskFaults faults;
  faults.is_read_only = true;
  simulated_.set_faults(faults);
  for (uint64_t block = 0; block < 10; ++block) {
    EXPECT_TRUE(reads_block(block));
  }
  EXPECT_EQ(remote_.own_reads(), 10U);
  EXPECT_THAT(remote_.reads(), SizeIs(10));
}

TEST_F(Prefetch, ASmallCacheIsNotFilledWithOneReadersFuture) {
  constexpr uint64_t kAhead = 4;
  options_.max_bytes = 4 * kAhead * kBlock;
  start(200);
  for (uint64_t block = 0; block < 100; ++block) {
    EXPECT_TRUE(reads_block(block));
    // All that a quarter of the budget allows, and time for more, if there is any.
    EXPECT_TRUE(disk_.written.reaches(block < 2 ? block + 1 : block + 1 + 2));
    for (const auto& read : remote_.reads()) {
      EXPECT_LE(read.position, (block + kAhead) * kBlock);
    }
  }
}

TEST_F(Prefetch, ManyReadersNeverGetOtherBytes) {
  constexpr uint64_t kBlocks = 50;
  options_.max_bytes = 20 * kBlock;
  start(kBlocks);
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (uint64_t seed = 0; seed < 4; ++seed) {
    threads.emplace_back([&, seed] {
      std::mt19937_64 random(seed);
      for (int pass = 0; pass < 10; ++pass) {
        const auto reader = store_->read("a").value();
        std::vector<std::byte> out(1 + random() % (3 * kBlock));
        for (uint64_t at = random() % kBlock; at + out.size() <= content_.size();
             at += out.size()) {
          if (!reader->read_at(at, out).ok() ||
              !std::ranges::equal(out, std::span(content_).subspan(at, out.size()))) {
            ++wrong;
          }
        }
      }
    });
  }
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(put(*store_, "a", content_).ok());  // is forgotten
  }
  for (auto& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(counters().bad_blocks, 0U);
  EXPECT_LE(store_->cached_bytes(), options_.max_bytes);
}

}  // namespace
}  // namespace millrace::objects
