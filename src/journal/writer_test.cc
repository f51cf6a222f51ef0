#include "bytes/test_hex.h"
#include "journal/test_log.h"

#include <gtest/gtest.h>

#include <gmock/gmock.h>

#include <fstream>
#include <sstream>

namespace millrace::journal {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const TopicPartition kA = partition_of(1, 0);
const TopicPartition kB = partition_of(1, 1);

TEST(JournalFormat, ExampleInTheDocumentIsWhatIsWritten) {
  TestLog log;
  log.options.expected = DirectoryId(*Uuid::parse("00112233-4455-6677-8899-aabbccddeeff"));
  ASSERT_TRUE(log.start().ok());
  const TopicPartition partition{TopicId(*Uuid::parse("0f0e0d0c-0b0a-0908-0706-050403020100")),
                                 PartitionId{3}};
  ASSERT_TRUE(log.append(partition, "hello", 1, 1'700'000'000'000).ok());
  const auto file = log.disk.read_file(log.path(1)).value();
  const auto first = bytes::hex_lines(std::span(file).first(kRunHeaderBytes));
  const auto second =
      bytes::hex_lines(std::span(file).subspan(kBlock, kRunHeaderBytes + kFrameHeaderBytes + 5));
  std::ifstream document(std::string(MILLRACE_SOURCE_DIR) + "/docs/formats/journal.md");
  std::stringstream text;
  text << document.rdbuf();
  EXPECT_NE(text.str().find("```\n" + first + "```"), std::string::npos) << first;
  EXPECT_NE(text.str().find("```\n" + second + "```"), std::string::npos) << second;
}

TEST(JournalFormat, NumberOfTakesOnlyItsOwnNames) {
  EXPECT_EQ(number_of("00000000000000000017.log"), FileNumber{17});
  EXPECT_EQ(number_of(file_name(FileNumber{UINT64_MAX})), FileNumber{UINT64_MAX});
  for (const char* name :
       {"spare.log", "0000000000000000017.log", "00000000000000000017.idx",
        "0000000000000000001x.log", "00000000000000000000.log", "99999999999999999999.log"}) {
    EXPECT_FALSE(number_of(name).has_value()) << name;
  }
}

TEST(JournalWriter, OneRunForEverythingQueued) {
  TestLog log;
  ASSERT_TRUE(log.start().ok());
  std::vector<Pending> pending(5);
  std::vector<Pending*> queue;
  for (size_t i = 0; i < pending.size(); ++i) {
    pending[i].request.batches.push_back(batch_of(kA, std::to_string(i), 2));
    queue.push_back(&pending[i]);
  }
  const uint64_t runs = log.writer->counters().runs;
  EXPECT_EQ(log.writer->write(queue), 5U);
  EXPECT_EQ(log.writer->counters().runs, runs + 1);
  for (size_t i = 0; i < pending.size(); ++i) {
    EXPECT_EQ(pending[i].result->base_offsets[0], Offset{static_cast<int64_t>(i) * 2});
  }
}

TEST(JournalWriter, RunsStayBelowTheirLimitAndALargerCommitGoesAlone) {
  TestLog log;
  log.options.writer.run_bytes = 10'000;
  ASSERT_TRUE(log.start().ok());
  const size_t fits = 10'000 - kRunHeaderBytes - 2 * kFrameHeaderBytes - 4'000;
  for (const auto& [second, taken] :
       std::vector<std::pair<size_t, size_t>>{{fits, 2}, {fits + 1, 1}, {50'000, 1}}) {
    std::vector<Pending> pending(2);
    pending[0].request.batches.push_back(batch_of(kA, std::string(4'000, 'a')));
    pending[1].request.batches.push_back(batch_of(kA, std::string(second, 'b')));
    Pending* queue[] = {&pending[0], &pending[1]};
    EXPECT_EQ(log.writer->write(queue), taken) << second;
  }
  EXPECT_TRUE(log.append(kA, std::string(50'000, 'c')).ok());
}

TEST(JournalWriter, CommitLargerThanAFileGetsALargerFile) {
  TestLog log;
  ASSERT_TRUE(log.start().ok());
  ASSERT_TRUE(log.append(kA, std::string(1 << 20, 'x')).ok());
  EXPECT_EQ(log.writer->file(), FileNumber{2});
  log.options.writer.max_commit_bytes = 1000;
  log.kill();
  ASSERT_TRUE(log.start().ok());
  EXPECT_EQ(log.texts(kA).front().size(), 1U << 20);
  EXPECT_EQ(log.append(kA, std::string(1000, 'x')).error().code, Code::kInvalid);
}

TEST(JournalWriter, RefusesWhatIsNoCommit) {
  TestLog log;
  ASSERT_TRUE(log.start().ok());
  EXPECT_EQ(log.commit({}).error().code, Code::kInvalid);
  EXPECT_EQ(log.append(kA, "x", 0).error().code, Code::kInvalid);
  record::CommitRequest none;
  none.batch_id = record::BatchId{};
  none.system.push_back({record::SystemKind::kTopic, false, "k", "v"});
  EXPECT_EQ(log.commit(std::move(none)).error().code, Code::kInvalid);
  EXPECT_EQ(log.append(kA, "x")->base_offsets[0], Offset{0});
}

TEST(JournalWriter, FailedSyncPoisonsAndReadsGoOn) {
  TestLog log;
  ASSERT_TRUE(log.start().ok());
  ASSERT_TRUE(log.append(kA, "durable").ok());
  log.disk.set_faults({.fail_at = log.disk.operations() + 2});
  EXPECT_EQ(log.append(kA, "unknown").error().code, Code::kOutcomeUnknown);
  EXPECT_TRUE(log.writer->is_poisoned());
  EXPECT_EQ(log.append(kA, "refused").error().code, Code::kReadOnly);
  EXPECT_THAT(log.texts(kA), ElementsAre("durable"));
  log.kill();
  log.disk.power_cut();
  ASSERT_TRUE(log.start().ok());
  EXPECT_EQ(log.texts(kA).front(), "durable");
  EXPECT_TRUE(log.append(kA, "again").ok());
}

TEST(JournalWriter, FailedWriteInsideReservedSpacePoisons) {
  TestLog log;
  ASSERT_TRUE(log.start().ok());
  log.disk.set_faults({.fail_at = log.disk.operations() + 1});
  EXPECT_EQ(log.append(kA, "unknown").error().code, Code::kOutcomeUnknown);
  EXPECT_TRUE(log.writer->is_poisoned());
}

TEST(JournalWriter, FullDiskIsRetriableAssignsNothingAndHeals) {
  TestLog log;
  ASSERT_TRUE(log.start().ok());
  log.disk.set_faults({.capacity_bytes = 1});
  const std::string text(60'000, 'x');
  int64_t acknowledged = 0;
  Result<record::CommitOutcome> last = log.append(kA, text);
  for (; last.ok(); last = log.append(kA, text)) {
    ++acknowledged;
  }
  EXPECT_EQ(last.error().code, Code::kOverloaded);
  EXPECT_EQ(last.error().retry, Retry::kBackoff);
  EXPECT_FALSE(log.writer->is_poisoned());
  log.disk.set_faults({});
  EXPECT_EQ(log.append(kA, text)->base_offsets[0], Offset{acknowledged});
}

TEST(JournalWriter, DiskBudgetRefusesUntilAFileIsFreed) {
  TestLog log;
  log.options.writer.max_bytes = uint64_t{512} << 10;
  ASSERT_TRUE(log.start().ok());
  const std::string text(60'000, 'x');
  Result<record::CommitOutcome> last = log.append(kA, text);
  while (last.ok()) {
    last = log.append(kA, text);
  }
  EXPECT_EQ(last.error().code, Code::kOverloaded);
  EXPECT_THAT(last.error().message, HasSubstr("journal.max_bytes"));
  log.writer->free_below(FileNumber{2});
  EXPECT_TRUE(log.append(kA, text).ok());
}

/// Room for two files, full up to what is kept for commits that make room.
class FullJournal : public testing::Test {
 protected:
  static constexpr uint64_t kFile = uint64_t{256} << 10;
  static constexpr uint64_t kBudget = 2 * kFile;

  void SetUp() override {
    log_.options.writer.max_bytes = kBudget;
    ASSERT_TRUE(log_.start().ok());
    while (log_.append(kA, "small").ok()) {
    }
  }

  Result<record::CommitOutcome> end_of_topic(bool with_batch = false) {
    record::CommitRequest request = request_of_end();
    if (with_batch) {
      request.batches.push_back(batch_of(kA, "x"));
    }
    return log_.commit(std::move(request));
  }

  static record::CommitRequest request_of_end() {
    record::CommitRequest request;
    request.makes_room = true;
    request.system.push_back({record::SystemKind::kTopic, false, "k", "v"});
    return request;
  }

  /// As a program that kept nothing for deletes left it.
  void fill_to_the_brim() {
    const uint64_t end = kFile - 3 * kBlock;
    while (log_.writer->place().position < end) {
      ASSERT_TRUE(end_of_topic(true).ok());
    }
  }

  TestLog log_;
};

TEST_F(FullJournal, RefusesWhatIsWrittenAndTakesWhatMakesRoom) {
  const auto refused = log_.append(kA, "small");
  EXPECT_EQ(refused.error().code, Code::kOverloaded);
  for (const char* part : {"may hold 524288 (journal.max_bytes)", "delete topics or records",
                           "flush tables", "raise journal.max_bytes"}) {
    EXPECT_THAT(refused.error().message, HasSubstr(part));
  }
  EXPECT_TRUE(log_.writer->full().has_value());
  EXPECT_EQ(log_.writer->counters().refused, 2U);
  record::CommitRequest made;  // of no use for making room, though it has no batch
  made.system = request_of_end().system;
  EXPECT_EQ(log_.commit(std::move(made)).error().code, Code::kOverloaded);
  EXPECT_TRUE(end_of_topic().ok());
  EXPECT_TRUE(end_of_topic().ok());
  EXPECT_EQ(log_.index->total_bytes(), kBudget);
  log_.writer->free_below(FileNumber{2});
  EXPECT_FALSE(log_.writer->full().has_value());
  EXPECT_TRUE(log_.append(kA, "small").ok());
}

TEST_F(FullJournal, OneRunOfBothTakesWhatMakesRoom) {
  std::vector<Pending> pending(3);
  pending[0].request.batches.push_back(batch_of(kA, "x"));
  pending[1].request = request_of_end();
  pending[2].request.batches.push_back(batch_of(kB, "x"));
  Pending* queue[] = {&pending[0], &pending[1], &pending[2]};
  EXPECT_EQ(log_.writer->write(queue), 3U);
  EXPECT_EQ(pending[0].result.error().code, Code::kOverloaded);
  EXPECT_TRUE(pending[1].result.ok());
  EXPECT_EQ(pending[2].result.error().code, Code::kOverloaded);
  EXPECT_EQ(log_.index->range(kB).end, Offset{0});
}

TEST_F(FullJournal, FilledToTheBrimItPassesItsBudgetByOneFileForDeletes) {
  fill_to_the_brim();
  for (int life = 0; life < 3; ++life) {
    log_.kill();
    ASSERT_TRUE(log_.start().ok());
    EXPECT_TRUE(log_.writer->full().has_value());  // before anything was refused
    EXPECT_EQ(log_.append(kA, "").error().code, Code::kOverloaded);
    ASSERT_TRUE(end_of_topic().ok());
    EXPECT_EQ(log_.index->total_bytes(), kBudget + kFile);
  }
  while (end_of_topic().ok()) {
  }
  EXPECT_EQ(log_.index->total_bytes(), kBudget + kFile);  // one file, and no other
  log_.writer->free_below(FileNumber{3});
  EXPECT_TRUE(log_.append(kA, "small").ok());
}

TEST_F(FullJournal, ALargerBudgetAfterARestartTakesWritesAgain) {
  fill_to_the_brim();
  ASSERT_TRUE(end_of_topic().ok());
  log_.kill();
  log_.options.writer.max_bytes = kBudget + 2 * kFile;
  ASSERT_TRUE(log_.start().ok());
  EXPECT_FALSE(log_.writer->full().has_value());
  EXPECT_TRUE(log_.append(kA, "small").ok());
}

TEST(JournalWriter, AFullDiskKeepsRoomForDeletes) {
  TestLog log;
  ASSERT_TRUE(log.start().ok());
  log.disk.set_faults({.capacity_bytes = 1});
  Result<record::CommitOutcome> last = log.append(kA, "small");
  while (last.ok()) {
    last = log.append(kA, "small");
  }
  EXPECT_THAT(last.error().message, HasSubstr("cannot be made: its disk is full"));
  EXPECT_THAT(last.error().message, HasSubstr("No space left on device"));
  record::CommitRequest request;
  request.makes_room = true;
  request.system.push_back({record::SystemKind::kTopic, false, "k", "v"});
  EXPECT_TRUE(log.commit(std::move(request)).ok());
  EXPECT_TRUE(log.writer->full().has_value());
  log.disk.set_faults({});
  EXPECT_TRUE(log.append(kA, "small").ok());
  EXPECT_FALSE(log.writer->full().has_value());
}

TEST(JournalWriter, TheFileBeforeStaysUntilTheCheckpointIsProven) {
  TestLog log;
  ASSERT_TRUE(log.start().ok());
  const std::string text(60'000, 'x');
  Pending pending;
  while (log.writer->file() < FileNumber{2}) {
    ASSERT_TRUE(log.append(kA, text).ok());
  }
  ASSERT_TRUE(log.disk.exists(log.path(1)).value());
  log.writer->free_below(
      FileNumber{100});  // a run after the checkpoint is durable: the append itself
  EXPECT_FALSE(log.disk.exists(log.path(1)).value());
  EXPECT_EQ(log.files->recycled(), 1U);
}

TEST(JournalWriter, FileHeldByAReaderIsNotRecycled) {
  TestLog log;
  ASSERT_TRUE(log.start().ok());
  while (log.writer->file() < FileNumber{2}) {
    ASSERT_TRUE(log.append(kA, std::string(60'000, 'x')).ok());
  }
  const auto place = log.index->find(kA, Offset{0});
  ASSERT_TRUE(place.has_value());
  log.writer->free_below(FileNumber{2});
  EXPECT_EQ(log.files->recycled(), 0U);
  EXPECT_FALSE(log.disk.exists(log.path(1)).value());
  EXPECT_TRUE(read_run_head(*place->file, place->position).value().has_value());
}

void fill_files_up_to(TestLog& log, uint64_t number) {
  while (log.writer->file() < FileNumber{number}) {
    ASSERT_TRUE(log.append(kA, std::string(60'000, 'x')).ok());
  }
}

TEST(JournalWriter, TwoFreedFilesBecomeSparesAndRotationsTakeThem) {
  TestLog log;
  ASSERT_TRUE(log.start().ok());
  fill_files_up_to(log, 4);
  EXPECT_EQ(log.files->zero_written(), 4U);
  log.writer->free_below(FileNumber{4});
  EXPECT_EQ(log.files->recycled(), 2U);  // of three: there is place for two
  EXPECT_EQ(log.files->spares().size(), 2U);
  fill_files_up_to(log, 6);
  ASSERT_TRUE(log.files->prepare_spare(256 << 10).ok());
  EXPECT_EQ(log.files->zero_written(), 5U);  // the first after four that was not there
  EXPECT_EQ(log.files->spares().size(), 1U);
  log.kill();
  ASSERT_TRUE(log.start().ok());
  EXPECT_EQ(log.files->spares().size(), 1U);
}

TEST(JournalWriter, SpareTooSmallForAFileMakesWay) {
  TestLog log;
  log.options.writer.first_file_bytes = 64 << 10;
  ASSERT_TRUE(log.start().ok());
  fill_files_up_to(log, 4);
  log.writer->free_below(FileNumber{3});
  EXPECT_THAT(log.files->spares(), ElementsAre(64U << 10, 256U << 10));
  log.writer->free_below(FileNumber{4});
  EXPECT_THAT(log.files->spares(), ElementsAre(256U << 10, 256U << 10));
}

TEST(JournalWriter, PowerCutWhileFilesAreFreedLeavesNoGap) {
  for (uint64_t seed = 0; seed < 64; ++seed) {
    TestLog log(seed);
    ASSERT_TRUE(log.start().ok());
    fill_files_up_to(log, 6);
    log.disk.set_faults({.off_at = log.disk.operations() + 1 + seed % 20});
    log.writer->free_below(FileNumber{6});
    log.kill();
    log.disk.power_cut();
    const auto started = log.start();
    ASSERT_TRUE(started.ok()) << "seed " << seed << ": " << started.error().message;
  }
}

TEST(JournalWriter, AFileThatCannotBeFreedKeepsThoseAfterIt) {
  TestLog log;
  ASSERT_TRUE(log.start().ok());
  fill_files_up_to(log, 4);
  log.disk.set_faults({.fail_at = log.disk.operations() + 2});  // after that of its index
  log.writer->free_below(FileNumber{2});
  log.writer->free_below(FileNumber{4});
  EXPECT_TRUE(log.disk.exists(log.path(3)).value());
  log.kill();
  ASSERT_TRUE(log.start().ok());
  log.writer->free_below(FileNumber{4});
  EXPECT_FALSE(log.disk.exists(log.path(1)).value());
}

TEST(JournalWriter, BatchIdGetsItsFirstAnswerAcrossRestarts) {
  TestLog log;
  ASSERT_TRUE(log.start().ok());
  const auto send = [&](uint8_t id) {
    record::CommitRequest request;
    request.batches.push_back(batch_of(kA, "x", 5));
    request.batch_id = record::BatchId{};
    request.batch_id->hash[0] = id;
    return log.commit(std::move(request));
  };
  EXPECT_FALSE(send(1)->is_duplicate);
  EXPECT_EQ(send(2)->base_offsets[0], Offset{5});
  EXPECT_TRUE(send(1)->is_duplicate);
  log.kill();
  ASSERT_TRUE(log.start().ok());
  EXPECT_TRUE(send(2)->is_duplicate);
  EXPECT_EQ(send(2)->base_offsets[0], Offset{5});
  log.clock.advance(State::kBatchIdLife + std::chrono::seconds(1));
  EXPECT_FALSE(send(3)->is_duplicate);
  EXPECT_FALSE(send(2)->is_duplicate);  // forgotten: its 15 minutes are over
}

TEST(JournalWriter, BatchIdsLiveTheirTimeWhateverTheWallClockDoes) {
  TestLog log;
  ASSERT_TRUE(log.start().ok());
  const auto is_known = [&](uint8_t id) {
    record::CommitRequest request;
    request.batches.push_back(batch_of(kA, "x", 1));
    request.batch_id = record::BatchId{};
    request.batch_id->hash[0] = id;
    return log.commit(std::move(request))->is_duplicate;
  };
  constexpr std::chrono::hours kYear{365 * 24};
  EXPECT_FALSE(is_known(1));
  log.clock.jump(kYear);
  EXPECT_FALSE(is_known(2));
  EXPECT_TRUE(is_known(1));  // not old, though a year passed on the wall
  log.kill();
  log.clock.jump(kYear);
  ASSERT_TRUE(log.start().ok());
  EXPECT_FALSE(is_known(3));
  EXPECT_TRUE(is_known(1) && is_known(2));
  log.clock.jump(-3 * kYear);
  log.kill();
  ASSERT_TRUE(log.start().ok());
  log.clock.advance(State::kBatchIdLife + std::chrono::seconds(1));
  EXPECT_FALSE(is_known(4));
  EXPECT_FALSE(is_known(2));  // old, though the wall says it was committed in years to come
}

TEST(JournalWriter, OneBatchIdStandsForAllBatchesThatCameWithIt) {
  TestLog log;
  ASSERT_TRUE(log.start().ok());
  const auto send = [&] {
    record::CommitRequest request;
    request.batches = {batch_of(kA, "x", 5), batch_of(kB, "y", 2)};
    request.batch_id = record::BatchId{};
    return log.commit(std::move(request));
  };
  EXPECT_THAT(send()->base_offsets, ElementsAre(Offset{0}, Offset{0}));
  EXPECT_TRUE(send()->is_duplicate);
  EXPECT_THAT(log.texts(kB), ElementsAre("y"));
}

TEST(JournalWriter, ItsPlaceIsTheLastDurableRun) {
  TestLog log;
  ASSERT_TRUE(log.start().ok());
  ASSERT_TRUE(log.append(kA, "x").ok());
  const JournalPlace place = log.writer->place();
  ASSERT_TRUE(log.append(kA, "y").ok());
  const auto header = read_header(*log.files->open(place.file).value(), place.position).value();
  ASSERT_TRUE(header.has_value());
  EXPECT_EQ(header->run, place.run);
  EXPECT_EQ(header->crc, place.header_crc);
  EXPECT_EQ(log.writer->place().run, next(place.run));
}

TEST(JournalReader, FindsByTimestampAndRefusesOffsetsOutside) {
  TestLog log;
  ASSERT_TRUE(log.start().ok());
  for (int64_t i = 0; i < 300; ++i) {
    ASSERT_TRUE(log.append(kA, std::string(2'000, 'x'), 1, 1000 + i).ok());
  }
  EXPECT_GT(log.writer->file(), FileNumber{1});
  for (const int64_t wanted : {0, 1000, 1001, 1150, 1299}) {
    const auto found = Reader(*log.index).find_timestamp(kA, Offset{0}, wanted);
    ASSERT_TRUE(found.ok() && found->has_value()) << wanted;
    EXPECT_EQ((*found)->base_offset, Offset{std::max<int64_t>(wanted - 1000, 0)});
  }
  EXPECT_FALSE(Reader(*log.index).find_timestamp(kA, Offset{0}, 1300)->has_value());
  for (const int64_t from : {0, 1, 77, 150, 299}) {
    const auto found = Reader(*log.index).find_timestamp(kA, Offset{from}, 1020);
    ASSERT_TRUE(found.ok() && found->has_value()) << from;
    EXPECT_EQ((*found)->base_offset, Offset{std::max<int64_t>(from, 20)});
  }
  EXPECT_FALSE(Reader(*log.index).find_timestamp(kA, Offset{300}, 1020)->has_value());
  EXPECT_EQ(Reader(*log.index).read(kA, Offset{301}, 1).error().code, Code::kNotFound);
  EXPECT_TRUE(Reader(*log.index).read(kA, Offset{300}, 1)->empty());
  EXPECT_EQ(Reader(*log.index).read(kA, Offset{299}, 1)->size(), 1U);
}

TEST(JournalReader, FindsByTimestampBehindAFileWhoseNewestIsBeforeTheOffset) {
  TestLog log;
  ASSERT_TRUE(log.start().ok());
  ASSERT_TRUE(log.append(kA, "newest", 1, 5000).ok());
  int64_t last = 0;
  for (; log.writer->file() == FileNumber{1}; ++last) {
    ASSERT_TRUE(log.append(kA, std::string(2'000, 'x'), 1, 1000).ok());
  }
  ASSERT_TRUE(log.append(kA, "new", 1, 4000).ok());
  const auto found = Reader(*log.index).find_timestamp(kA, Offset{1}, 3000);
  ASSERT_TRUE(found.ok() && found->has_value());
  EXPECT_EQ((*found)->base_offset, Offset{last + 1});
  EXPECT_EQ((*Reader(*log.index).find_timestamp(kA, Offset{0}, 3000))->base_offset, Offset{0});
}

}  // namespace
}  // namespace millrace::journal
