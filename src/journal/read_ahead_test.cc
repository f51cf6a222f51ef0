#include "journal/read_ahead.h"

#include "io/forwarding_disk.h"
#include "journal/test_log.h"

#include <gtest/gtest.h>

#include <gmock/gmock.h>

#include <chrono>
#include <thread>

namespace millrace::journal {
namespace {

using testing::HasSubstr;

const TopicPartition kA = partition_of(1, 0);
constexpr size_t kMiB = size_t{1} << 20;
constexpr size_t kBatch = 600'000;  // takes a slab of 1 MiB
constexpr size_t kInOrder = 1;      // threads: what is read ahead is read as it was wished

/// Holds the reads of all threads but the one that made it while the gate is closed.
class GatedDisk : public io::ForwardingDisk {
 public:
  using ForwardingDisk::ForwardingDisk;
  using ForwardingDisk::open;

  Result<std::unique_ptr<io::File>> open(const std::string& path, io::OpenMode mode,
                                         io::Access access) override {
    MILLRACE_TRY(auto file, ForwardingDisk::open(path, mode, access));
    return std::unique_ptr<io::File>(std::make_unique<GatedFile>(*this, std::move(file)));
  }

  void set_open(bool is_open) {
    MutexLock lock(mutex_);
    is_open_ = is_open;
    changed_.notify_all();
  }

  void wait_for_held(int reads = 1) {
    MutexLock lock(mutex_);
    while (held_ < reads) {
      changed_.wait(mutex_);
    }
  }

 private:
  class GatedFile : public io::ForwardingFile {
   public:
    GatedFile(GatedDisk& disk, std::unique_ptr<io::File> file)
        : ForwardingFile(std::move(file)), disk_(disk) {}

    Result<size_t> read_at(uint64_t position, io::MutableBytes out) const override {
      disk_.pass();
      return ForwardingFile::read_at(position, out);
    }

   private:
    GatedDisk& disk_;
  };

  void pass() {
    MutexLock lock(mutex_);
    if (std::this_thread::get_id() == maker_) {
      return;
    }
    ++held_;
    changed_.notify_all();
    while (!is_open_) {
      changed_.wait(mutex_);
    }
    --held_;
  }

  const std::thread::id maker_ = std::this_thread::get_id();
  Mutex mutex_;
  Condition changed_;
  bool is_open_ MILLRACE_GUARDED_BY(mutex_) = true;
  int held_ MILLRACE_GUARDED_BY(mutex_) = 0;
};

class ReadAheadTest : public testing::Test {
 protected:
  ReadAheadTest() {
    log_.options.writer.file_bytes = 8 * kMiB;
    log_.options.writer.first_file_bytes = 8 * kMiB;
  }

  void SetUp() override { ASSERT_TRUE(log_.start().ok()); }

  void write(TopicPartition partition, size_t bytes = kBatch) {
    auto& texts = written_[partition];
    texts.push_back(fmt::format("{} {} ", partition.partition, texts.size()) +
                    std::string(bytes, 'x'));
    ASSERT_TRUE(log_.append(partition, texts.back()).ok());
  }

  void write_each(int partitions, int batches) {
    for (int batch = 0; batch < batches; ++batch) {
      for (int partition = 0; partition < partitions; ++partition) {
        write(partition_of(1, partition));
      }
    }
  }

  /// Reads from offset `from` on, one record a batch, and compares; how many batches there were.
  size_t read(const Reader& reader, TopicPartition partition, int64_t from, size_t max_bytes = 1) {
    const auto batches = reader.read(partition, Offset{from}, max_bytes);
    if (!batches.ok()) {
      ADD_FAILURE() << batches.error().message;
      return 0;
    }
    for (const auto& batch : *batches) {
      const auto& expected = written_[partition][static_cast<size_t>(batch.base_offset.value)];
      EXPECT_TRUE(bytes::as_text(batch.payload) == expected) << batch.base_offset.value;
    }
    return batches->size();
  }

  static void wait_for_ahead(const ChunkCache& chunks, int reads, int failures = 0) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (chunks.reads_ahead() < static_cast<uint64_t>(reads) ||
           chunks.failures() < static_cast<uint64_t>(failures)) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline)
          << chunks.reads_ahead() << " read ahead, " << chunks.failures() << " failed";
      std::this_thread::yield();
    }
  }

  TestLog log_;
  std::map<TopicPartition, std::vector<std::string>> written_;
};

TEST_F(ReadAheadTest, WhoReadsOnFindsTheNextBatchInMemory) {
  write_each(2, 4);
  ChunkCache chunks(log_.disk, 16 * kMiB, kInOrder);
  const Reader reader(*log_.index, &chunks);
  read(reader, kA, 0);
  read(reader, kA, 1);
  EXPECT_EQ(chunks.reads(), 2U);
  wait_for_ahead(chunks, 1);
  read(reader, kA, 2);
  wait_for_ahead(chunks, 2);
  read(reader, kA, 3);
  EXPECT_EQ(chunks.reads(), 2U);
  EXPECT_EQ(chunks.failures(), 0U);
  read(reader, kA, 3);  // it was not kept
  EXPECT_EQ(chunks.reads(), 3U);
}

TEST_F(ReadAheadTest, AsMuchIsReadAheadAsTheReaderTakes) {
  write_each(1, 9);
  ChunkCache chunks(log_.disk, 16 * kMiB, kInOrder);
  const Reader reader(*log_.index, &chunks);
  ASSERT_EQ(read(reader, kA, 0, 3 * kMiB / 2), 2U);
  ASSERT_EQ(read(reader, kA, 2, 2 * kMiB), 3U);
  wait_for_ahead(chunks, 3);
  const uint64_t reads = chunks.reads();
  ASSERT_EQ(read(reader, kA, 5, 2 * kMiB), 3U);
  EXPECT_EQ(chunks.reads(), reads);
  wait_for_ahead(chunks, 4);
  read(reader, kA, 8);
  EXPECT_EQ(chunks.reads() + chunks.reads_ahead(), 9U);
}

TEST_F(ReadAheadTest, WhoJumpsAboutHasNothingReadAhead) {
  write_each(2, 8);
  ChunkCache chunks(log_.disk, 16 * kMiB, kInOrder);
  const Reader reader(*log_.index, &chunks);
  for (const int64_t from : {7, 5, 3, 1, 5, 1, 3}) {
    read(reader, kA, from);
  }
  const TopicPartition other = partition_of(1, 1);
  read(reader, other, 0);
  read(reader, other, 1);
  wait_for_ahead(chunks, 1);  // in order: nothing had been wished before
  EXPECT_EQ(chunks.reads_ahead(), 1U);
  read(reader, other, 2);
  EXPECT_EQ(chunks.reads(), 9U);
}

TEST_F(ReadAheadTest, SmallBatchesBehindALargeOneAreLeftToTheirChunk) {
  for (const int bytes : {600'000, 600'000, 1000, 2000, 200'000, 200'000, 200'000}) {
    write(kA, static_cast<size_t>(bytes));
  }
  ChunkCache chunks(log_.disk, 16 * kMiB, kInOrder);
  const Reader reader(*log_.index, &chunks);
  for (int64_t from = 0; from < 6; ++from) {
    read(reader, kA, from);
  }
  wait_for_ahead(chunks, 1);  // in order: the small one would have come first
  EXPECT_EQ(chunks.reads_ahead(), 1U);
  EXPECT_EQ(chunks.reads(), 5U);  // four batches and a chunk
  EXPECT_EQ(chunks.failures(), 0U);
}

TEST_F(ReadAheadTest, WhatWasReadAheadTakesHalfOfTheMemoryAtMost) {
  write_each(12, 3);
  ChunkCache chunks(log_.disk, 8 * kMiB, kInOrder);
  const Reader reader(*log_.index, &chunks);
  for (int i = 0; i < 12; ++i) {
    read(reader, partition_of(1, i), 0);
    read(reader, partition_of(1, i), 1);
    wait_for_ahead(chunks, std::min(i, 5) + 1, std::max(i - 5, 0));
  }
  EXPECT_EQ(chunks.reads_ahead(), 6U);  // of 600,000 bytes each
  EXPECT_EQ(chunks.failures(), 6U);
  for (int i = 0; i < 12; ++i) {  // those that were first stayed
    const uint64_t reads = chunks.reads();
    read(reader, partition_of(1, i), 2);
    EXPECT_EQ(chunks.reads() - reads, i < 6 ? 0U : 1U);
  }
}

TEST_F(ReadAheadTest, ReadsThatSomebodyWaitsForComeFirst) {
  write_each(3, 3);
  ChunkCache chunks(log_.disk, 4 * kMiB, kInOrder);
  const Reader reader(*log_.index, &chunks);
  for (int i = 0; i < 2; ++i) {
    read(reader, partition_of(1, i), 0);
    read(reader, partition_of(1, i), 1);
    wait_for_ahead(chunks, i + 1);
  }
  const Reader elsewhere(*log_.index, &chunks);
  std::vector<std::vector<record::StoredBatch>> held(4);
  for (auto& batches : held) {
    batches = elsewhere.read(kA, Offset{0}, 1).value();
  }
  EXPECT_EQ(chunks.failures(), 0U);  // both that were read ahead were dropped
  held.clear();
  const uint64_t reads = chunks.reads();
  read(reader, partition_of(1, 0), 2);
  read(reader, partition_of(1, 1), 2);
  EXPECT_EQ(chunks.reads(), reads + 2);
}

TEST_F(ReadAheadTest, NothingElseIsDroppedForIt) {
  const TopicPartition other = partition_of(1, 1);
  write_each(1, 3);
  for (int i = 0; i < 60; ++i) {
    write(other, 50'000);
  }
  ChunkCache chunks(log_.disk, 3 * kMiB, kInOrder);
  const auto place = log_.index->find(other, Offset{40}).value();
  const Chunk chunk = log_.index->chunks(place.file->number, place.position).first;
  ASSERT_FALSE(chunks.get(place.file, chunk).empty());
  const Reader reader(*log_.index, &chunks);
  const auto first = reader.read(kA, Offset{0}, 1).value();
  const auto second = reader.read(kA, Offset{1}, 1).value();
  wait_for_ahead(chunks, 0, 1);
  EXPECT_EQ(chunks.reads(), 3U);
  ASSERT_FALSE(chunks.get(place.file, chunk).empty());
  EXPECT_EQ(chunks.reads(), 3U);
}

TEST_F(ReadAheadTest, WhatNobodyCameForGoesForOthers) {
  constexpr size_t kSmallest = ChunkCache::kMostShared + 1;
  const TopicPartition other = partition_of(1, 1);
  for (int i = 0; i < 3; ++i) {
    write(kA, kSmallest);
  }
  for (int i = 0; i < 70; ++i) {
    write(other, kSmallest);
  }
  ChunkCache chunks(log_.disk, kMiB / 2, kInOrder);  // half: one such batch
  const Reader reader(*log_.index, &chunks);
  read(reader, kA, 0);
  read(reader, kA, 1);
  wait_for_ahead(chunks, 1);
  read(reader, other, 0);
  for (int i = 1; i < 66; ++i) {
    read(reader, other, i);
    wait_for_ahead(chunks, i == 65 ? 2 : 1, std::min(i, 64));
  }
  EXPECT_EQ(chunks.failures(), 64U);
}

TEST_F(ReadAheadTest, ADamagedBatchIsToldAsWithoutIt) {
  write_each(1, 3);
  const auto place = log_.index->find(kA, Offset{2}).value();
  log_.flip(log_.path(1), place.position + kBatch / 2);
  ChunkCache chunks(log_.disk, 16 * kMiB, kInOrder);
  const Reader reader(*log_.index, &chunks);
  read(reader, kA, 0);
  read(reader, kA, 1);
  wait_for_ahead(chunks, 1);
  const auto with = reader.read(kA, Offset{2}, 1).error();
  const auto without = Reader(*log_.index).read(kA, Offset{2}, 1).error();
  EXPECT_EQ(chunks.reads(), 2U);
  EXPECT_EQ(with.code, Code::kCorrupt);
  EXPECT_THAT(with.message, HasSubstr("has CRC"));
  EXPECT_EQ(with.message, without.message);
}

TEST_F(ReadAheadTest, WhatCannotBeReadTakesNoMemory) {
  write_each(1, 3);
  ChunkCache chunks(log_.disk, 2 * kMiB, kInOrder);  // half: one batch
  const Reader reader(*log_.index, &chunks);
  log_.disk.power_off();
  for (int i = 1; i < 3; ++i) {
    chunks.prefetch({kA, Offset{1}}, [&]() -> std::optional<BatchPlace> {
      const auto place = log_.index->find(kA, Offset{1}).value();
      return BatchPlace{place.file, place.position, kBatch};
    });
    wait_for_ahead(chunks, 0, i);
    EXPECT_EQ(reader.read(kA, Offset{1}, 1).error().code,
              Code::kIo);  // and is an error of the read
  }
}

TEST_F(ReadAheadTest, AFileMayBeFreedMeanwhile) {
  GatedDisk disk(log_.disk);
  const TopicPartition other = partition_of(1, 1);
  write_each(2, 15);
  ASSERT_GT(log_.writer->file(), FileNumber{2});
  ChunkCache chunks(disk, 16 * kMiB, kInOrder);
  const Reader reader(*log_.index, &chunks);
  read(reader, kA, 0);
  read(reader, other, 0);
  disk.set_open(false);
  read(reader, kA, 1);
  disk.wait_for_held();
  read(reader, other, 1);
  for (auto& file : log_.index->drop_below(log_.writer->file()).files) {
    log_.files->retire(std::move(file));
  }
  disk.set_open(true);  // one is read out of a freed file, one is not found
  EXPECT_EQ(reader.read(kA, Offset{2}, 1).error().code, Code::kNotFound);
  const auto left = log_.index->range(kA);
  for (int64_t from = left.start.value; from < left.end.value; ++from) {
    read(reader, kA, from);
  }
  EXPECT_EQ(chunks.failures(), 0U);
}

TEST_F(ReadAheadTest, WhoComesWhileItIsBeingReadWaitsForIt) {
  GatedDisk disk(log_.disk);
  write_each(1, 3);
  ChunkCache chunks(disk, 16 * kMiB, kInOrder);
  const Reader reader(*log_.index, &chunks);
  read(reader, kA, 0);
  disk.set_open(false);
  read(reader, kA, 1);
  disk.wait_for_held();
  std::thread opener([&] { disk.set_open(true); });
  read(reader, kA, 2);
  opener.join();
  EXPECT_EQ(chunks.reads(), 2U);
  EXPECT_EQ(chunks.reads_ahead(), 1U);
}

TEST_F(ReadAheadTest, WhoComesBeforeItIsBegunReadsItself) {
  GatedDisk disk(log_.disk);
  write_each(2, 4);
  ChunkCache chunks(disk, 16 * kMiB, kInOrder);
  const Reader reader(*log_.index, &chunks);
  const TopicPartition other = partition_of(1, 1);
  read(reader, kA, 0);
  read(reader, other, 0);
  disk.set_open(false);
  read(reader, kA, 1);
  disk.wait_for_held();
  read(reader, other, 1);
  read(reader, other, 2);
  EXPECT_EQ(chunks.reads(), 5U);
  disk.set_open(true);
  wait_for_ahead(chunks, 2);
  read(reader, other, 3);
  EXPECT_EQ(chunks.reads(), 5U);
  EXPECT_EQ(chunks.reads_ahead(), 2U);  // kA's 2 and the other's 3, not its 2
}

TEST_F(ReadAheadTest, WhatIsWishedIsReadBesideOneAnother) {
  GatedDisk disk(log_.disk);
  write_each(2, 4);
  ChunkCache chunks(disk, 16 * kMiB);
  const Reader reader(*log_.index, &chunks);
  const TopicPartition other = partition_of(1, 1);
  read(reader, kA, 0);
  read(reader, other, 0);
  disk.set_open(false);
  read(reader, kA, 1);
  read(reader, other, 1);
  disk.wait_for_held(2);
  disk.set_open(true);
  wait_for_ahead(chunks, 2);
  read(reader, kA, 2);
  read(reader, other, 2);
  EXPECT_EQ(chunks.reads(), 4U);
}

TEST_F(ReadAheadTest, ManyReadOnWhileMoreIsWritten) {
  write_each(3, 12);
  ChunkCache chunks(log_.disk, 6 * kMiB);
  const Reader reader(*log_.index, &chunks);
  std::atomic<bool> is_over{false};
  std::atomic<int> failures{0};
  std::vector<std::thread> threads;
  threads.reserve(4);
  const auto read_all = [&](TopicPartition partition) {
    for (Offset at; at < log_.index->range(partition).end && !is_over;) {
      const auto batches = reader.read(partition, at, kMiB);
      if (!batches.ok()) {
        ++failures;
        return;
      }
      for (const auto& batch : *batches) {
        const auto expected = fmt::format("{} {} ", partition.partition, at);
        failures += bytes::as_text(batch.payload).starts_with(expected) ? 0 : 1;
        at = batch.base_offset + batch.records;
      }
    }
  };
  for (int i = 0; i < 4; ++i) {  // two of them of the same partition
    threads.emplace_back([&, partition = partition_of(1, i % 3)] {
      while (!is_over) {
        read_all(partition);
      }
    });
  }
  for (int i = 0; i < 30; ++i) {
    write(partition_of(1, i % 3), i % 4 == 0 ? 5000 : kBatch);
  }
  is_over = true;
  for (auto& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(failures, 0);
  EXPECT_GT(chunks.reads_ahead(), 0U);
}

}  // namespace
}  // namespace millrace::journal
