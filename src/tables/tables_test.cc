#include "tables/tables_test.h"

#include <gtest/gtest.h>

#include <gmock/gmock.h>

namespace millrace::tables {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

TEST_F(TablesTest, RowsMoveFromMemoryIntoFiles) {
  write("cpu", 0, 10);
  EXPECT_EQ(rows("cpu"), std::pair(uint64_t{0}, uint64_t{10}));
  ASSERT_TRUE(flush("cpu").ok());
  EXPECT_EQ(rows("cpu"), std::pair(uint64_t{10}, uint64_t{0}));
  write("cpu", 10, 5);
  EXPECT_EQ(rows("cpu"), std::pair(uint64_t{10}, uint64_t{5}));
  EXPECT_EQ(tables_->flush_counters().rows, 10U);
}

TEST_F(TablesTest, ARestartRebuildsExactlyWhatIsNotInFiles) {
  write("cpu", 0, 10);
  ASSERT_TRUE(flush("cpu").ok());
  write("cpu", 10, 7);
  write("mem", 0, 3);
  kill();
  start();
  EXPECT_EQ(rows("cpu"), std::pair(uint64_t{10}, uint64_t{7}));
  EXPECT_EQ(rows("mem"), std::pair(uint64_t{0}, uint64_t{3}));
  for (const TablePtr& table : tables_->all()) {
    EXPECT_TRUE(
        runtime::block_on(shards_->shard(0), table->until_replayed(runtime::Deadline::never())));
  }
  EXPECT_EQ(tables_->replaying(), 0U);
}

TEST_F(TablesTest, WithoutItsCatalogEverythingIsRebuiltWhileTheJournalHasIt) {
  write("cpu", 0, 10);
  ASSERT_TRUE(flush("cpu").ok());
  kill();
  ASSERT_TRUE(disk_.remove("/data/catalog.db").ok());
  ASSERT_TRUE(disk_.remove("/data/catalog.db-wal").ok());
  start();
  EXPECT_EQ(rows("cpu"), std::pair(uint64_t{0}, uint64_t{10}));
  EXPECT_THAT(*store_->list(""), SizeIs(1));  // the empty file of the snapshot: the other is gone
}

TEST_F(TablesTest, WithoutItsCatalogAStartIsRefusedOnceRowsAreInFilesAlone) {
  write("cpu", 0, 10);
  ASSERT_TRUE(flush("cpu").ok());
  while (log_->files().size() < 2) {  // into the next journal file
    write("pad", 0, 200);
  }
  log_->free_below(log_->files().back().number);
  while (log_->range(tables_->find({"main", "cpu"})->partition()).start == Offset{0}) {
    write("pad", 0, 1);
    ASSERT_TRUE(flush("pad").ok());
    log_->free_below(log_->files().back().number);
  }
  kill();
  ASSERT_TRUE(disk_.remove("/data/catalog.db").ok());
  ASSERT_TRUE(disk_.remove("/data/catalog.db-wal").ok());
  const Status refused = try_start();
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message, HasSubstr("catalog.db is missing"));
  EXPECT_THAT(refused.error().message, HasSubstr("main.cpu (offsets 0 to 0)"));
}

TEST_F(TablesTest, JournalFilesAreHeldUntilTheirRowsAreInFiles) {
  write("cpu", 0, 10);
  while (log_->files().size() < 3) {
    write("pad", 0, 200);
  }
  ASSERT_TRUE(flush("pad").ok());
  const auto first = log_->files().front().number;
  log_->free_below(log_->files().back().number);
  write("pad", 0, 1);
  EXPECT_EQ(log_->files().front().number, first);
  ASSERT_TRUE(flush("cpu").ok());
  ASSERT_TRUE(flush("pad").ok());
  while (log_->files().front().number == first) {
    log_->free_below(log_->files().back().number);
    write("pad", 0, 1);
    ASSERT_TRUE(flush("pad").ok());
  }
  EXPECT_EQ(rows("cpu"), std::pair(uint64_t{10}, uint64_t{0}));
}

TEST_F(TablesTest, AFullDiskKeepsTheRowsAndHeals) {
  write("cpu", 0, 10);
  disk_.set_faults({.capacity_bytes = 1});
  EXPECT_EQ(flush("cpu").error().code, Code::kOverloaded);
  EXPECT_EQ(tables_->find({"main", "cpu"})->hot().rows, 10U);
  disk_.set_faults({});
  ASSERT_TRUE(flush("cpu").ok());
  EXPECT_EQ(rows("cpu"), std::pair(uint64_t{10}, uint64_t{0}));
}

TEST_F(TablesTest, AFileTakenAwayIsNamedAndOtherTablesAnswer) {
  write("cpu", 0, 10);
  write("mem", 0, 3);
  ASSERT_TRUE(flush("cpu").ok());
  const std::string path = tables_->find({"main", "cpu"})->files().front().path;
  kill();
  ASSERT_TRUE(disk_.remove(path).ok());
  start();
  const auto seen = snapshot("cpu");
  EXPECT_EQ(seen.error().code, Code::kCorrupt);
  EXPECT_THAT(seen.error().message, HasSubstr(path + " is missing (offsets 0 to 0, 10 rows)"));
  EXPECT_EQ(rows("mem"), std::pair(uint64_t{0}, uint64_t{3}));
}

TEST_F(TablesTest, AFileCutShortIsNamed) {
  write("cpu", 0, 10);
  ASSERT_TRUE(flush("cpu").ok());
  const std::string path = tables_->find({"main", "cpu"})->files().front().path;
  kill();
  ASSERT_TRUE(disk_.open(path, io::OpenMode::kReadWrite).value()->resize(7).ok());
  start();
  EXPECT_THAT(snapshot("cpu").error().message, HasSubstr(path + " has 7 bytes instead of"));
}

TEST_F(TablesTest, FilesNobodyNamesAreRemovedOrKeptAside) {
  write("cpu", 0, 10);
  const std::string folder = folder_of({"main", "cpu"}, topic_of("cpu"));
  const std::string held = folder + "/00000000000000000000-00000000000000000001-0000.parquet";
  const std::string foreign = folder + "/00000000000000000000-00000000000000000009-0000.parquet";
  kill();
  for (const std::string& name : {held, foreign, std::string("notes.txt")}) {
    ASSERT_TRUE(disk_.make_directories(io::parent_of(std::string(kRoot) + "/" + name)).ok());
    ASSERT_TRUE(disk_.replace_file(std::string(kRoot) + "/" + name, bytes::as_bytes("x")).ok());
  }
  start();
  EXPECT_THAT(*store_->list(""), IsEmpty());
  EXPECT_FALSE(disk_.exists("/data/quarantine/" + held).value());
  EXPECT_TRUE(disk_.exists("/data/quarantine/" + foreign).value());
  EXPECT_TRUE(disk_.exists("/data/quarantine/notes.txt").value());
}

TEST_F(TablesTest, AFileOfATableThatWasDeletedMeanwhileIsRemoved) {
  const TopicId gone(Uuid::random());
  const std::string folder = folder_of_topic("main.gone%2Ftable", gone);
  EXPECT_EQ(folder, folder_of({"main", "gone/table"}, gone));
  kill();
  ASSERT_TRUE(disk_.make_directories(std::string(kRoot) + "/" + folder).ok());
  const std::string file = folder + "/00000000000000000000-00000000000000000009-0000.parquet";
  ASSERT_TRUE(disk_.replace_file(std::string(kRoot) + "/" + file, bytes::as_bytes("x")).ok());
  options_.deleted = {folder};
  start();
  EXPECT_THAT(*store_->list(""), IsEmpty());
  EXPECT_FALSE(disk_.exists("/data/quarantine/" + file).value());
}

TEST_F(TablesTest, ADroppedTableLeavesNothing) {
  write("cpu", 0, 10);
  ASSERT_TRUE(flush("cpu").ok());
  record::CommitRequest request;
  request.system = tables_->frames_of_removal(topic_of("cpu"));
  ASSERT_THAT(request.system, SizeIs(1));
  ASSERT_TRUE(runtime::block_on(shards_->shard(0), log_->commit(std::move(request))).ok());
  tables_->drop(topic_of("cpu"));
  EXPECT_EQ(tables_->find({"main", "cpu"}), nullptr);
  EXPECT_EQ(snapshot("cpu").error().code, Code::kNotFound);
  EXPECT_THAT(*store_->list(""), IsEmpty());
  kill();
  start();
  EXPECT_THAT(tables_->list(), IsEmpty());
  EXPECT_THAT(catalog_->contents().files, IsEmpty());
}

TEST_F(TablesTest, ADropThatACrashCutShortGoesOnAtTheStart) {
  write("cpu", 0, 10);
  ASSERT_TRUE(flush("cpu").ok());
  record::CommitRequest request;
  request.system = tables_->frames_of_removal(topic_of("cpu"));
  ASSERT_TRUE(runtime::block_on(shards_->shard(0), log_->commit(std::move(request))).ok());
  kill();
  start();
  EXPECT_THAT(tables_->list(), IsEmpty());
  EXPECT_THAT(*store_->list(""), IsEmpty());
}

TEST_F(TablesTest, OldRowsAndManyRowsAreFlushedByThemselves) {
  write("cpu", 0, 10);
  clock_.advance(std::chrono::hours(25));
  tables_->look_after();
  ASSERT_TRUE(flush("cpu").ok());  // waits for the one under way
  EXPECT_EQ(rows("cpu"), std::pair(uint64_t{10}, uint64_t{0}));
  EXPECT_EQ(tables_->flush_counters().flushes[static_cast<size_t>(FlushReason::kAge)], 1U);
}

TEST_F(TablesTest, EveryFlushIsCountedInEachOfItsStages) {
  const FlushCounters& counters = tables_->flush_counters();
  for (uint64_t flushes = 1; flushes <= 2; ++flushes) {
    write("cpu", 0, 10);
    ASSERT_TRUE(flush("cpu").ok());
    for (const Distribution* stage : {&counters.sort, &counters.gather, &counters.encode,
                                      &counters.write, &counters.sync, &counters.commit}) {
      EXPECT_EQ(stage->counts().back().up_to, flushes);
    }
  }
}

TEST_F(TablesTest, OverTheBudgetTheAnswerIsLater) {
  EXPECT_TRUE(tables_->reserve(options_.hot_bytes).ok());
  const auto held = tables_->reserve(options_.hot_bytes / 2);
  EXPECT_EQ(tables_->reserve(options_.hot_bytes / 2 + 1).error().code, Code::kOverloaded);
}

}  // namespace
}  // namespace millrace::tables
