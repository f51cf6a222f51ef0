// Catalogs of older format versions: tests/golden/catalog/vN.db was made by the program of version
// N and ended well. v1 holds broker_part() and flush_of(2, 0, 0, 10, 2).
#include "catalog/memory_catalog.h"
#include "catalog/migrations.h"
#include "catalog/sqlite_catalog_test.h"
#include "catalog/sqlite_rows.h"

namespace millrace::catalog {
namespace {

void put_golden(io::SimulatedDisk& disk) {
  const auto bytes =
      io::posix_disk().read_file(std::string(MILLRACE_SOURCE_DIR) + "/tests/golden/catalog/v1.db");
  expect_ok(disk.make_directories("/data"));
  expect_ok(disk.sync_directory("/"));
  expect_ok(disk.replace_file(kPath, bytes.value()));
}

Contents golden() {
  Contents contents;
  contents.directory = directory_id();
  expect_ok(apply(contents, broker_part()));
  expect_ok(apply(contents, flush_of(2, 0, 0, 10, 2)));
  return contents;
}

int64_t version_on(io::SimulatedDisk& disk) {
  SqliteVfs vfs(disk, SqliteVfs::Access::kFrozen);
  return read_version(*Connection::open(vfs, kPath, false).value()).value();
}

/// A commit of a process of version 1, which is killed then.
void end_uncleanly(io::SimulatedDisk& disk) {
  SqliteVfs vfs(disk, SqliteVfs::Access::kReadWrite);
  const auto connection = Connection::open(vfs, kPath, false).value();
  expect_ok(connection->execute("UPDATE table_offsets SET next = 11"));
}

Contents golden_of_unclean_end() {
  Contents contents = golden();
  contents.table_offsets.at(partition_of(2, 0)) = Offset{11};
  return contents;
}

SegmentsCommit first_segments() {
  return segments_of({object_of(1, {part_of(2, 0, 0, 5)})});
}

class MigrationTest : public SqliteCatalogTest {
 protected:
  MigrationTest() { put_golden(disk_); }
};

TEST_F(MigrationTest, OpeningAnOlderCatalogReadsItAndChangesNothing) {
  for (const bool is_clean : {true, false}) {
    SCOPED_TRACE(is_clean);
    if (!is_clean) {
      end_uncleanly(disk_);
    }
    const auto before = bytes_of(disk_, "/data");
    const uint64_t operations = disk_.operations();
    EXPECT_EQ(stored(), is_clean ? golden() : golden_of_unclean_end());
    EXPECT_EQ(disk_.operations(), operations);
    EXPECT_EQ(bytes_of(disk_, "/data"), before);
    EXPECT_EQ(version_on(disk_), 1);
  }
}

TEST_F(MigrationTest, BeginBringsItToThePresentVersion) {
  auto catalog = begun();
  EXPECT_EQ(version_on(disk_), 3);
  EXPECT_EQ(stored(), golden());
  expect_ok(catalog->commit_segments(first_segments()));
  expect_ok(catalog->commit_flush(flush_of(2, 0, 10, 20)));
  expect_ok(catalog->close());
  EXPECT_EQ(stored().segments, first_segments().added);
  EXPECT_EQ(stored().segments_place, first_segments().place);
  EXPECT_EQ(stored().broker_place, golden().broker_place);
  EXPECT_EQ(stored().topics, golden().topics);
  EXPECT_EQ(stored().table_offsets.at(partition_of(2, 0)), Offset{20});
  SqliteVfs vfs(disk_, SqliteVfs::Access::kReadWrite);
  const Status others = Connection::open(vfs, kPath, false)
                            .value()
                            ->execute("UPDATE places SET owner = 'others' WHERE owner = 'tables'");
  EXPECT_NE(others.error().message.find("CHECK constraint failed"), std::string::npos);
}

TEST_F(MigrationTest, SegmentsOfVersion2Stay) {
  {
    SqliteVfs vfs(disk_, SqliteVfs::Access::kReadWrite);
    const auto connection = Connection::open(vfs, kPath, false).value();
    const SegmentRow object = first_segments().added.front();
    const std::string rows = fmt::format(
        "{0} PRAGMA user_version = 2;"
        "INSERT INTO segments VALUES ('{1}', '{2}', {3}, {4});"
        "INSERT INTO segment_parts VALUES ('{1}', '{5}', 0, 0, 5, {6}, {7});"
        "INSERT INTO places VALUES ('segments', 3, 28672, 7, 4294967287)",
        migrations()[1].sql, object.object.to_string(), object.name, object.bytes,
        object.created_ms, topic_id(2).to_string(), object.parts[0].max_timestamp_ms,
        object.parts[0].bytes);
    expect_ok(connection->execute(rows.c_str()));
    expect_ok(connection->close());
  }
  Contents expected = golden();
  expect_ok(apply(expected, first_segments()));
  EXPECT_EQ(stored(), expected);
  EXPECT_EQ(version_on(disk_), 2);
  const auto catalog = begun();
  EXPECT_EQ(version_on(disk_), 3);
  EXPECT_EQ(stored(), expected);
  expect_ok(catalog->commit_segments(segments_of({}, {1})));
  EXPECT_EQ(stored().leaving.size(), 1U);
}

TEST_F(MigrationTest, WhatBeginAnsweredForSurvivesAPowerCut) {
  end_uncleanly(disk_);
  disk_.kill();
  begun().reset();
  disk_.power_cut();
  EXPECT_EQ(version_on(disk_), 3);
  EXPECT_EQ(stored(), golden_of_unclean_end());
  expect_ok(begun()->commit_segments(first_segments()));
}

TEST_F(MigrationTest, AnotherDirectorysCatalogIsNotTouched) {
  const auto before = bytes_of(disk_, "/data");
  EXPECT_EQ(open_sqlite(disk_, kPath).value()->begin(directory_id(2)).error().code, Code::kCorrupt);
  EXPECT_EQ(bytes_of(disk_, "/data"), before);
}

/// The power goes, or the process, at every operation of the begin() that migrates.
TEST_F(MigrationTest, ACrashLeavesTheOldVersionOrTheNewOne) {
  for (const bool is_clean : {true, false}) {
    int old_ones = 0;
    int new_ones = 0;
    bool is_over = false;
    for (uint64_t operation = 1; !is_over; ++operation) {
      SCOPED_TRACE(fmt::format("operation {}, {}", operation, is_clean ? "clean" : "unclean"));
      for (const bool is_killed : {true, false}) {
        io::SimulatedDisk disk(operation);
        put_golden(disk);
        if (!is_clean) {
          end_uncleanly(disk);
        }
        io::DiskFaults faults;
        faults.off_at = disk.operations() + operation;
        disk.set_faults(faults);
        is_over = open_sqlite(disk, kPath).value()->begin(directory_id()).ok();
        if (is_killed) {
          disk.kill();
        } else {
          disk.power_cut();
        }
        const int64_t version = version_on(disk);
        ++(version == 1 ? old_ones : new_ones);
        EXPECT_TRUE(version == 3 || (version == 1 && !is_over)) << version;
        auto catalog = open_sqlite(disk, kPath).value();
        EXPECT_EQ(catalog->contents(), is_clean ? golden() : golden_of_unclean_end());
        expect_ok(catalog->begin(directory_id()));
        expect_ok(catalog->commit_segments(first_segments()));
        catalog.reset();
        disk.power_cut();
        EXPECT_EQ(version_on(disk), 3);
        EXPECT_EQ(open_sqlite(disk, kPath).value()->contents().segments, first_segments().added);
      }
    }
    EXPECT_GT(old_ones, 10);
    EXPECT_GT(new_ones, 2);
  }
}

TEST_F(MigrationTest, AFailedBeginMayBeCalledAgain) {
  for (uint64_t operation = 1;; ++operation) {
    SCOPED_TRACE(operation);
    io::SimulatedDisk disk(operation);
    put_golden(disk);
    io::DiskFaults faults;
    faults.fail_at = disk.operations() + operation;
    disk.set_faults(faults);
    auto catalog = open_sqlite(disk, kPath).value();
    const Status begun = catalog->begin(directory_id());
    disk.set_faults({});
    if (!begun.ok()) {
      EXPECT_EQ(begun.error().code, Code::kIo) << begun.error().message;
      expect_ok(catalog->begin(directory_id()));
    }
    expect_ok(catalog->commit_segments(first_segments()));
    catalog.reset();
    disk.power_cut();
    EXPECT_EQ(open_sqlite(disk, kPath).value()->contents().segments, first_segments().added);
    if (begun.ok()) {
      EXPECT_GT(operation, 10U);
      break;
    }
  }
}

TEST_F(MigrationTest, AFullDiskRefusesTheBeginAndTheCatalogStaysOld) {
  int refused = 0;
  for (uint64_t room = 0;; room += 1024) {
    SCOPED_TRACE(room);
    capacity(used() + room);
    const Status begun = open_sqlite(disk_, kPath).value()->begin(directory_id());
    if (begun.ok()) {
      break;
    }
    ++refused;
    ASSERT_EQ(begun.error().code, Code::kOverloaded) << begun.error().message;
    EXPECT_NE(begun.error().message.find("from format version 1 to 3"), std::string::npos)
        << begun.error().message;
    disk_.kill();
    ASSERT_EQ(version_on(disk_), 1);
    ASSERT_EQ(stored(), golden());
  }
  EXPECT_GT(refused, 20);
  disk_.power_cut();
  EXPECT_EQ(version_on(disk_), 3);
  EXPECT_EQ(stored(), golden());
}

}  // namespace
}  // namespace millrace::catalog
