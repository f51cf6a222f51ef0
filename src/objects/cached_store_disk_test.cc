// What becomes of the files of a cache: restarts, damage, the budget, disks that are full or fail.
#include "bytes/buffer.h"
#include "io/simulated_disk.h"
#include "objects/cached_block.h"
#include "objects/cached_store.h"
#include "objects/cached_store_test.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <functional>
#include <random>
#include <thread>

namespace millrace::objects {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST_F(CachedStoreTest, IsWarmAfterARestart) {
  const auto content = put_remote("a", 5 * kBlock + 1);
  EXPECT_TRUE(reads("a", content, 0, content.size()));
  const uint64_t bytes = store_->cached_bytes();
  ASSERT_THAT(remote_.reads(), SizeIs(1));
  start();
  EXPECT_EQ(store_->cached_bytes(), bytes);
  EXPECT_TRUE(reads("a", content, 0, content.size()));
  EXPECT_THAT(remote_.reads(), SizeIs(1));
  EXPECT_EQ(counters().hits, 6U);
}

TEST_F(CachedStoreTest, ARestartOpensNoFiles) {
  const auto content = put_remote("a", 5 * kBlock);
  EXPECT_TRUE(reads("a", content, 0, content.size()));
  store_.reset();

  class NoFiles final : public io::ForwardingDisk {
   public:
    using ForwardingDisk::ForwardingDisk;

    Result<std::unique_ptr<io::File>> open(const std::string& path, io::OpenMode /*mode*/,
                                           io::Access /*access*/) override {
      return make_error(Code::kIo, "{}", path);
    }
  } no_files(disk_);

  const auto opened = CachedStore::open(remote_, no_files, options_, clock_);
  ASSERT_TRUE(opened.ok());
  EXPECT_EQ((*opened)->cached_bytes(), bytes_on_disk());
}

TEST_F(CachedStoreTest, WhatAPowerCutLeavesIsNeverTakenForAnObject) {
  const auto content = put_remote("a", 64 * kBlock);
  EXPECT_TRUE(reads("a", content, 0, content.size()));
  ASSERT_TRUE(disk_.sync_directory(kDirectory).ok());  // names, and nothing of the content
  store_.reset();
  static_cast<void>(disk_.power_cut());
  start();
  const auto known = files();
  EXPECT_TRUE(reads("a", content, 0, content.size()));
  EXPECT_GT(counters().bad_blocks + counters().misses, 0U);
  EXPECT_TRUE(reads("a", content, 0, content.size()));
  EXPECT_EQ(counters().misses + counters().hits, 2 * 64U);
}

TEST_F(CachedStoreTest, FilesThatMakeNoSenseAreRemovedAndThoseOfOthersAreNot) {
  const auto content = put_remote("a", kBlock);
  EXPECT_TRUE(reads_block("a", content, 0));
  store_.reset();
  const std::string good = files().front();
  const auto valid = disk_.read_file(kDirectory + "/" + good).value();
  const auto add = [&](const std::string& name, std::span<const std::byte> bytes) {
    const auto file = disk_.open(kDirectory + "/" + name, io::OpenMode::kCreateNew);
    ASSERT_TRUE(file.ok() && (*file)->write_at(0, bytes).ok());
  };
  const auto changed = [&](size_t at, std::string_view to) {
    std::string name = good;
    return name.replace(at, to.size(), to);
  };
  add("x.block", valid);
  add(good + ".block", valid);
  add(changed(0, "x"), valid);
  add(changed(0, "FFFF"), valid);  // capitals
  add(changed(0, "ffffffffffffffff"), valid);
  add(changed(16, "_"), valid);
  add(changed(17, "zz"), valid);
  add(changed(good.size() - 7, "1"), valid);  // no place where a block begins
  add(changed(0, "00000000000000aa"), {});
  add(changed(0, "00000000000000ab"), std::span(valid).first(CachedBlock::kHeaderBytes));
  add(changed(0, "00000000000000ac"), std::vector<std::byte>(valid.size() + kMaxNameBytes));
  add("README", valid);
  ASSERT_TRUE(disk_.make_directories(kDirectory + "/sub.block").ok());
  start();
  EXPECT_THAT(files(), ElementsAre(good, "README", "sub.block"));
  EXPECT_TRUE(reads_block("a", content, 0));
  EXPECT_EQ(counters().hits, 1U);
}

TEST_F(CachedStoreTest, OfTwoFilesOfOneBlockTheNewerCounts) {
  const auto content = put_remote("a", kBlock);
  EXPECT_TRUE(reads_block("a", content, 0));
  store_.reset();
  const std::string first = files().front();
  std::string second = first;
  second.replace(0, 16, "00000000000000aa");
  const auto valid = disk_.read_file(kDirectory + "/" + first).value();
  const auto file = disk_.open(kDirectory + "/" + second, io::OpenMode::kCreateNew);
  ASSERT_TRUE((*file)->write_at(0, valid).ok());
  start();
  EXPECT_THAT(files(), ElementsAre(second));
  EXPECT_EQ(store_->cached_bytes(), valid.size());
  const auto other = put_remote("b", kBlock, 2);
  EXPECT_TRUE(reads_block("b", other, 0));
  EXPECT_THAT(files(), ElementsAre(second, testing::StartsWith("00000000000000ab-")));
}

TEST_F(CachedStoreTest, EveryFlippedBitAndEveryCutIsFoundAndReadAgain) {
  const auto content = put_remote("a", kBlock);
  EXPECT_TRUE(reads_block("a", content, 0));
  const size_t size = file_bytes("a", kBlock);
  uint64_t bad = 0;
  const auto expect_thrown_away = [&](const char* what, size_t at) {
    EXPECT_TRUE(reads_block("a", content, 0)) << what << " " << at;
    EXPECT_EQ(counters().bad_blocks, ++bad) << what << " " << at;
    EXPECT_THAT(remote_.reads(), SizeIs(1 + bad));
    EXPECT_TRUE(reads_block("a", content, 0));  // kept again
    EXPECT_THAT(remote_.reads(), SizeIs(1 + bad));
    EXPECT_EQ(store_->cached_bytes(), size);
  };
  for (size_t at = 0; at < size; at += at < 40 ? 1 : 1013) {
    change_file([&](auto& file) { file[at] ^= std::byte{1} << (at % 8); });
    expect_thrown_away("bit in byte", at);
  }
  for (const size_t left : {size_t{0}, size_t{1}, size_t{31}, size_t{33}, size - 1}) {
    change_file([&](auto& file) { file.resize(left); });
    expect_thrown_away("cut to", left);
  }
  change_file([&](auto& file) { file.push_back({}); });
  expect_thrown_away("longer than", size);
}

TEST_F(CachedStoreTest, AFileOfAnotherObjectIsThrownAway) {
  const auto content = put_remote("a", 2 * kBlock);
  const auto encoded = [&](const CachedBlock& block) {
    auto file = block.encode_head();
    file.insert(file.end(), block.content.begin(), block.content.end());
    return file;
  };
  const auto wrong = content_of(kBlock, 9);
  const CachedBlock right{
      .object = "a", .object_bytes = 2 * kBlock, .position = 0, .content = wrong};
  std::vector<CachedBlock> others(5, right);
  others[0].object = "b";
  others[1].object_bytes += 1;
  others[2].position = kBlock;
  others[3].content = others[3].content.first(kBlock - 1);
  others[4].object = "ab";
  uint64_t bad = 0;
  for (const CachedBlock& other : others) {
    EXPECT_TRUE(reads_block("a", content, 0));
    change_file([&](auto& file) { file = encoded(other); });
    start();  // takes the sizes of files as they are
    EXPECT_TRUE(reads_block("a", content, 0)) << "number " << bad;
    EXPECT_EQ(counters().bad_blocks, 1U) << "number " << bad;
    EXPECT_THAT(remote_.reads(), SizeIs(1 + ++bad));
  }
  change_file([&](auto& file) { file = encoded(right); });  // to show that these were not refused
  std::vector<std::byte> out(kBlock);                       // for another reason
  EXPECT_TRUE((*store_->read("a"))->read_at(0, out).ok());
  EXPECT_EQ(out, wrong);
}

TEST_F(CachedStoreTest, AFileThatIsGoneIsReadAgain) {
  const auto content = put_remote("a", kBlock);
  EXPECT_TRUE(reads_block("a", content, 0));
  ASSERT_TRUE(disk_.remove(kDirectory + "/" + files().front()).ok());
  EXPECT_TRUE(reads_block("a", content, 0));
  EXPECT_TRUE(reads_block("a", content, 0));
  EXPECT_THAT(remote_.reads(), SizeIs(2));
  EXPECT_EQ(counters().bad_blocks, 1U);
  EXPECT_EQ(store_->cached_bytes(), bytes_on_disk());
}

TEST_F(CachedStoreTest, TheBudgetIsHeldToTheByteAndTheLeastRecentlyUsedGo) {
  const uint64_t one = file_bytes("a", kBlock);
  start(3 * one);
  const auto content = put_remote("a", 10 * kBlock);
  for (const uint64_t block :
       std::to_array<uint64_t>({0, 1, 2, 0, 3, 0, 4})) {  // 1 goes for 3, 2 for 4
    EXPECT_TRUE(reads_block("a", content, block));
    EXPECT_LE(bytes_on_disk(), 3 * one);
  }
  EXPECT_EQ(bytes_on_disk(), 3 * one);
  EXPECT_EQ(store_->cached_bytes(), 3 * one);
  EXPECT_EQ(counters().evicted, 2U);
  EXPECT_THAT(remote_.reads(), SizeIs(5));
  for (const uint64_t block : std::to_array<uint64_t>({4, 3, 0})) {
    EXPECT_TRUE(reads_block("a", content, block));
  }
  EXPECT_THAT(remote_.reads(), SizeIs(5));
  start(3 * one - 1);  // a smaller one
  EXPECT_EQ(bytes_on_disk(), 2 * one);
  EXPECT_EQ(counters().evicted, 1U);
  start(one - 1);
  EXPECT_THAT(files(), IsEmpty());
  EXPECT_TRUE(reads_block("a", content, 1));
  EXPECT_THAT(files(), IsEmpty());
  EXPECT_EQ(counters().not_kept, 1U);
}

TEST_F(CachedStoreTest, TheBudgetIsHeldWhileManyRead) {
  const uint64_t budget = 7 * file_bytes("a", kBlock) + 100;

  /// Knows what the files take at each moment.
  class Scale final : public io::ForwardingDisk {
   public:
    explicit Scale(io::SimulatedDisk& disk) : ForwardingDisk(disk), disk_(disk) {}

    Result<std::unique_ptr<io::File>> open(const std::string& path, io::OpenMode mode,
                                           io::Access access) override {
      MILLRACE_TRY(auto file, ForwardingDisk::open(path, mode, access));
      return std::unique_ptr<io::File>(std::make_unique<File>(std::move(file), *this));
    }

    std::atomic<uint64_t> most{0};

   private:
    class File final : public io::ForwardingFile {
     public:
      File(std::unique_ptr<io::File> file, Scale& scale)
          : ForwardingFile(std::move(file)), scale_(scale) {}

      Result<size_t> write_some(uint64_t position, std::span<const io::ConstBytes> parts) override {
        auto wrote = ForwardingFile::write_some(position, parts);
        scale_.weigh();
        return wrote;
      }

     private:
      Scale& scale_;
    };

    void weigh() {
      uint64_t bytes = 0;
      for (const auto& entry : *disk_.list(kDirectory)) {
        bytes += entry.size;
      }
      uint64_t before = most;
      while (before < bytes && !most.compare_exchange_weak(before, bytes)) {
      }
    }

    io::SimulatedDisk& disk_;
  } scale(disk_);

  options_.max_bytes = budget;
  store_ = CachedStore::open(remote_, scale, options_, clock_).value();
  const auto content = put_remote("a", 40 * kBlock);
  const auto reader = store_->read("a").value();
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  threads.reserve(4);
  for (uint64_t seed = 0; seed < 4; ++seed) {
    threads.emplace_back([&, seed] {
      std::mt19937_64 random(seed);
      std::vector<std::byte> out(2 * kBlock);
      for (int i = 0; i < 200; ++i) {
        const uint64_t position = random() % (38 * kBlock);
        if (!reader->read_at(position, out).ok() ||
            !std::ranges::equal(out, std::span(content).subspan(position, out.size()))) {
          ++wrong;
        }
      }
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(wrong, 0);
  EXPECT_LE(scale.most, budget);
  EXPECT_GT(scale.most, 5 * kBlock);
  EXPECT_EQ(store_->cached_bytes(), bytes_on_disk());
  EXPECT_GT(counters().evicted, 0U);
  EXPECT_EQ(counters().bad_blocks, 0U);
}

TEST_F(CachedStoreTest, AFullDiskIsLeftAloneForAWhile) {
  const auto content = put_remote("a", 10 * kBlock);
  EXPECT_TRUE(reads_block("a", content, 0));
  io::DiskFaults full;
  full.capacity_bytes = file_bytes("a", kBlock) + 100;
  disk_.set_faults(full);
  EXPECT_TRUE(reads_block("a", content, 1));
  EXPECT_EQ(counters().not_kept, 1U);
  EXPECT_THAT(files(), SizeIs(1));  // nothing of what was begun
  EXPECT_EQ(store_->cached_bytes(), bytes_on_disk());
  const uint64_t operations = disk_.operations();
  EXPECT_TRUE(reads_block("a", content, 1));
  EXPECT_TRUE(reads_block("a", content, 0));  // that one is still there
  EXPECT_EQ(counters().not_kept, 2U);
  EXPECT_EQ(disk_.operations(), operations);
  EXPECT_THAT(remote_.reads(), SizeIs(3));
  disk_.set_faults({});
  clock_.advance(BlockCache::kPause - std::chrono::nanoseconds(1));
  EXPECT_TRUE(reads_block("a", content, 1));
  EXPECT_EQ(counters().not_kept, 3U);
  clock_.advance(std::chrono::nanoseconds(1));
  EXPECT_TRUE(reads_block("a", content, 1));
  EXPECT_TRUE(reads_block("a", content, 1));
  EXPECT_EQ(counters().not_kept, 3U);
  EXPECT_THAT(remote_.reads(), SizeIs(5));
  EXPECT_THAT(files(), SizeIs(2));
}

TEST_F(CachedStoreTest, ADiskThatFailsAnywhereIsNoErrorForReaders) {
  const auto content = put_remote("a", 8 * kBlock);
  const uint64_t one = file_bytes("a", kBlock);
  for (uint64_t fail_at = 1; fail_at < 30; ++fail_at) {
    start(2 * one);
    io::DiskFaults faults;
    faults.fail_at = disk_.operations() + fail_at;
    faults.writes_short = true;
    disk_.set_faults(faults);
    for (uint64_t block = 0; block < 8; ++block) {
      EXPECT_TRUE(reads_block("a", content, block)) << fail_at;
      EXPECT_LE(bytes_on_disk(), 2 * one) << fail_at;
      clock_.advance(BlockCache::kPause);
    }
    disk_.set_faults({});
  }
  disk_.power_off();
  EXPECT_TRUE(reads("a", content, 0, content.size()));
  store_.reset();
  EXPECT_EQ(CachedStore::open(remote_, watched_, options_, clock_).error().code, Code::kIo);
}

}  // namespace
}  // namespace millrace::objects
