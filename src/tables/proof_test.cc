// Files that are not what the catalog means, and files that a query still needs.
#include "tables/file_check.h"
#include "tables/tables_test.h"

#include <gtest/gtest.h>

#include <gmock/gmock.h>

#include <algorithm>

namespace millrace::tables {
namespace {

using runtime::Deadline;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

class ProofTest : public TablesTest {
 protected:
  /// Rows in a file of their own.
  TableFile filled(const std::string& measurement, int from, int count) {
    write(measurement, from, count);
    EXPECT_TRUE(flush(measurement).ok());
    return tables_->find({"main", measurement})->files().back();
  }

  std::vector<std::byte> content(const TableFile& file) {
    return disk_.read_file(file.path).value();
  }

  /// In place: a reader that has it open sees it.
  void overwrite(const TableFile& file, const std::vector<std::byte>& bytes) {
    const auto opened = disk_.open(file.path, io::OpenMode::kReadWrite).value();
    ASSERT_TRUE(opened->resize(bytes.size()).ok());
    ASSERT_TRUE(opened->write_at(0, io::ConstBytes(bytes)).ok());
  }

  /// Somewhere in its pages.
  void damage(const TableFile& file) {
    auto bytes = content(file);
    bytes[bytes.size() / 4] ^= std::byte{0x10};
    overwrite(file, bytes);
  }

  Status checked(const TableFile& file) {
    return check_file(file, {topic_of("cpu"), PartitionId{0}}, *store_, Deadline::never(), clock_);
  }

  std::string failure(const std::string& measurement) {
    const auto seen = snapshot(measurement);
    EXPECT_EQ(seen.error().code, Code::kCorrupt);
    return seen.ok() ? "" : seen.error().message;
  }
};

TEST_F(ProofTest, SwappedFoldersOfTwoTablesAreDamageOfBoth) {
  const TableFile cpu = filled("cpu", 100, 10);
  const TableFile mem = filled("mem", 100, 10);
  write("net", 0, 3);
  ASSERT_EQ(cpu.bytes, mem.bytes) << "their sizes must not tell them apart";
  kill();
  const auto first = content(cpu);
  overwrite(cpu, content(mem));
  overwrite(mem, first);
  start();
  EXPECT_THAT(failure("cpu"), HasSubstr(cpu.path + " is another file: its millrace.topic_id is"));
  EXPECT_THAT(failure("mem"), HasSubstr("table main.mem is damaged: " + mem.path));
  EXPECT_THAT(failure("mem"), HasSubstr("(offsets 0 to 0, 10 rows); put the file back"));
  EXPECT_TRUE(tables_->find({"main", "cpu"})->damage().has_value());
  EXPECT_EQ(rows("net"), std::pair(uint64_t{0}, uint64_t{3}));
}

TEST_F(ProofTest, AFileOfTheSameTableCopiedOverAnotherIsNamed) {
  const TableFile first = filled("cpu", 100, 10);
  const TableFile second = filled("cpu", 100, 10);
  ASSERT_EQ(first.bytes, second.bytes);
  kill();
  overwrite(second, content(first));
  start();
  EXPECT_THAT(failure("cpu"),
              HasSubstr(second.path + " is another file: its millrace.first_offset is 0 instead"));
  EXPECT_THAT(failure("cpu"), HasSubstr("(offsets 1 to 1, 10 rows)"));
  EXPECT_THAT(failure("cpu"), Not(HasSubstr(first.path)));
}

TEST_F(ProofTest, PartsOfOneRangeSwappedAreNamed) {
  stop();
  options_.flush.split = {.least_rows = 1, .least_bytes = 1};
  start();
  write("cpu", -100, 200);  // the last of one day and the first of another
  ASSERT_TRUE(flush("cpu").ok());
  const auto files = tables_->find({"main", "cpu"})->files();
  ASSERT_THAT(files, SizeIs(2));
  ASSERT_EQ(files[0].rows, files[1].rows);
  kill();
  // Were they of one size, nothing else would tell them apart: say that they are.
  TableFile claim = files[0];
  claim.name = files[1].name;
  claim.bytes = files[1].bytes;
  start();
  EXPECT_TRUE(checked(files[0]).ok());
  EXPECT_TRUE(checked(claim).ok()) << "it is the second by its name";
  overwrite(files[1], content(files[0]));
  claim.bytes = files[0].bytes;
  EXPECT_THAT(checked(claim).error().message, HasSubstr("part 0 of its range instead of 1"));
}

TEST_F(ProofTest, EveryFlippedBitOfAFileIsNoticed) {
  const TableFile file = filled("cpu", 0, 500);
  ASSERT_TRUE(checked(file).ok());
  const auto good = content(file);
  size_t noticed = 0;
  size_t tried = 0;
  const std::string_view text = bytes::as_text(good);
  const size_t key = text.rfind("millrace.crc32c");
  for (size_t at = 0; at < good.size(); ++at) {
    if (at >= key && at < key + 17) {
      continue;  // without it a file counts as one from before checksums; its rows are as they were
    }
    auto bad = good;
    bad[at] ^= std::byte{1} << static_cast<int>(at % 8);
    overwrite(file, bad);
    ++tried;
    noticed += checked(file).error().code == Code::kCorrupt ? 1 : 0;
  }
  EXPECT_GT(tried, 1000U);
  EXPECT_EQ(noticed, tried);
  overwrite(file, good);
  EXPECT_TRUE(checked(file).ok());
}

TEST_F(ProofTest, AFileFromBeforeChecksumsIsComparedByItsFooter) {
  const TableFile file = filled("cpu", 0, 10);
  auto bytes = content(file);
  bytes[bytes::as_text(bytes).rfind("millrace.crc32c")] = std::byte{'x'};
  overwrite(file, bytes);
  EXPECT_TRUE(checked(file).ok());
  TableFile other = file;
  other.commit = Uuid::random();
  EXPECT_THAT(checked(other).error().message, HasSubstr("its millrace.commit_id is"));
  other = file;
  other.rows = 11;
  EXPECT_THAT(checked(other).error().message, HasSubstr("has 10 rows instead of 11"));
}

TEST_F(ProofTest, DamageOfALaterProcessIsFoundBeforeTheFirstUse) {
  const TableFile file = filled("cpu", 0, 10);
  kill();
  damage(file);
  start();
  EXPECT_THAT(failure("cpu"), HasSubstr(file.path + " is damaged: its bytes have the checksum"));
}

TEST_F(ProofTest, AFileIsComparedOnceAndAgainWhenAQueryFailed) {
  const TableFile file = filled("cpu", 0, 10);
  kill();
  start();
  ASSERT_TRUE(snapshot("cpu").ok());
  EXPECT_THAT(tables_->find({"main", "cpu"})->unproven(), IsEmpty());
  EXPECT_TRUE(tables_->recheck(topic_of("cpu"), Deadline::never()).ok());
  damage(file);
  EXPECT_TRUE(snapshot("cpu").ok());
  const Status found = tables_->recheck(topic_of("cpu"), Deadline::never());
  EXPECT_EQ(found.error().code, Code::kCorrupt);
  EXPECT_EQ(failure("cpu"), found.error().message);
}

TEST_F(ProofTest, WhatThisProcessWroteIsNotReadAgainUnlessAQueryFails) {
  const TableFile file = filled("cpu", 0, 10);
  EXPECT_THAT(tables_->find({"main", "cpu"})->unproven(), IsEmpty());
  ASSERT_TRUE(disk_.remove(file.path).ok());
  EXPECT_TRUE(snapshot("cpu").ok());
  const Status found = tables_->recheck(topic_of("cpu"), Deadline::never());
  EXPECT_THAT(found.error().message,
              HasSubstr(file.path + " is missing (offsets 0 to 0, 10 rows)"));
  EXPECT_TRUE(tables_->find({"main", "cpu"})->damage().has_value());
  EXPECT_TRUE(tables_->recheck(topic_of("gone"), Deadline::never()).ok());
}

TEST_F(ProofTest, ADeadlineIsNoDamageAndTheNextQueryGoesOn) {
  filled("cpu", 0, 10);
  filled("cpu", 10, 10);
  kill();
  start();
  const auto late = tables_->snapshot({"main", "cpu"}, Deadline::after({}, clock_));
  EXPECT_EQ(late.error().code, Code::kTimeout);
  EXPECT_FALSE(tables_->find({"main", "cpu"})->damage().has_value());
  EXPECT_EQ(rows("cpu"), std::pair(uint64_t{20}, uint64_t{0}));
}

TEST_F(ProofTest, FilesOfADroppedTableStayUntilTheLastSnapshotIsGone) {
  const TableFile file = filled("cpu", 0, 10);
  auto seen = snapshot("cpu");
  ASSERT_TRUE(seen.ok());
  const std::string empty_file = seen->empty_file;
  tables_->drop(topic_of("cpu"));
  EXPECT_EQ(snapshot("cpu").error().code, Code::kNotFound);
  EXPECT_TRUE(disk_.exists(file.path).value());
  EXPECT_TRUE(disk_.exists(empty_file).value());
  EXPECT_EQ(seen->files, std::vector{file.path});
  seen = make_error(Code::kNotFound, "over");
  EXPECT_FALSE(disk_.exists(file.path).value());
  EXPECT_FALSE(disk_.exists(empty_file).value());
}

TEST_F(ProofTest, AStartRemovesWhatASnapshotStillHeld) {
  const TableFile file = filled("cpu", 0, 10);
  auto held = std::make_unique<Snapshot>(snapshot("cpu").value());
  record::CommitRequest request;
  request.system = tables_->frames_of_removal(topic_of("cpu"));
  ASSERT_TRUE(runtime::block_on(shards_->shard(0), log_->commit(std::move(request))).ok());
  tables_->drop(topic_of("cpu"));
  disk_.power_off();  // the process is as good as dead: what it does now does not happen
  held.reset();
  kill();
  start();
  EXPECT_FALSE(disk_.exists(file.path).value());
  EXPECT_THAT(*store_->list(""), IsEmpty());
  EXPECT_THAT(tables_->list(), IsEmpty());
}

TEST_F(ProofTest, TheFileOfNoRowsIsMadeAgain) {
  filled("cpu", 0, 10);
  const std::string path = snapshot("cpu")->empty_file;
  ASSERT_TRUE(disk_.remove(path).ok());
  ASSERT_TRUE(snapshot("cpu").ok());
  EXPECT_TRUE(disk_.exists(path).value());
  const auto good = disk_.read_file(path).value();
  auto bad = good;
  bad[bad.size() - 100] ^= std::byte{1};
  ASSERT_TRUE(disk_.replace_file(path, bad).ok());
  const Status found = tables_->recheck(topic_of("cpu"), Deadline::never());
  EXPECT_THAT(found.error().message, HasSubstr(path + " "));
  EXPECT_THAT(found.error().message, HasSubstr("repeat the query"));
  EXPECT_FALSE(tables_->find({"main", "cpu"})->damage().has_value());
  ASSERT_TRUE(snapshot("cpu").ok());
  EXPECT_EQ(disk_.read_file(path).value(), good);
}

}  // namespace
}  // namespace millrace::tables
