// Damage, unclean ends, full and failing disks: what only a catalog on a disk meets.
#include "catalog/sqlite_catalog.h"

#include "catalog/catalog_conformance.h"
#include "catalog/sqlite_connection.h"
#include "catalog/sqlite_files.h"
#include "io/simulated_disk.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include <cstdlib>
#include <functional>
#include <map>

namespace millrace::catalog {
namespace {

const std::string kPath = "/data/catalog.db";

/// All files of a directory, byte for byte.
std::map<std::string, std::vector<std::byte>> bytes_of(io::Disk& disk, const std::string& root) {
  std::map<std::string, std::vector<std::byte>> files;
  for (const auto& entry : disk.list(root).value()) {
    files[entry.name] = disk.read_file(root + "/" + entry.name).value();
  }
  return files;
}

void expect_ok(const Status& status) {
  EXPECT_TRUE(status.ok()) << status.error().message;
}

class SqliteCatalogTest : public testing::Test {
 protected:
  SqliteCatalogTest() { static_cast<void>(disk_.make_directories("/data")); }

  std::unique_ptr<Catalog> begun(SqliteOptions options = {}) {
    auto catalog = open_sqlite(disk_, kPath, options);
    EXPECT_TRUE(catalog.ok()) << catalog.error().message;
    expect_ok((*catalog)->begin(directory_id()));
    return std::move(catalog).value();
  }

  /// With something in each table.
  void fill(Catalog& catalog) {
    expect_ok(catalog.commit_broker(broker_part()));
    expect_ok(catalog.commit_flush(flush_of(2, 0, 0, 10, 2)));
  }

  Contents stored() { return open_sqlite(disk_, kPath).value()->contents(); }

  bool has_log() { return catalog::has_log(disk_, kPath).value(); }

  void capacity(std::optional<uint64_t> bytes) {
    io::DiskFaults faults;
    faults.capacity_bytes = bytes;
    disk_.set_faults(faults);
  }

  void fail_operation(uint64_t from_now) {
    io::DiskFaults faults;
    faults.fail_at = disk_.operations() + from_now;
    disk_.set_faults(faults);
  }

  /// Statements by another program, which keeps to the rules of SQLite but not to ours.
  void tamper(const char* sql) {
    SqliteVfs vfs(disk_, SqliteVfs::Access::kReadWrite);
    const auto connection = Connection::open(vfs, kPath, false).value();
    expect_ok(
        connection->execute("PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON"));
    expect_ok(connection->execute(sql));
    expect_ok(connection->close());
  }

  /// Refused with `code`, the path and `says`; nothing on the disk changes by that.
  void expect_refused(Code code, const std::string& says) {
    const auto before = bytes_of(disk_, "/data");
    const uint64_t operations = disk_.operations();
    const auto opened = open_sqlite(disk_, kPath);
    ASSERT_FALSE(opened.ok()) << says;
    EXPECT_EQ(opened.error().code, code) << opened.error().message;
    EXPECT_NE(opened.error().message.find(kPath), std::string::npos) << opened.error().message;
    EXPECT_NE(opened.error().message.find(says), std::string::npos) << opened.error().message;
    EXPECT_EQ(disk_.operations(), operations);
    EXPECT_EQ(bytes_of(disk_, "/data"), before);
  }

  io::SimulatedDisk disk_{1};
};

TEST_F(SqliteCatalogTest, OpeningChangesNothingInWhateverState) {
  const auto opens = [&] {
    const auto before = bytes_of(disk_, "/data");
    const uint64_t operations = disk_.operations();
    {
      const auto catalog = open_sqlite(disk_, kPath).value();
    }
    expect_ok(open_sqlite(disk_, kPath).value()->close());
    EXPECT_EQ(disk_.operations(), operations);
    EXPECT_EQ(bytes_of(disk_, "/data"), before);
  };
  opens();
  EXPECT_TRUE(bytes_of(disk_, "/data").empty());
  fill(*begun());
  EXPECT_TRUE(has_log());
  opens();
  expect_ok(begun()->close());
  EXPECT_FALSE(has_log());
  opens();
  EXPECT_EQ(bytes_of(disk_, "/data").size(), 1U);
}

TEST(SqliteCatalogOnARealDisk, OpeningChangesNothingInWhateverState) {
  std::string root = "/tmp/millrace-catalog-XXXXXX";
  ASSERT_NE(mkdtemp(root.data()), nullptr);
  io::Disk& disk = io::posix_disk();
  const std::string path = root + "/catalog.db";
  const auto opens = [&] {
    const auto before = bytes_of(disk, root);
    const Contents contents = open_sqlite(disk, path).value()->contents();
    EXPECT_EQ(bytes_of(disk, root), before);
    return contents;
  };
  EXPECT_TRUE(opens().is_new);
  {
    const auto catalog = open_sqlite(disk, path).value();
    expect_ok(catalog->begin(directory_id()));
    expect_ok(catalog->commit_flush(flush_of(2, 0, 0, 10)));
  }
  EXPECT_NE(disk.read_file(path + "-wal").value().size(), 0U);
  EXPECT_EQ(opens().files.size(), 1U);
  {
    const auto catalog = open_sqlite(disk, path).value();
    expect_ok(catalog->begin(directory_id()));
    expect_ok(catalog->close());
  }
  EXPECT_EQ(opens().files.size(), 1U);
  EXPECT_EQ(bytes_of(disk, root).size(), 1U);
  expect_ok(disk.remove(path));
  ::rmdir(root.c_str());
}

TEST_F(SqliteCatalogTest, ANewerFormatIsRefusedByNameAndNumbers) {
  expect_ok(begun()->close());
  tamper("PRAGMA user_version = 2");
  expect_refused(Code::kUnsupported, "format version 2, this program knows up to 1");
}

TEST_F(SqliteCatalogTest, WhatIsNoCatalogIsRefused) {
  const auto put = [&](const std::string& name, size_t size, std::byte fill) {
    expect_ok(disk_.replace_file(name, std::vector<std::byte>(size, fill)));
  };
  put(kPath, 0, {});
  expect_refused(Code::kCorrupt, "it is empty");
  put(kPath, 10'000, std::byte{'x'});
  expect_refused(Code::kCorrupt, "not a database");
  put(kPath, 100, std::byte{0});
  expect_refused(Code::kCorrupt, "Do not delete it");
  expect_ok(disk_.remove(kPath));
  put(kPath + "-wal", 5000, std::byte{7});
  expect_refused(Code::kCorrupt, "its -wal file is there");
  expect_ok(disk_.remove(kPath + "-wal"));
  expect_ok(begun()->close());
  put(kPath + "-journal", 600, std::byte{7});
  expect_refused(Code::kCorrupt, "left a -journal file");
  expect_ok(disk_.remove(kPath + "-journal"));
  tamper("PRAGMA application_id = 5");
  expect_refused(Code::kCorrupt, "not a Millrace catalog");
}

TEST_F(SqliteCatalogTest, DamageIsRefused) {
  fill(*begun());
  expect_ok(begun()->close());
  const auto whole = disk_.read_file(kPath).value();
  const auto pages = whole.size() / 4096;
  ASSERT_GT(pages, 8U);
  int found = 0;
  for (size_t page = 0; page < pages; ++page) {
    auto bytes = whole;
    std::fill_n(bytes.begin() + static_cast<ptrdiff_t>(page * 4096), 4096, std::byte{0x5A});
    expect_ok(disk_.replace_file(kPath, bytes));
    expect_refused(Code::kCorrupt, "nothing was changed");
    ++found;
  }
  EXPECT_EQ(found, static_cast<int>(pages));
  const std::span<const std::byte> cut(whole.data(), whole.size() - 4096);
  expect_ok(disk_.replace_file(kPath, cut));
  expect_refused(Code::kCorrupt, "nothing was changed");
}

TEST_F(SqliteCatalogTest, ATableThatIsMissingIsRefused) {
  for (const char* table : {"meta", "places", "topics", "topic_settings", "partitions", "tables",
                            "table_offsets", "table_files"}) {
    expect_ok(begun()->close());
    const auto whole = disk_.read_file(kPath).value();
    tamper(fmt::format("DROP TABLE {}", table).c_str());
    expect_refused(Code::kCorrupt, fmt::format("no such table: {}", table));
    expect_ok(disk_.replace_file(kPath, whole));
  }
}

TEST_F(SqliteCatalogTest, RowsThatBreakARuleAreRefused) {
  fill(*begun());
  expect_ok(begun()->close());
  const auto whole = disk_.read_file(kPath).value();
  const std::pair<const char*, const char*> cases[] = {
      {"DELETE FROM meta", "no directory id"},
      {"UPDATE meta SET value = 'x'", "'x' is no id"},
      {"UPDATE topics SET id = upper(id)", "is no id"},
      {"UPDATE topics SET id = replace(id, '-', '')", "is no id"},
      {"UPDATE topics SET partitions = 0", "partition"},
      {"UPDATE topics SET partitions = 1 << 40", "out of range"},
      {"UPDATE topics SET name = ''", "no name"},
      {"DELETE FROM topics WHERE is_deleted = 0", "topic_settings: no topic"},
      {"UPDATE partitions SET start = next + 1", "offsets"},
      {"UPDATE partitions SET partition = -1", "out of range"},
      {"UPDATE places SET header_crc = -1", "out of range"},
      {"UPDATE places SET run = -1", "below 0"},
      {"DELETE FROM places WHERE owner = 'broker'", "topics without a place"},
      {"DELETE FROM places WHERE owner = 'tables'", "tables without a place"},
      {"DELETE FROM tables", "there is no such table"},
      {"UPDATE table_offsets SET next = 9", "beyond its partition's table offset"},
      {"UPDATE table_files SET first = next", "offsets"},
      {"UPDATE table_files SET rows = -1", "below 0"},
      {"UPDATE table_files SET commit_id = 'abc'", "is no id"},
      {"UPDATE table_files SET path = '../' || path", "not a path below the tables"},
      {"UPDATE table_files SET min_time_us = max_time_us + 1", "order"},
  };
  for (const auto& [sql, says] : cases) {
    SCOPED_TRACE(sql);
    tamper(sql);
    expect_refused(Code::kCorrupt, says);
    expect_ok(disk_.replace_file(kPath, whole));
  }
  EXPECT_EQ(stored().files.size(), 2U);
}

TEST_F(SqliteCatalogTest, AKilledCatalogIsWholeAndSurvivesAPowerCutAfterBegin) {
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
TEST_F(SqliteCatalogTest, ACommitKnownToThePageCacheOnlyIsMadeDurableByBegin) {
  for (uint64_t operation = 1; operation < 12; ++operation) {
    SCOPED_TRACE(operation);
    io::SimulatedDisk disk(operation);
    ASSERT_TRUE(disk.make_directories("/data").ok());
    {
      const auto catalog = open_sqlite(disk, kPath).value();
      expect_ok(catalog->begin(directory_id()));
      io::DiskFaults faults;
      faults.fail_at = disk.operations() + operation;
      disk.set_faults(faults);
      const Status committed = catalog->commit_flush(flush_of(2, 0, 0, 10));
      if (!committed.ok()) {
        EXPECT_EQ(committed.error().code, Code::kIo) << committed.error().message;
        EXPECT_EQ(catalog->commit_flush(flush_of(2, 1, 0, 10)).error().code, Code::kReadOnly);
      }
    }
    disk.kill();
    const auto catalog = open_sqlite(disk, kPath).value();
    const Contents shown = catalog->contents();
    expect_ok(catalog->begin(directory_id()));
    const_cast<std::unique_ptr<Catalog>&>(catalog).reset();
    disk.power_cut();
    EXPECT_EQ(open_sqlite(disk, kPath).value()->contents(), shown);
  }
}

TEST_F(SqliteCatalogTest, AFailedSyncEndsCommitsForGood) {
  auto catalog = begun();
  fill(*catalog);
  Status failed;
  for (uint64_t operation = 1; failed.ok(); ++operation) {
    ASSERT_LT(operation, 50U) << "no operation of a commit failed it";
    fail_operation(operation);
    failed = catalog->commit_flush(flush_of(2, 0, 10 * static_cast<int64_t>(operation),
                                            10 * static_cast<int64_t>(operation + 1)));
  }
  EXPECT_EQ(failed.error().code, Code::kIo);
  EXPECT_NE(failed.error().message.find(kPath), std::string::npos) << failed.error().message;
  capacity(std::nullopt);
  EXPECT_EQ(catalog->commit_broker(broker_part()).error().code, Code::kReadOnly);
  EXPECT_EQ(catalog->drop_table(topic_id(2), place_of(1)).error().code, Code::kReadOnly);
  expect_ok(catalog->close());
  EXPECT_TRUE(has_log());
  fill(*begun({}));
}

TEST_F(SqliteCatalogTest, AFullDiskRefusesLeavesNothingAndHeals) {
  auto catalog = begun();
  fill(*catalog);
  const Contents before = stored();
  const auto used = [&] {
    uint64_t sum = 0;
    for (const auto& [name, bytes] : bytes_of(disk_, "/data")) {
      sum += bytes.size();
    }
    return sum;
  };
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

TEST_F(SqliteCatalogTest, ACheckpointWithoutRoomIsTriedAgain) {
  auto catalog = begun({.checkpoint_frames = 8});
  fill(*catalog);
  const uint64_t size = disk_.read_file(kPath).value().size();
  FlushCommit flush = flush_of(2, 1, 0, 10);
  flush.table.schema = std::string(100'000, 's');
  // The WAL may grow, the database may not: its pages would not fit beside.
  disk_.set_faults({});
  expect_ok(catalog->commit_flush(flush));
  EXPECT_GT(disk_.read_file(kPath).value().size(), size) << "the checkpoint did not happen";
  expect_ok(catalog->commit_flush(flush_of(2, 1, 10, 20)));
  expect_ok(catalog->close());
  EXPECT_EQ(stored().table_offsets.at(partition_of(2, 1)), Offset{20});
}

TEST_F(SqliteCatalogTest, BeginStartsOnAFullDisk) {
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

TEST_F(SqliteCatalogTest, ANewCatalogOnAFullDiskIsRefusedAndHeals) {
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
TEST_F(SqliteCatalogTest, AnInterruptedFirstBeginLeavesNothingBehind) {
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
    operation % 2 == 0 ? disk.power_cut() : disk.kill();
    {
      const auto again = open_sqlite(disk, kPath).value();
      EXPECT_TRUE(again->contents().is_new || again->contents().directory == directory_id());
      expect_ok(again->begin(directory_id()));
      expect_ok(again->close());
    }
    EXPECT_EQ(bytes_of(disk, "/data").size(), 1U);
    if (begun.ok()) {
      EXPECT_GT(operation, 10U);
      break;
    }
  }
}

TEST_F(SqliteCatalogTest, AFailedBeginMayBeCalledAgain) {
  int failures = 0;
  for (uint64_t operation = 1;; ++operation) {
    SCOPED_TRACE(operation);
    io::SimulatedDisk disk(operation);
    ASSERT_TRUE(disk.make_directories("/data").ok());
    io::DiskFaults faults;
    faults.fail_at = operation;
    disk.set_faults(faults);
    const auto catalog = open_sqlite(disk, kPath).value();
    const bool begun = catalog->begin(directory_id()).ok();
    if (!begun) {
      ++failures;
      expect_ok(catalog->begin(directory_id()));
    }
    expect_ok(catalog->commit_flush(flush_of(1, 0, 0, 1)));
    if (begun && operation > 40) {
      break;
    }
  }
  EXPECT_GT(failures, 10);
}

}  // namespace
}  // namespace millrace::catalog
