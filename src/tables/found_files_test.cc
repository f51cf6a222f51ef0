#include "tables/found_files.h"

#include "tables/tables_test.h"
#include "tables/unit_writer.h"

#include <gtest/gtest.h>

#include <gmock/gmock.h>

namespace millrace::tables {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class FoundFilesTest : public TablesTest {
 protected:
  /// Offset by offset, each a file of its own.
  void fill(const std::string& measurement, int files) {
    for (int i = 0; i < files; ++i) {
      write(measurement, 10 * i, 10);
      ASSERT_TRUE(flush(measurement).ok());
    }
  }

  /// As if the journal kept the offsets from `start` on.
  FoundFiles found(int64_t start, std::optional<int64_t> end = std::nullopt) {
    std::vector<JournalTable> tables;
    for (const TablePtr& table : tables_->all()) {
      const SchemaFact fact{table->partition().topic, table->name(), table->schema()};
      const auto range = log_->range(table->partition());
      tables.push_back(
          {fact, to_frame(fact).value, {Offset{start}, end ? Offset{*end} : range.end}});
    }
    return find_files(*store_, tables, log_->place(), [](size_t, size_t) {}).value();
  }

  std::vector<catalog::FileRow> in_catalog() {
    return catalog::open_sqlite(disk_, "/data/catalog.db").value()->contents().files;
  }

  static std::vector<catalog::FileRow> rows_of(const FoundFiles& found) {
    std::vector<catalog::FileRow> rows;
    for (const auto& flush : found.flushes) {
      rows.insert(rows.end(), flush.files.begin(), flush.files.end());
    }
    return rows;
  }
};

TEST_F(FoundFilesTest, FootersSayAllThatTheCatalogHad) {
  fill("cpu", 3);
  fill("mem", 3);
  const auto all = found(3);
  kill();
  EXPECT_THAT(rows_of(all), testing::UnorderedElementsAreArray(in_catalog()));
  EXPECT_THAT(all.unused, IsEmpty());
  EXPECT_THAT(all.lost, IsEmpty());
  EXPECT_EQ(all.replayed, 0U);
}

TEST_F(FoundFilesTest, WhatTheJournalReplaysIsNotTakenIn) {
  fill("cpu", 5);
  const auto some = found(2);
  EXPECT_THAT(rows_of(some), SizeIs(2));
  ASSERT_THAT(some.flushes, SizeIs(1));
  EXPECT_EQ(some.flushes.back().next, Offset{2});
  EXPECT_EQ(some.replayed, 3U);
  EXPECT_THAT(some.lost, IsEmpty());
  EXPECT_THAT(found(0).flushes, IsEmpty());
}

TEST_F(FoundFilesTest, AFileThatReachesIntoTheJournalIsTakenInWhole) {
  write("cpu", 0, 10);
  write("cpu", 10, 10);
  ASSERT_TRUE(flush("cpu").ok());
  const auto all = found(1);
  ASSERT_THAT(all.flushes, SizeIs(1));
  EXPECT_EQ(all.flushes.front().next, Offset{2}) << "the replay begins behind it";
}

TEST_F(FoundFilesTest, AMissingFileIsNamedAndTheOthersGoOn) {
  fill("cpu", 3);
  ASSERT_TRUE(store_->remove(rows_of(found(3))[1].path).ok());
  const auto all = found(3);
  EXPECT_THAT(rows_of(all), SizeIs(2));
  EXPECT_THAT(all.lost,
              ElementsAre(HasSubstr("rows of table main.cpu, offsets 1 to 1: in no file")));
  const auto later = found(4, 4);
  EXPECT_EQ(later.flushes.back().next, Offset{4});
  EXPECT_THAT(later.lost, SizeIs(2));
}

TEST_F(FoundFilesTest, WhatDoesNotFitIsNamedAndNotTakenIn) {
  fill("cpu", 3);
  const auto files = rows_of(found(3));
  ASSERT_TRUE(store_->move_out(files[1].path, "/data/aside").ok());
  const auto bytes = disk_.read_file(store_->location_of(files[0].path)).value();
  const auto put = [&](const std::string& path, std::span<const std::byte> content) {
    auto writer = store_->create(path).value();
    ASSERT_TRUE(writer->write(content).ok());
    ASSERT_TRUE(writer->publish().ok());
  };
  put(files[1].path, bytes);                                     // another's bytes
  put(files[2].path, std::span(bytes).first(bytes.size() - 1));  // cut short
  put("main/other~00000000/" + files[0].path.substr(files[0].path.rfind('/') + 1), bytes);
  put("main/readme.txt", bytes);
  const auto all = found(3);
  EXPECT_THAT(rows_of(all), ElementsAre(files[0]));
  std::string why;
  for (const UnusedFile& file : all.unused) {
    why += file.path + ": " + file.why + "\n";
  }
  EXPECT_THAT(all.unused, SizeIs(4)) << why;
  EXPECT_THAT(why,
              HasSubstr(files[1].path + ": it is another file: its millrace.first_offset is 0"));
  EXPECT_THAT(why, HasSubstr(files[2].path + ": does not end as a Parquet file"));
  EXPECT_THAT(why, HasSubstr("it is of no table that the journal knows"));
  EXPECT_THAT(why, HasSubstr("main/readme.txt: its name is none of a table's file"));
  EXPECT_THAT(all.lost, SizeIs(1));
}

TEST_F(FoundFilesTest, AFileBehindTheEndOfTheJournalIsNotTakenIn) {
  fill("cpu", 3);
  const auto all = found(2, 2);
  EXPECT_THAT(rows_of(all), SizeIs(2));
  ASSERT_THAT(all.unused, SizeIs(1));
  EXPECT_THAT(all.unused.front().why, HasSubstr("offsets 2 to 2, and the journal ends at 2"));
}

}  // namespace
}  // namespace millrace::tables
