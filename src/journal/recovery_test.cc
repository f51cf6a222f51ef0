#include "journal/test_log.h"

#include <gtest/gtest.h>

#include <gmock/gmock.h>

namespace millrace::journal {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const TopicPartition kA = partition_of(1, 0);
const TopicPartition kB = partition_of(1, 1);

record::SystemFrame removal_of(record::SystemKind kind, TopicPartition partition) {
  const auto& id = partition.topic.bytes;
  return {kind, true, std::string(reinterpret_cast<const char*>(id.data()), id.size()), ""};
}

TEST(Recovery, KillKeepsEveryAcknowledgedBatch) {
  TestLog log;
  ASSERT_TRUE(log.start().ok());
  EXPECT_TRUE(log.report.is_new);
  ASSERT_EQ(log.append(kA, "one", 3)->base_offsets[0], Offset{0});
  ASSERT_EQ(log.append(kB, "two")->base_offsets[0], Offset{0});
  ASSERT_EQ(log.append(kA, "three")->base_offsets[0], Offset{3});
  log.kill();
  ASSERT_TRUE(log.start().ok());
  EXPECT_FALSE(log.report.is_new);
  EXPECT_THAT(log.texts(kA), ElementsAre("one", "three"));
  EXPECT_THAT(log.texts(kB), ElementsAre("two"));
  EXPECT_EQ(log.append(kA, "four")->base_offsets[0], Offset{4});
}

TEST(Recovery, UnprovenRunIsWrittenAgainBeforeItIsRead) {
  TestLog log;
  ASSERT_TRUE(log.start().ok());
  ASSERT_TRUE(log.append(kA, "one").ok());
  log.kill();
  ASSERT_TRUE(log.start().ok());
  EXPECT_EQ(log.report.runs_rewritten, 1U);
  log.kill();
  log.disk.power_cut();
  ASSERT_TRUE(log.start().ok());
  EXPECT_EQ(log.report.runs_rewritten, 1U);  // the header-only run of the start before
  EXPECT_THAT(log.texts(kA), ElementsAre("one"));
}

TEST(Recovery, TornTailIsCutReportedAndQuarantined) {
  TestLog log;
  log.options.max_quarantine_bytes = 99;
  ASSERT_TRUE(log.start().ok());
  ASSERT_TRUE(log.append(kA, "kept").ok());
  const uint64_t torn_at = end_of_log(log);
  ASSERT_TRUE(log.append(kA, "torn in the last sector").ok());
  log.kill();
  log.flip(log.path(1), torn_at + kRunHeaderBytes + kFrameHeaderBytes);
  ASSERT_TRUE(log.start().ok());
  ASSERT_TRUE(log.report.torn.has_value());
  EXPECT_EQ(log.report.torn->position, torn_at);
  EXPECT_THAT(log.texts(kA), ElementsAre("kept"));
  EXPECT_GT(log.report.torn->bytes, 99U);
  EXPECT_EQ(log.disk.read_file(log.report.torn->quarantined_as)->size(), 99U);
  ASSERT_EQ(log.append(kA, "next")->base_offsets[0], Offset{1});
  log.kill();
  ASSERT_TRUE(log.start().ok());
  EXPECT_FALSE(log.report.torn.has_value());
  EXPECT_THAT(log.texts(kA), ElementsAre("kept", "next"));
}

TEST(Recovery, DamageBelowAProvenRunIsRefusedAndChangesNothing) {
  TestLog log;
  ASSERT_TRUE(log.start().ok());
  const uint64_t damaged_at = end_of_log(log);
  ASSERT_TRUE(log.append(kA, "damaged").ok());
  ASSERT_TRUE(log.append(kA, "after").ok());
  log.kill();
  for (const uint64_t byte :
       {uint64_t{0}, uint64_t{40}, uint64_t{84}, kRunHeaderBytes + uint64_t{48}}) {
    log.flip(log.path(1), damaged_at + byte);
    const auto before = log.snapshot();
    const auto started = log.start();
    ASSERT_FALSE(started.ok()) << byte;
    EXPECT_EQ(started.error().code, Code::kCorrupt);
    EXPECT_THAT(started.error().message, HasSubstr(log.path(1)));
    EXPECT_THAT(started.error().message, HasSubstr(fmt::format("damaged at {}", damaged_at)));
    EXPECT_EQ(log.snapshot(), before);
    log.kill();
    log.flip(log.path(1), damaged_at + byte);
  }
  EXPECT_TRUE(log.start().ok());
}

TEST(Recovery, LastRunIsProtectedOnceItIsProven) {
  TestLog log;
  ASSERT_TRUE(log.start().ok());
  const uint64_t last = end_of_log(log);
  ASSERT_TRUE(log.append(kA, "last").ok());
  ASSERT_TRUE(log.writer->prove().ok());
  log.kill();
  log.flip(log.path(1), last + 8);
  EXPECT_EQ(log.start().error().code, Code::kCorrupt);
}

TEST(Recovery, DamagedPayloadOfAProvenRunIsAnErrorForThatOffsetOnly) {
  TestLog log;
  ASSERT_TRUE(log.start().ok());
  ASSERT_TRUE(log.append(kA, "first").ok());
  const uint64_t run = end_of_log(log);
  ASSERT_TRUE(log.append(kA, "second").ok());
  ASSERT_TRUE(log.append(kA, "third").ok());
  ASSERT_TRUE(log.append(kB, "other").ok());
  log.kill();
  log.flip(log.path(1), run + kRunHeaderBytes + kFrameHeaderBytes + 2);
  ASSERT_TRUE(log.start().ok());
  EXPECT_THAT(log.texts(kA), ElementsAre("first", "!corrupt"));
  EXPECT_THAT(log.texts(kB), ElementsAre("other"));
  const auto behind = Reader(*log.index).read(kA, Offset{2}, 100);
  ASSERT_TRUE(behind.ok());
  EXPECT_EQ(bytes::as_text(behind->front().payload), "third");
}

/// What a copy that was not finished does to a file.
void cut(TestLog& log, const std::string& path, uint64_t bytes) {
  auto file = log.disk.open(path, io::OpenMode::kReadWrite).value();
  ASSERT_TRUE(file->resize(bytes).ok());
  ASSERT_TRUE(file->sync().ok());
}

/// A log killed while its last run of 20,000 bytes was not proven; where that run is.
uint64_t fill_and_kill(TestLog& log) {
  EXPECT_TRUE(log.start().ok());
  EXPECT_TRUE(log.append(kA, "kept").ok());
  const uint64_t last = end_of_log(log);
  EXPECT_TRUE(log.append(kA, std::string(20'000, 'x'), 3).ok());
  log.kill();
  return last;
}

TEST(Recovery, NewestFileCutShortAtAnyByteIsRefusedAndChangesNothing) {
  TestLog log;
  const uint64_t last = fill_and_kill(log);
  const uint64_t end = last + padded(kRunHeaderBytes + kFrameHeaderBytes + 20'000);
  for (const uint64_t bytes : {uint64_t{0}, uint64_t{1}, kBlock, kBlock + 1, last - 1, last,
                               last + 1, last + kRunHeaderBytes, last + kBlock - 1, last + kBlock,
                               last + 2 * kBlock + 5, end - 1, end, end + 1, end + kBlock - 1}) {
    SCOPED_TRACE(bytes);
    TestLog cut_log;
    ASSERT_EQ(fill_and_kill(cut_log), last);
    cut(cut_log, cut_log.path(1), bytes);
    const auto before = cut_log.snapshot();
    const auto started = cut_log.start();
    ASSERT_FALSE(started.ok());
    EXPECT_EQ(started.error().code, Code::kCorrupt);
    EXPECT_THAT(started.error().message, HasSubstr(cut_log.path(1)));
    EXPECT_THAT(started.error().message, HasSubstr("cut short"));
    EXPECT_EQ(cut_log.snapshot(), before);
  }
  cut(log, log.path(1), end + kBlock);
  ASSERT_TRUE(log.start().ok());
  EXPECT_EQ(log.texts(kA).size(), 2U);
}

TEST(Recovery, RunBeyondTheEndOfItsFileIsNamedWithItsOffsetsAndCutOnceTheFileIsLengthened) {
  TestLog log;
  const uint64_t last = fill_and_kill(log);
  const uint64_t end = last + padded(kRunHeaderBytes + kFrameHeaderBytes + 20'000);
  cut(log, log.path(1), last + 2 * kBlock);
  const std::string message = log.start().error().message;
  EXPECT_THAT(message, HasSubstr(fmt::format("damaged at {}: cut short: run 3 goes on to {}, the "
                                             "file ends at {}; the run has offsets 1 to 3 of "
                                             "partition 0 of topic {}",
                                             last, end, last + 2 * kBlock, kA.topic.to_string())));
  const uint64_t lengthened = end + 2 * kBlock;
  EXPECT_THAT(message, HasSubstr(fmt::format("`truncate -s {} {}`", lengthened, log.path(1))));
  log.kill();
  cut(log, log.path(1), lengthened);
  ASSERT_TRUE(log.start().ok());
  ASSERT_TRUE(log.report.torn.has_value());
  EXPECT_EQ(log.report.torn->position, last);
  EXPECT_TRUE(log.disk.exists(log.report.torn->quarantined_as).value());
  EXPECT_THAT(log.texts(kA), ElementsAre("kept"));
  EXPECT_EQ(log.append(kA, "next")->base_offsets[0], Offset{1});
}

TEST(Recovery, FileThatEndsBehindItsHeaderOnlyRunIsFullAndServes) {
  TestLog log;
  ASSERT_TRUE(log.start().ok());
  ASSERT_TRUE(log.append(kA, "kept").ok());
  ASSERT_TRUE(log.writer->prove().ok());
  const uint64_t end = end_of_log(log);
  log.kill();
  cut(log, log.path(1), end);
  ASSERT_TRUE(log.start().ok());
  EXPECT_THAT(log.texts(kA), ElementsAre("kept"));
  EXPECT_EQ(log.append(kA, "next")->base_offsets[0], Offset{1});
}

class RotatedLog : public testing::Test {
 protected:
  // Batches of 60,000 bytes: four fit a file of 256 KiB.
  void SetUp() override {
    ASSERT_TRUE(log_.start().ok());
    while (log_.writer->file() < FileNumber{4}) {
      ASSERT_TRUE(
          log_.append(kA, std::string(60'000, static_cast<char>('a' + sent_ % 26)), 2).ok());
      ++sent_;
    }
    ASSERT_TRUE(log_.append(kB, "end").ok());
    ASSERT_TRUE(log_.writer->prove().ok());
    place_ = log_.writer->place();
    log_.kill();
  }

  void expect_refused(const std::string& part) {
    const auto before = log_.snapshot();
    const auto started = log_.start();
    ASSERT_FALSE(started.ok());
    EXPECT_THAT(started.error().message, HasSubstr(part));
    EXPECT_EQ(log_.snapshot(), before);
  }

  TestLog log_;
  size_t sent_ = 0;
  JournalPlace place_;
};

TEST_F(RotatedLog, StartsFromTheNewestCheckpointAndReadsAllFiles) {
  ASSERT_TRUE(log_.start().ok());
  EXPECT_EQ(log_.texts(kA).size(), sent_);
  EXPECT_LT(log_.report.runs_walked, 8U);
}

TEST_F(RotatedLog, MissingFileInTheMiddleIsRefused) {
  ASSERT_TRUE(log_.disk.remove(log_.path(2)).ok());
  expect_refused("are missing before " + log_.path(3));
}

TEST_F(RotatedLog, NewestFileCutWithinItsCheckpointIsRefused) {
  cut(log_, log_.path(4), 0);
  expect_refused("has 0 bytes");
  log_.kill();
  cut(log_, log_.path(4), 100);
  expect_refused("has 100 bytes");
}

TEST_F(RotatedLog, SealedFileCutShortIsRefusedThoughItsIndexIsStored) {
  ASSERT_TRUE(log_.start().ok());
  for (const auto& [file, bytes] : log_.index->encode_unstored()) {
    ASSERT_TRUE(log_.disk.replace_file(log_.files->index_path_of(file->number), bytes).ok());
  }
  log_.kill();
  cut(log_, log_.path(2), 100'001);
  expect_refused(log_.path(2) + ": damaged at 98304: cut short: it has 100001 bytes");
  log_.kill();
  cut(log_, log_.path(2), 98'304);
  expect_refused(log_.path(2) + ": damaged at 98304: cut short: its runs go on to");
}

TEST_F(RotatedLog, SwappedFilesAreRefused) {
  ASSERT_TRUE(log_.disk.rename(log_.path(3), "/data/journal/aside").ok());
  ASSERT_TRUE(log_.disk.rename(log_.path(4), log_.path(3)).ok());
  ASSERT_TRUE(log_.disk.rename("/data/journal/aside", log_.path(4)).ok());
  expect_refused("no run of file 3 is in it");
}

TEST_F(RotatedLog, NewestFileUnderAnotherNumberIsRefused) {
  ASSERT_TRUE(log_.disk.rename(log_.path(4), log_.path(5)).ok());
  expect_refused("its name says file 5, its head says file 4");
}

TEST_F(RotatedLog, OldestFilesMayBeGone) {
  ASSERT_TRUE(log_.disk.remove(log_.path(1)).ok());
  ASSERT_TRUE(log_.start().ok());
  EXPECT_GT(log_.index->range(kA).start, Offset{0});
  EXPECT_EQ(log_.index->range(kA).end, Offset{static_cast<int64_t>(sent_) * 2});
}

// A power cut may bring back a file that was freed, after the topics that it names had ended.
TEST_F(RotatedLog, PartitionsThatEndedStayGoneThoughAFileNamesThem) {
  ASSERT_TRUE(log_.disk.remove(log_.path(1)).ok());
  ASSERT_TRUE(log_.start().ok());
  record::CommitRequest end;
  end.system.push_back(removal_of(record::SystemKind::kTopic, kA));
  ASSERT_TRUE(log_.commit(std::move(end)).ok());
  log_.kill();
  ASSERT_TRUE(log_.start().ok());
  log_.writer->free_below(FileNumber{3});
  const TopicPartition other = partition_of(2, 0);
  while (log_.writer->file() <
         FileNumber{5}) {  // with a checkpoint, from which the next start goes
    ASSERT_TRUE(log_.append(other, std::string(60'000, 'o')).ok());
  }
  log_.kill();
  const auto started = log_.start();
  ASSERT_TRUE(started.ok()) << started.error().message;
  EXPECT_FALSE(log_.texts(other).empty());
}

TEST(Recovery, ATablesEndForgetsItsBatchIdsAlsoAfterRestarts) {
  TestLog log;
  ASSERT_TRUE(log.start().ok());
  const TopicPartition other = partition_of(2, 0);
  const auto send = [&](TopicPartition partition, uint8_t id) {
    record::CommitRequest request;
    request.batches.push_back(batch_of(partition, "x"));
    request.batch_id = record::BatchId{};
    request.batch_id->hash[0] = id;
    return log.commit(std::move(request));
  };
  ASSERT_FALSE(send(kA, 1)->is_duplicate);
  ASSERT_FALSE(send(other, 2)->is_duplicate);
  const auto same = send(other, 1);
  EXPECT_TRUE(same->is_duplicate);
  EXPECT_EQ(same->first_went_to, kA);
  record::CommitRequest end;
  end.system.push_back(removal_of(record::SystemKind::kSchema, kA));
  ASSERT_TRUE(log.commit(std::move(end)).ok());
  EXPECT_EQ(send(kA, 3).error().code, Code::kNotFound);  // was under way when the table ended
  log.kill();
  ASSERT_TRUE(log.start().ok());
  EXPECT_EQ(send(kA, 3).error().code, Code::kNotFound);
  while (log.writer->file() < FileNumber{2}) {  // with a checkpoint: the next start goes from it
    ASSERT_TRUE(log.append(other, std::string(60'000, 'x')).ok());
  }
  log.kill();
  ASSERT_TRUE(log.start().ok());
  EXPECT_TRUE(send(other, 2)->is_duplicate);
  EXPECT_FALSE(send(partition_of(3, 0), 1)->is_duplicate);
  EXPECT_FALSE(send(partition_of(3, 0), 3)->is_duplicate);
}

TEST_F(RotatedLog, ForeignDirectoryIsRefused) {
  TestLog other;
  ASSERT_TRUE(other.start().ok());
  other.kill();
  const auto foreign = other.disk.read_file(other.path(1)).value();
  auto file = log_.disk.open(log_.path(1), io::OpenMode::kReadWrite).value();
  ASSERT_TRUE(file->write_at(0, foreign).ok());
  expect_refused("belongs to directory");
}

TEST_F(RotatedLog, AnotherExpectedDirectoryIsRefused) {
  log_.options.expected = DirectoryId(Uuid::random());
  expect_refused("belongs to directory");
}

TEST_F(RotatedLog, BadCheckpointIsDerivedFromTheFileBefore) {
  log_.flip(log_.path(4), kRunHeaderBytes + kFrameHeaderBytes);  // the checkpoint's first payload
  ASSERT_TRUE(log_.start().ok());
  EXPECT_EQ(log_.texts(kA).size(), sent_);
  EXPECT_THAT(log_.texts(kB), ElementsAre("end"));
  log_.writer->free_below(FileNumber{4});
  ASSERT_TRUE(log_.disk.exists(log_.path(3)).value());  // still needed for the next start
  log_.kill();
  ASSERT_TRUE(log_.start().ok());
}

TEST_F(RotatedLog, TwoBadCheckpointsAreRefusedWhenTheLogDoesNotBeginAtRun1) {
  ASSERT_TRUE(log_.disk.remove(log_.path(1)).ok());
  for (uint64_t file = 2; file <= 4; ++file) {
    log_.flip(log_.path(file), kRunHeaderBytes + kFrameHeaderBytes);
  }
  expect_refused("no journal file has a valid checkpoint");
}

TEST_F(RotatedLog, NewerFormatIsRefusedByNumber) {
  auto file = log_.disk.open(log_.path(4), io::OpenMode::kReadWrite).value();
  std::array<std::byte, kRunHeaderBytes> header{};
  ASSERT_TRUE(file->read_exactly_at(0, header).ok());
  header[4] = std::byte{7};
  const uint32_t crc = bytes::crc32c(std::span(header).first(84));
  std::memcpy(header.data() + 84, &crc, 4);
  ASSERT_TRUE(file->write_at(0, header).ok());
  expect_refused("newer version of Millrace (journal format 7");
}

TEST_F(RotatedLog, UnfinishedRotationBecomesTheSpare) {
  ASSERT_TRUE(log_.disk.replace_file(log_.path(5), std::vector<std::byte>(64 << 10)).ok());
  ASSERT_TRUE(log_.start().ok());
  EXPECT_FALSE(log_.disk.exists(log_.path(5)).value());
  EXPECT_THAT(log_.files->spares(), testing::Contains(64U << 10));
  EXPECT_EQ(log_.texts(kA).size(), sent_);
}

TEST_F(RotatedLog, AnUnfinishedRotationDoesNotComeBackBehindTheNextFile) {
  for (uint64_t at = 1; at <= 400; ++at) {
    TestLog log(at);
    ASSERT_TRUE(log.start().ok());
    ASSERT_TRUE(log.files->prepare_spare(256 << 10).ok());  // the next file will be another one
    log.kill();
    ASSERT_TRUE(log.disk.replace_file(log.path(2), std::vector<std::byte>(256 << 10)).ok());
    ASSERT_TRUE(log.disk.sync_directory(TestLog::kDirectory).ok());
    ASSERT_TRUE(log.start().ok());
    log.disk.set_faults({.off_at = log.disk.operations() + 1 + at % 40});
    const std::string text(50'000, 'x');
    while (log.append(kA, text).ok()) {  // into file 3
    }
    log.kill();
    log.disk.power_cut();
    const Status started = log.start();
    ASSERT_TRUE(started.ok()) << at << ": " << started.error().message;
  }
}

TEST_F(RotatedLog, StoredIndexIsUsedAndABrokenOneRebuilt) {
  ASSERT_TRUE(log_.start().ok());
  const auto stored = log_.index->encode_unstored();
  ASSERT_EQ(stored.size(), 3U);
  for (const auto& [file, bytes] : stored) {
    ASSERT_TRUE(log_.disk.replace_file(log_.files->index_path_of(file->number), bytes).ok());
  }
  log_.kill();
  log_.flip("/data/journal/00000000000000000002.index", 40);
  ASSERT_TRUE(log_.start().ok());
  EXPECT_EQ(log_.texts(kA).size(), sent_);
}

TEST_F(RotatedLog, StoredIndexOfOtherContentIsNotBelieved) {
  ASSERT_TRUE(log_.start().ok());
  const auto whole = log_.texts(kA);
  FileIndex wrong;  // whole and of the right file, but it ends in another run
  const auto file = log_.files->open(FileNumber{2}).value();
  uint64_t position = 0;
  while (const auto run = read_run_head(*file, position).value()) {
    wrong.add(*run);
    position = run->header.end();
  }
  wrong.last_crc ^= 1;
  wrong.partitions.clear();
  ASSERT_TRUE(
      log_.disk.replace_file(log_.files->index_path_of(FileNumber{2}), wrong.encode(FileNumber{2}))
          .ok());
  log_.kill();
  ASSERT_TRUE(log_.start().ok());
  EXPECT_EQ(log_.texts(kA), whole);
}

TEST_F(RotatedLog, StopDuringRecoveryAnswersCancelledAndChangesNothing) {
  const std::atomic<bool> stop{true};
  log_.options.stop = &stop;
  const auto before = log_.snapshot();
  EXPECT_EQ(log_.start().error().code, Code::kCancelled);
  EXPECT_EQ(log_.snapshot(), before);
}

TEST_F(RotatedLog, IsApprovedByWhatItFoundBeforeAnythingIsChanged) {
  const JournalPlace last = place_;
  ASSERT_GT(last.run.value, 1U);
  const auto before = log_.snapshot();
  JournalPlace later = last;
  later.run = next(last.run);
  JournalPlace other = last;
  other.header_crc ^= 1;
  log_.options.approve = [&](const Findings& found) -> Status {
    EXPECT_EQ(found.last_run(), last.run);
    EXPECT_TRUE(found.directory().has_value());
    EXPECT_EQ(found.look_for(last).value(), Findings::Presence::kHere);
    EXPECT_EQ(next(found.proven().run), last.run) << "nothing proves the last one";
    EXPECT_EQ(found.look_for(found.proven()).value(), Findings::Presence::kHere);
    EXPECT_EQ(found.look_for(later).value(), Findings::Presence::kMissing);
    EXPECT_EQ(found.look_for(other).value(), Findings::Presence::kMissing);
    EXPECT_EQ(found.look_for({FileNumber{0}, 0, RunNumber{1}, 0}).value(),
              Findings::Presence::kFreed);
    EXPECT_GT(found.range(kA).end, found.range(kA).start);
    return make_error(Code::kCorrupt, "not these two");
  };
  EXPECT_EQ(log_.start().error().message, "not these two");
  EXPECT_EQ(log_.snapshot(), before);
}

TEST_F(RotatedLog, UnknownSystemKindIsRefusedByNumber) {
  ASSERT_TRUE(log_.start().ok());
  record::CommitRequest request;
  request.system.push_back({static_cast<record::SystemKind>(999), false, "k", "v"});
  ASSERT_TRUE(log_.commit(std::move(request)).ok());
  log_.kill();
  expect_refused("kind 999");
}

}  // namespace
}  // namespace millrace::journal
