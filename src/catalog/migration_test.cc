// Catalogs of older format versions: tests/golden/catalog/vN.db was made by the program of version
// N, from the rows of SqliteCatalogTest::fill(), and ended well.
#include "catalog/memory_catalog.h"
#include "catalog/sqlite_catalog_test.h"

namespace millrace::catalog {
namespace {

class MigrationTest : public SqliteCatalogTest {
 protected:
  MigrationTest() { put_golden(disk_); }

  static void put_golden(io::SimulatedDisk& disk) {
    const auto bytes = io::posix_disk().read_file(std::string(MILLRACE_SOURCE_DIR) +
                                                  "/tests/golden/catalog/v1.db");
    expect_ok(disk.make_directories("/data"));
    expect_ok(disk.replace_file(kPath, bytes.value()));
  }

  /// What fill() commits.
  static Contents golden() {
    Contents contents;
    contents.directory = directory_id();
    expect_ok(apply(contents, broker_part()));
    expect_ok(apply(contents, flush_of(2, 0, 0, 10, 2)));
    return contents;
  }
};

TEST_F(MigrationTest, AVersion1CatalogIsReadAndGoesOn) {
  EXPECT_EQ(stored(), golden());
  const auto catalog = begun();
  EXPECT_EQ(stored(), golden());
  expect_ok(catalog->commit_flush(flush_of(2, 0, 10, 20)));
  expect_ok(catalog->close());
  EXPECT_EQ(stored().table_offsets.at(partition_of(2, 0)), Offset{20});
}

}  // namespace
}  // namespace millrace::catalog
