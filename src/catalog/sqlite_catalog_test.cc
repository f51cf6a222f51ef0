// Opening without a change, and what an opening refuses.
#include "catalog/sqlite_catalog_test.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <span>

namespace millrace::catalog {
namespace {

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
  tamper("PRAGMA user_version = 4");
  expect_refused(Code::kUnsupported, "format version 4, this program knows up to 3");
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
                            "table_offsets", "table_files", "segments", "segment_parts"}) {
    expect_ok(begun()->close());
    const auto whole = disk_.read_file(kPath).value();
    tamper(fmt::format("DROP TABLE {}", table).c_str());
    expect_refused(Code::kCorrupt, fmt::format("no such table: {}", table));
    expect_ok(disk_.replace_file(kPath, whole));
  }
}

TEST_F(SqliteCatalogTest, RowsThatBreakARuleAreThereForWhoeverInspects) {
  fill(*begun());
  EXPECT_FALSE(inspect_sqlite(disk_, kPath)->broken);
  EXPECT_EQ(inspect_sqlite(disk_, kPath)->contents, stored());
  tamper("UPDATE segment_parts SET next = 7 WHERE first = 0");
  const auto before = bytes_of(disk_, "/data");
  ASSERT_FALSE(open_sqlite(disk_, kPath).ok());
  const auto inspected = inspect_sqlite(disk_, kPath);
  ASSERT_TRUE(inspected.ok()) << inspected.error().message;
  ASSERT_TRUE(inspected->broken);
  EXPECT_EQ(inspected->broken->code, Code::kCorrupt);
  EXPECT_EQ(inspected->contents.segments.size(), 2U);
  EXPECT_EQ(bytes_of(disk_, "/data"), before);
  EXPECT_TRUE(inspect_sqlite(disk_, "/data/none.db")->contents.is_new);
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
      {"UPDATE partitions SET partition = -1 WHERE next = 9", "out of range"},
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
      {"DELETE FROM places WHERE owner = 'segments'", "segments without a place"},
      {"UPDATE places SET owner = 'x' WHERE owner = 'segments'", "places: 'x' is no owner"},
      {"UPDATE segments SET id = upper(id)", "is no id"},
      {"UPDATE segments SET name = 'segments/x.seg'", "its name is 'segments/x.seg'"},
      {"UPDATE segments SET bytes = 150", "100 bytes in an object of 150"},
      {"UPDATE segments SET bytes = -1", "below 0"},
      {"DELETE FROM segments WHERE name NOT LIKE '%mixed%'", "segment_parts: no object"},
      {"DELETE FROM segment_parts WHERE first = 5 AND partition = 0", "it has no parts"},
      {"UPDATE segment_parts SET object_id = 'x' WHERE next = 8", "is no id"},
      {"UPDATE segment_parts SET topic_id = 'x'", "is no id"},
      {"UPDATE segment_parts SET partition = -1 WHERE next = 9", "out of range"},
      {"UPDATE segment_parts SET next = first", "offsets"},
      {"UPDATE segment_parts SET max_timestamp_ms = -2", "timestamp -2"},
      {"UPDATE segment_parts SET bytes = 0", "0 bytes"},
      {"UPDATE segment_parts SET first = 6 WHERE first = 5 AND partition = 0",
       "partition 0: offsets 5 to 5 are in no object"},
      {"UPDATE segment_parts SET first = 3 WHERE first = 5 AND partition = 0",
       "partition 0: offsets 3 to 4 are in two objects"},
      {"UPDATE segment_parts SET next = 4 WHERE first = 0",
       "partition 0: offsets 4 to 4 are in no object"},
  };
  for (const auto& [sql, says] : cases) {
    SCOPED_TRACE(sql);
    tamper(sql);
    expect_refused(Code::kCorrupt, says);
    expect_ok(disk_.replace_file(kPath, whole));
  }
  EXPECT_EQ(stored().files.size(), 2U);
  EXPECT_EQ(stored().segments.size(), 2U);
}

/// Where `sql` says that a table or index begins: small ones are one page.
size_t page_of(io::Disk& disk, const std::string& name) {
  SqliteVfs vfs(disk, SqliteVfs::Access::kFrozen);
  const auto connection = Connection::open(vfs, kPath, false).value();
  const std::string sql = fmt::format("SELECT rootpage FROM sqlite_master WHERE name = '{}'", name);
  return static_cast<size_t>(connection->query_integer(sql).value() - 1) * 4096;
}

std::vector<std::string> indexes_of(io::Disk& disk) {
  SqliteVfs vfs(disk, SqliteVfs::Access::kFrozen);
  const auto connection = Connection::open(vfs, kPath, false).value();
  auto names = connection->prepare("SELECT name FROM sqlite_master WHERE type = 'index'").value();
  std::vector<std::string> found;
  while (names.step().value()) {
    found.push_back(names.text(0));
  }
  return found;
}

TEST_F(SqliteCatalogTest, AnIndexThatDisagreesWithItsTableIsRefused) {
  fill(*begun());
  expect_ok(begun()->close());
  const auto whole = disk_.read_file(kPath).value();
  const auto indexes = indexes_of(disk_);
  EXPECT_EQ(indexes.size(), 3U);
  for (const std::string& index : indexes) {
    SCOPED_TRACE(index);
    auto bytes = whole;
    bytes[page_of(disk_, index) + 4095] ^= std::byte{1};  // the row of the entry that came first
    expect_ok(disk_.replace_file(kPath, bytes));
    expect_refused(Code::kCorrupt, fmt::format("its index {} do not agree", index));
    EXPECT_EQ(inspect_sqlite(disk_, kPath).error().message,
              open_sqlite(disk_, kPath).error().message);
    expect_ok(disk_.replace_file(kPath, whole));
  }
}

TEST_F(SqliteCatalogTest, ARowThatItsIndexDoesNotKnowIsRefused) {
  fill(*begun());
  expect_ok(begun()->close());
  auto bytes = disk_.read_file(kPath).value();
  const std::string row = object_of(1, {}).object.to_string() + topic_id(2).to_string() + "\x03";
  const auto at = std::ranges::search(bytes, std::as_bytes(std::span(row)));
  ASSERT_FALSE(at.empty());
  at[50] ^= std::byte{1};  // to a topic that there is not: no rule between rows is broken
  expect_ok(disk_.replace_file(kPath, bytes));
  expect_refused(Code::kCorrupt, "segment_parts and its index segment_parts_range do not agree");
}

/// Everywhere in the text by which SQLite knows tables and indexes.
TEST_F(SqliteCatalogTest, AFlippedBitInTheSchemaIsRefused) {
  fill(*begun());
  expect_ok(begun()->close());
  const auto whole = disk_.read_file(kPath).value();
  const std::string text(reinterpret_cast<const char*>(whole.data()), whole.size());
  int flipped = 0;
  for (size_t at = text.find("CREATE "); at != std::string::npos; at = text.find("CREATE ", at)) {
    for (; text[at] >= '\n' && text[at] < '\x7f'; ++at) {
      auto bytes = whole;
      bytes[at] ^= std::byte{1} << (at % 8);
      expect_ok(disk_.replace_file(kPath, bytes));
      const auto opened = open_sqlite(disk_, kPath);
      ASSERT_FALSE(opened.ok()) << text.substr(at - 20, 40);
      ASSERT_EQ(opened.error().code, Code::kCorrupt) << opened.error().message;
      ASSERT_EQ(opened.error().message, inspect_sqlite(disk_, kPath).error().message);
      ++flipped;
    }
  }
  EXPECT_GT(flipped, 3000);
}

/// A start reads the catalog before the journal and begins with it behind: too late to refuse.
TEST_F(SqliteCatalogTest, WhatOpensWithAFlippedBitInItsHeaderAlsoBegins) {
  fill(*begun());
  expect_ok(begun()->close());
  const auto whole = disk_.read_file(kPath).value();
  const Contents contents = stored();
  for (size_t bit = 0; bit < 800; ++bit) {
    SCOPED_TRACE(fmt::format("byte {}, bit {}", bit / 8, bit % 8));
    auto bytes = whole;
    bytes[bit / 8] ^= std::byte{1} << (bit % 8);
    expect_ok(disk_.replace_file(kPath, bytes));
    auto opened = open_sqlite(disk_, kPath);
    const auto inspected = inspect_sqlite(disk_, kPath);
    if (!opened.ok()) {
      EXPECT_EQ(opened.error().message, inspected.error().message);
      continue;
    }
    EXPECT_EQ((*opened)->contents(), contents);
    const Status begun = (*opened)->begin(directory_id());
    ASSERT_TRUE(begun.ok()) << begun.error().message;
    expect_ok((*opened)->commit_broker(broker_part()));
    expect_ok((*opened)->close());
    EXPECT_EQ(stored(), contents);
  }
}

/// What SQLite's integrity_check finds, or a rule, a start finds too, and says it in the same
/// words.
TEST_F(SqliteCatalogTest, AFlippedBitIsRefusedWhereAnInspectionFindsIt) {
  fill(*begun());
  expect_ok(begun()->close());
  const auto whole = disk_.read_file(kPath).value();
  int refused = 0;
  for (size_t at = 100; at < whole.size(); at += 3) {
    if (whole[at] == std::byte{0}) {
      continue;
    }
    auto bytes = whole;
    bytes[at] ^= std::byte{1} << (at % 8);
    expect_ok(disk_.replace_file(kPath, bytes));
    const auto opened = open_sqlite(disk_, kPath);
    const auto inspected = inspect_sqlite(disk_, kPath);
    const bool is_whole = inspected.ok() && !inspected->broken;
    ASSERT_EQ(opened.ok(), is_whole)
        << at << (inspected.ok() ? std::string() : inspected.error().message);
    if (!opened.ok()) {
      ++refused;
      const Error& error = inspected.ok() ? *inspected->broken : inspected.error();
      ASSERT_NE(opened.error().message.find(error.message), std::string::npos)
          << at << ": " << opened.error().message << "\n"
          << error.message;
    }
  }
  EXPECT_GT(refused, 1000);
}

}  // namespace
}  // namespace millrace::catalog
