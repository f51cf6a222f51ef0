// Catalogs that a program of version 1 made.
#include "catalog/migrations.h"
#include "catalog/sqlite_connection.h"
#include "catalog/sqlite_rows.h"
#include "catalog_model.h"

namespace millrace::catalog {

/// As docs/formats/catalog.md says of version 1; with one topic, and it ended well.
void CatalogModel::put_version_1() {
  Contents contents;
  contents.directory = directory_id();
  contents.topics.push_back({topic_id(0), "old", 4, false, 5, {}});
  contents.broker_place = JournalPlace{FileNumber{1}, 4096, RunNumber{1}, 7};
  SqliteVfs vfs(disk_, SqliteVfs::Access::kReadWrite);
  const auto connection = Connection::open(vfs, kPath, true).value();
  const std::string rows = fmt::format(
      "PRAGMA application_id = {}; PRAGMA user_version = 1;"
      "INSERT INTO meta VALUES ('directory', '{}');"
      "INSERT INTO places VALUES ('broker', 1, 4096, 1, 7);"
      "INSERT INTO topics VALUES ('{}', 'old', 4, 0, 5); COMMIT",
      0x4D6C7263, directory_id().to_string(), topic_id(0).to_string());
  const std::string schema =
      fmt::format("PRAGMA journal_mode = WAL; BEGIN; {}", migrations()[0].sql);
  if (!connection->execute(schema.c_str()).ok() || !connection->execute(rows.c_str()).ok() ||
      !connection->close().ok()) {
    return violation("a catalog of version 1 could not be made");
  }
  is_old_ = true;
  possible_ = {contents};
}

int64_t CatalogModel::stored_version() {
  SqliteVfs vfs(disk_, SqliteVfs::Access::kFrozen);
  const auto connection = Connection::open(vfs, kPath, false);
  if (!connection.ok()) {
    return 0;
  }
  const auto version = read_version(**connection);
  return version.ok() ? *version : 0;
}

}  // namespace millrace::catalog
