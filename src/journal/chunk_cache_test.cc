#include "journal/chunk_cache.h"

#include "journal/test_log.h"

#include <gtest/gtest.h>

#include <gmock/gmock.h>

#include <thread>

namespace millrace::journal {
namespace {

using testing::HasSubstr;

const TopicPartition kA = partition_of(1, 0);
const TopicPartition kB = partition_of(1, 1);
constexpr size_t kMiB = size_t{1} << 20;

/// A log of several files, each of several chunks, and what is in it.
class ChunkCacheTest : public testing::Test {
 protected:
  ChunkCacheTest() {
    log_.options.writer.file_bytes = 8 * kMiB;
    log_.options.writer.first_file_bytes = 8 * kMiB;
  }

  void SetUp() override { ASSERT_TRUE(log_.start().ok()); }

  void write(TopicPartition partition, size_t bytes) {
    const std::string text =
        fmt::format("{} {}", partition.partition, count_++) + std::string(bytes, 'x');
    ASSERT_TRUE(log_.append(partition, text).ok());
    written_[partition].push_back(text);
  }

  void fill(size_t large = 400'000) {
    for (int i = 0; i < 120; ++i) {
      write(i % 3 == 0 ? kB : kA, i % 7 == 0 ? large : 100'000);
      write(kA, 50);
    }
  }

  std::vector<std::string> read_all(ChunkCache* chunks, TopicPartition partition,
                                    size_t at_once = 300'000) const {
    const Reader reader(*log_.index, chunks);
    std::vector<std::string> found;
    for (Offset at; at < log_.index->range(partition).end;) {
      const auto batches = reader.read(partition, at, at_once);
      if (!batches.ok()) {
        found.push_back(batches.error().message);
        break;
      }
      for (const auto& batch : *batches) {
        found.emplace_back(bytes::as_text(batch.payload));
        at = batch.base_offset + batch.records;
      }
    }
    return found;
  }

  TestLog log_;
  int count_ = 0;
  std::map<TopicPartition, std::vector<std::string>> written_;
};

TEST_F(ChunkCacheTest, BatchesAreThoseOfTheFiles) {
  fill();
  ASSERT_GT(log_.writer->file(), FileNumber{2});
  ChunkCache chunks(log_.disk, 16 * kMiB);
  EXPECT_EQ(read_all(&chunks, kA), written_[kA]);
  EXPECT_EQ(read_all(&chunks, kB), written_[kB]);
  EXPECT_GT(chunks.reads(), 0U);
}

TEST_F(ChunkCacheTest, PartitionsShareWhatIsReadOnce) {
  fill(100'000);
  ChunkCache chunks(log_.disk, 64 * kMiB);
  read_all(&chunks, kA);
  const uint64_t reads = chunks.reads() + chunks.reads_ahead();
  EXPECT_EQ(read_all(&chunks, kB), written_[kB]);
  EXPECT_EQ(chunks.reads() + chunks.reads_ahead(), reads);
}

TEST_F(ChunkCacheTest, TheNextChunkIsReadAhead) {
  fill();
  ChunkCache chunks(log_.disk, 64 * kMiB);
  const Reader reader(*log_.index, &chunks);
  ASSERT_TRUE(reader.read(kA, Offset{0}, 1).ok());
  while (chunks.reads_ahead() == 0) {
    std::this_thread::yield();
  }
  EXPECT_EQ(chunks.reads(), 1U);
}

TEST_F(ChunkCacheTest, WithoutMemoryRunsAreReadOneByOne) {
  fill();
  ChunkCache none(log_.disk, 4096);
  EXPECT_EQ(read_all(&none, kA), written_[kA]);
  ChunkCache one(log_.disk, 2 * kMiB);
  EXPECT_EQ(read_all(&one, kB), written_[kB]);
}

TEST_F(ChunkCacheTest, AFirstBatchBeyondTheLimitIsAskedFor) {
  fill();
  const Reader reader(*log_.index);
  const size_t first = written_[kA].front().size();
  std::vector<size_t> asked;
  const auto admits = [&](size_t bytes) {
    asked.push_back(bytes);
    return asked.size() > 1;
  };
  EXPECT_EQ(reader.read(kA, Offset{0}, {first, admits})->size(), 1U);
  EXPECT_THAT(asked, testing::IsEmpty()) << "it fits";
  const auto refused = reader.read(kA, Offset{0}, {first - 1, admits});
  EXPECT_EQ(refused.error().code, Code::kOverloaded);
  EXPECT_EQ(reader.read(kA, Offset{0}, {first - 1, admits})->size(), 1U);
  EXPECT_THAT(asked, testing::ElementsAre(first, first));
}

TEST_F(ChunkCacheTest, WhatWasGivenOutStaysAndItsMemoryIsWaitedFor) {
  fill();
  auto chunks = std::make_unique<ChunkCache>(log_.disk, 3 * kMiB);
  const auto first = Reader(*log_.index, chunks.get()).read(kB, Offset{0}, 1).value();
  EXPECT_EQ(read_all(chunks.get(), kA), written_[kA]);
  EXPECT_EQ(bytes::as_text(first.front().payload), written_[kB].front());
  const auto again = Reader(*log_.index, chunks.get()).read(kB, Offset{0}, 1).value();
  EXPECT_EQ(bytes::as_text(again.front().payload), written_[kB].front());
}

TEST_F(ChunkCacheTest, TheLastChunkGrowsWithItsFile) {
  ChunkCache chunks(log_.disk, 16 * kMiB);
  for (int i = 0; i < 20; ++i) {
    write(kA, 3000);
    EXPECT_EQ(read_all(&chunks, kA), written_[kA]);
  }
}

TEST_F(ChunkCacheTest, DamageIsToldAsWithoutIt) {
  write(kA, 20'000);
  write(kA, 20'000);
  write(kA, 20'000);
  const auto summary = log_.index->summaries().front();
  const auto place = log_.index->find(kA, Offset{1}).value();
  ASSERT_EQ(place.file->number, summary.number);
  log_.flip(log_.path(1), place.end_position - 3 * kBlock);
  ChunkCache chunks(log_.disk, 16 * kMiB);
  const auto with = read_all(&chunks, kA);
  EXPECT_EQ(with, read_all(nullptr, kA));
  EXPECT_THAT(with.back(), HasSubstr("has CRC"));
}

TEST_F(ChunkCacheTest, AFileThatCannotBeReadIsAnErrorOfTheRead) {
  write(kA, 20'000);
  ChunkCache chunks(log_.disk, 16 * kMiB);
  log_.disk.power_off();
  EXPECT_EQ(Reader(*log_.index, &chunks).read(kA, Offset{0}, 1).error().code, Code::kIo);
}

TEST_F(ChunkCacheTest, MarksComeBackWithTheStoredIndex) {
  fill();
  for (const auto& [file, stored] : log_.index->encode_unstored()) {
    const auto index = FileIndex::decode(file->number, stored).value();
    EXPECT_GT(index.marks.size(), 2U);
    for (const uint64_t mark : index.marks) {
      EXPECT_EQ(log_.index->chunks(file->number, mark).first.begin, mark);
    }
    const auto last = log_.index->chunks(file->number, index.marks.back());
    EXPECT_EQ(last.first.end, index.end_position);
    EXPECT_EQ(last.second.begin, last.second.end);
  }
  EXPECT_EQ(log_.index->chunks(FileNumber{99}, 0).first.end, 0U);
}

TEST_F(ChunkCacheTest, ManyReadWhileMoreIsWritten) {
  fill();
  ChunkCache chunks(log_.disk, 4 * kMiB);
  std::atomic<bool> is_over{false};
  std::atomic<int> failures{0};
  std::vector<std::thread> threads;
  threads.reserve(3);
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&, partition = i == 0 ? kA : kB] {
      while (!is_over) {
        for (const std::string& text : read_all(&chunks, partition, 100'000)) {
          failures += text.starts_with(fmt::format("{} ", partition.partition)) ? 0 : 1;
        }
      }
    });
  }
  for (int i = 0; i < 60; ++i) {
    write(i % 2 == 0 ? kA : kB, 90'000);
  }
  is_over = true;
  for (auto& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(failures, 0);
}

}  // namespace
}  // namespace millrace::journal
