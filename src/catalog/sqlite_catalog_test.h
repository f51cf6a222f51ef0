// A catalog on a simulated disk, and what its tests ask of it.
#pragma once

#include "catalog/catalog_conformance.h"
#include "catalog/sqlite_catalog.h"
#include "catalog/sqlite_connection.h"
#include "catalog/sqlite_files.h"
#include "io/simulated_disk.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace millrace::catalog {

inline const std::string kPath = "/data/catalog.db";

/// All files of a directory, byte for byte.
inline std::map<std::string, std::vector<std::byte>> bytes_of(io::Disk& disk,
                                                              const std::string& root) {
  std::map<std::string, std::vector<std::byte>> files;
  for (const auto& entry : disk.list(root).value()) {
    files[entry.name] = disk.read_file(root + "/" + entry.name).value();
  }
  return files;
}

inline void expect_ok(const Status& status) {
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
    expect_ok(catalog.commit_segments(
        segments_of({object_of(1, {part_of(2, 0, 0, 5), part_of(2, 3, 5, 9)}),
                     object_of(2, {part_of(2, 0, 5, 8)})})));
  }

  Contents stored() { return open_sqlite(disk_, kPath).value()->contents(); }

  uint64_t used() {
    uint64_t sum = 0;
    for (const auto& [name, bytes] : bytes_of(disk_, "/data")) {
      sum += bytes.size();
    }
    return sum;
  }

  bool has_log() { return catalog::has_log(disk_, kPath).value(); }

  void capacity(std::optional<uint64_t> bytes) {
    io::DiskFaults faults;
    faults.capacity_bytes = bytes;
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

}  // namespace millrace::catalog
