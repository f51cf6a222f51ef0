// Unclean ends, full and failing disks: what only a catalog on a disk meets.
#include "catalog/sqlite_catalog_test.h"

#include <functional>

namespace millrace::catalog {
namespace {

using SqliteFaults = SqliteCatalogTest;

TEST_F(SqliteFaults, AKilledCatalogIsWholeAndSurvivesAPowerCutAfterBegin) {
  fill(*begun());
  const Contents before = stored();
  disk_.kill();
  {
    const auto catalog = begun();
  }
  disk_.power_cut();
  EXPECT_EQ(stored(), before);
}

/// The reason for begin(): the sync of a commit fails, so nobody knows; the killed process's page
/// cache still shows it; what begin() let its caller rely on must be there after a power cut.
TEST_F(SqliteFaults, ACommitKnownToThePageCacheOnlyIsMadeDurableByBegin) {
  for (const bool is_full : {false, true}) {
    int shown_after_failure = 0;
    for (uint64_t operation = 1;; ++operation) {
      SCOPED_TRACE(fmt::format("operation {}{}", operation, is_full ? ", full disk" : ""));
      io::SimulatedDisk disk(operation);
      ASSERT_TRUE(disk.make_directories("/data").ok());
      io::DiskFaults faults;
      {
        const auto catalog = open_sqlite(disk, kPath).value();
        expect_ok(catalog->begin(directory_id()));
        faults.fail_at = disk.operations() + operation;
        disk.set_faults(faults);
        if (catalog->commit_flush(flush_of(2, 0, 0, 10)).ok()) {
          break;
        }
      }
      disk.kill();
      auto catalog = open_sqlite(disk, kPath).value();
      const Contents shown = catalog->contents();
      shown_after_failure += shown.files.empty() ? 0 : 1;
      if (is_full) {
        io::DiskFaults full;
        full.capacity_bytes = 1;
        disk.set_faults(full);
      }
      expect_ok(catalog->begin(directory_id()));
      catalog.reset();
      disk.power_cut();
      EXPECT_EQ(open_sqlite(disk, kPath).value()->contents(), shown);
    }
    EXPECT_GT(shown_after_failure, 0);
  }
}

/// Each operation of a commit and of the checkpoint after it fails once.
TEST_F(SqliteFaults, AFailedWriteOrSyncEndsCommitsForGood) {
  int failed_writes = 0;
  int failed_syncs = 0;
  int failed_checkpoints = 0;
  for (uint64_t operation = 1;; ++operation) {
    SCOPED_TRACE(operation);
    io::SimulatedDisk disk(operation);
    ASSERT_TRUE(disk.make_directories("/data").ok());
    auto catalog = open_sqlite(disk, kPath, {.checkpoint_frames = 1}).value();
    expect_ok(catalog->begin(directory_id()));
    fill(*catalog);
    io::DiskFaults faults;
    faults.fail_at = disk.operations() + operation;
    disk.set_faults(faults);
    const Status status = catalog->commit_flush(flush_of(2, 1, 0, 10));
    if (disk.operations() < faults.fail_at) {
      break;
    }
    if (!status.ok()) {
      EXPECT_EQ(status.error().code, Code::kIo);
      const bool is_sync = status.error().message.find("sync of") != std::string::npos;
      ++(is_sync ? failed_syncs : failed_writes);
      EXPECT_NE(status.error().message.find(kPath + "-wal"), std::string::npos)
          << status.error().message;
    } else {
      ++failed_checkpoints;
    }
    disk.set_faults({});
    EXPECT_EQ(catalog->commit_broker(broker_part()).error().code, Code::kReadOnly);
    EXPECT_EQ(catalog->drop_table(topic_id(2), place_of(1)).error().code, Code::kReadOnly);
    expect_ok(catalog->close());
    EXPECT_TRUE(catalog::has_log(disk, kPath).value()) << "it may hold the commit";
    disk.power_cut();
    catalog = open_sqlite(disk, kPath).value();
    const bool is_there = catalog->contents().table_offsets.contains(partition_of(2, 1));
    EXPECT_TRUE(is_there || !status.ok());
    expect_ok(catalog->begin(directory_id()));
    expect_ok(catalog->commit_flush(flush_of(2, 1, is_there ? 10 : 0, 20)));
  }
  EXPECT_GT(failed_writes, 0);
  EXPECT_GT(failed_syncs, 0);
  EXPECT_GT(failed_checkpoints, 0);
}

TEST_F(SqliteFaults, AFullDiskRefusesLeavesNothingAndHeals) {
  auto catalog = begun();
  fill(*catalog);
  const Contents before = stored();
  FlushCommit large = flush_of(2, 1, 0, 10);
  large.table.schema = std::string(30'000, 's');
  // Every place at which the room can end, also behind the frame that makes the commit count: the
  // frames that fill the sector come after it.
  int refused = 0;
  for (uint64_t room = 0;; room += 1024) {
    capacity(used() + room);
    const Status status = catalog->commit_flush(large);
    if (status.ok()) {
      break;
    }
    ++refused;
    ASSERT_EQ(status.error().code, Code::kOverloaded) << status.error().message;
    EXPECT_EQ(status.error().retry, Retry::kBackoff);
    ASSERT_EQ(stored(), before) << "with room for " << room << " bytes";
  }
  EXPECT_GT(refused, 30);
  EXPECT_EQ(stored().table_offsets.at(partition_of(2, 1)), Offset{10});
  catalog.reset();
  disk_.power_cut();
  EXPECT_EQ(stored().table_offsets.at(partition_of(2, 1)), Offset{10});
}

/// SQLite syncs the part of the log up to the end of a sector before it writes the rest: the room
/// can end behind a commit frame that is durable already.
TEST_F(SqliteFaults, WhatAFullDiskRefusedIsGoneAfterAPowerCut) {
  const auto is_taken_with = [&](uint64_t room) {
    SCOPED_TRACE(room);
    io::SimulatedDisk disk(room);
    EXPECT_TRUE(disk.make_directories("/data").ok());
    Status status;
    {
      const auto catalog = open_sqlite(disk, kPath).value();
      expect_ok(catalog->begin(directory_id()));
      fill(*catalog);
      const io::Space space = disk.space("/data").value();
      io::DiskFaults faults;
      faults.capacity_bytes = space.total_bytes - space.free_bytes + room;
      disk.set_faults(faults);
      status = catalog->commit_flush(flush_of(2, 1, 0, 10));
    }
    disk.power_cut();
    const Contents contents = open_sqlite(disk, kPath).value()->contents();
    EXPECT_EQ(contents.table_offsets.contains(partition_of(2, 1)), status.ok());
    return status.ok();
  };
  uint64_t enough = 0;
  while (!is_taken_with(enough)) {
    enough += 1024;
  }
  EXPECT_GT(enough, 10'000U);
  for (uint64_t missing = 0; missing < 6144; missing += 48) {
    is_taken_with(enough - missing);
  }
}

TEST_F(SqliteFaults, ACheckpointWithoutRoomIsTriedAgain) {
  auto catalog = begun({.checkpoint_frames = 8});
  fill(*catalog);
  const uint64_t size = disk_.read_file(kPath).value().size();
  FlushCommit flush = flush_of(2, 1, 0, 10);
  flush.table.schema = std::string(100'000, 's');
  Status status = make_error(Code::kOverloaded, "");
  for (uint64_t room = used(); !status.ok(); room += 1024) {  // just enough for the WAL
    capacity(room);
    status = catalog->commit_flush(flush);
  }
  EXPECT_EQ(disk_.read_file(kPath).value().size(), size) << "there was room for the database";
  EXPECT_EQ(catalog->commit_flush(flush_of(2, 1, 10, 20)).error().code, Code::kOverloaded);
  capacity(std::nullopt);
  expect_ok(catalog->commit_flush(flush_of(2, 1, 10, 20)));
  EXPECT_GT(disk_.read_file(kPath).value().size(), size + 100'000);
  expect_ok(catalog->close());
  EXPECT_EQ(stored().table_offsets.at(partition_of(2, 1)), Offset{20});
}

TEST_F(SqliteFaults, WhatFreesRoomHasTheReserveOfAFullDisk) {
  io::DiskReserve reserve(disk_, "/data/reserve");
  auto catalog = begun({.reserve = &reserve});
  fill(*catalog);
  reserve.keep();
  capacity(used());
  const auto reserved = [&] { return disk_.read_file("/data/reserve")->size(); };
  const auto object = object_of(3, {part_of(2, 0, 8, 9)});
  const auto merge =
      segments_of({object_of(4, {part_of(2, 0, 0, 8), part_of(2, 3, 5, 9)})}, {1, 2});
  const auto expect_full = [&] {
    EXPECT_EQ(catalog->commit_flush(flush_of(2, 1, 0, 10)).error().code, Code::kOverloaded);
    EXPECT_EQ(catalog->commit_segments(segments_of({object})).error().code, Code::kOverloaded);
  };
  expect_full();
  EXPECT_EQ(catalog->commit_segments(merge).error().code, Code::kOverloaded);
  EXPECT_EQ(reserved(), io::DiskReserve::kBytes) << "what takes room has none of it";
  const std::vector<std::function<Status()>> commits = {
      [&] { return catalog->commit_segments(segments_of({}, {1})); },
      [&] { return catalog->commit_segments(gone_of({1})); },
      [&] { return catalog->drop_table(topic_id(2), place_of(9)); },
      [&] { return catalog->commit_broker(broker_part(9)); }};
  for (const auto& commit : commits) {
    expect_ok(commit());
    EXPECT_LT(reserved(), io::DiskReserve::kBytes);
    EXPECT_GT(reserved(), io::DiskReserve::kBytes / 2);
    expect_full();
  }
  EXPECT_GT(reserve.give_up(io::DiskReserve::kBytes), 0U);
  expect_ok(catalog->commit_segments(segments_of({object})));
}

TEST_F(SqliteFaults, BeginStartsOnAFullDisk) {
  fill(*begun());
  const Contents before = stored();
  disk_.kill();
  capacity(1);
  {
    const auto catalog = begun();
  }
  disk_.power_cut();
  EXPECT_EQ(stored(), before);
}

TEST_F(SqliteFaults, ANewCatalogOnAFullDiskIsRefusedAndHeals) {
  auto catalog = open_sqlite(disk_, kPath).value();
  capacity(10'000);
  EXPECT_EQ(catalog->begin(directory_id()).error().code, Code::kOverloaded);
  EXPECT_TRUE(bytes_of(disk_, "/data").empty());
  capacity(std::nullopt);
  expect_ok(catalog->begin(directory_id()));
  fill(*catalog);
}

/// The power goes at every operation of a first begin(): a catalog is there whole or not at all,
/// and the next begin() leaves no other file.
TEST_F(SqliteFaults, AnInterruptedFirstBeginLeavesNothingBehind) {
  for (uint64_t operation = 1;; ++operation) {
    SCOPED_TRACE(operation);
    io::SimulatedDisk disk(operation);
    ASSERT_TRUE(disk.make_directories("/data").ok());
    Status begun;
    {
      io::DiskFaults faults;
      faults.off_at = operation;
      disk.set_faults(faults);
      begun = open_sqlite(disk, kPath).value()->begin(directory_id());
    }
    disk.kill();
    expect_ok(open_sqlite(disk, kPath).value()->begin(directory_id()));
    disk.power_cut();
    const auto again = open_sqlite(disk, kPath).value();
    EXPECT_EQ(again->contents().directory, directory_id());
    expect_ok(again->begin(directory_id()));
    expect_ok(again->close());
    EXPECT_EQ(bytes_of(disk, "/data").size(), 1U);
    if (begun.ok()) {
      EXPECT_GT(operation, 10U);
      break;
    }
  }
}

TEST_F(SqliteFaults, AFailedBeginMayBeCalledAgain) {
  for (uint64_t operation = 1;; ++operation) {
    SCOPED_TRACE(operation);
    io::SimulatedDisk disk(operation);
    ASSERT_TRUE(disk.make_directories("/data").ok());
    io::DiskFaults faults;
    faults.fail_at = disk.operations() + operation;
    disk.set_faults(faults);
    const auto catalog = open_sqlite(disk, kPath).value();
    const bool begun = catalog->begin(directory_id()).ok();
    disk.set_faults({});
    if (!begun) {
      expect_ok(catalog->begin(directory_id()));
    }
    expect_ok(catalog->commit_flush(flush_of(1, 0, 0, 1)));
    if (begun) {
      EXPECT_GT(operation, 10U);
      break;
    }
  }
}

SegmentsCommit mixed_segments() {
  return segments_of({object_of(1, {part_of(2, 0, 0, 5), part_of(2, 1, 3, 4)}),
                      object_of(2, {part_of(2, 0, 5, 8), part_of(2, 1, 4, 9)})});
}

SegmentsCommit merge_of_segments() {
  return segments_of({object_of(3, {part_of(2, 0, 0, 8)}), object_of(4, {part_of(2, 1, 3, 9)})},
                     {1, 2}, 8);
}

/// The power goes at every operation of a merge: its objects are those before it or those after it.
TEST_F(SqliteFaults, APowerCutLeavesAMergeWholeOrNotAtAll) {
  int old_ones = 0;
  int new_ones = 0;
  bool is_over = false;
  for (uint64_t operation = 1; !is_over; ++operation) {
    SCOPED_TRACE(operation);
    io::SimulatedDisk disk(operation);
    ASSERT_TRUE(disk.make_directories("/data").ok());
    {
      const auto catalog = open_sqlite(disk, kPath, {.checkpoint_frames = 1}).value();
      expect_ok(catalog->begin(directory_id()));
      expect_ok(catalog->commit_segments(mixed_segments()));
      io::DiskFaults faults;
      faults.off_at = disk.operations() + operation;
      disk.set_faults(faults);
      is_over = catalog->commit_segments(merge_of_segments()).ok() && !disk.is_off();
    }
    operation % 2 == 0 ? static_cast<void>(disk.power_cut()) : disk.kill();
    const Contents contents = open_sqlite(disk, kPath).value()->contents();
    const bool is_new = contents.segments == merge_of_segments().added;
    EXPECT_TRUE(is_new || contents.segments == mixed_segments().added);
    EXPECT_EQ(contents.segments_place, place_of(is_new ? 8 : 7));
    EXPECT_TRUE(is_new || !is_over);
    ++(is_new ? new_ones : old_ones);
  }
  EXPECT_GT(old_ones, 3);
  EXPECT_GT(new_ones, 3);
}

TEST_F(SqliteFaults, AFullDiskRefusesAMergeAndLeavesItsObjects) {
  auto catalog = begun();
  expect_ok(catalog->commit_segments(mixed_segments()));
  const Contents before = stored();
  int refused = 0;
  for (uint64_t room = 0;; room += 1024) {
    capacity(used() + room);
    const Status status = catalog->commit_segments(merge_of_segments());
    if (status.ok()) {
      break;
    }
    ++refused;
    ASSERT_EQ(status.error().code, Code::kOverloaded) << status.error().message;
    ASSERT_EQ(stored(), before) << "with room for " << room << " bytes";
  }
  EXPECT_GT(refused, 10);
  catalog.reset();
  disk_.power_cut();
  EXPECT_EQ(stored().segments, merge_of_segments().added);
}

}  // namespace
}  // namespace millrace::catalog
