#include "catalog/sqlite_files.h"

#include "catalog/migrations.h"
#include "catalog/rules.h"
#include "catalog/sqlite_catalog.h"
#include "catalog/sqlite_check.h"
#include "catalog/sqlite_contents.h"
#include "catalog/sqlite_rows.h"

#include <array>
#include <utility>

namespace millrace::catalog {
namespace {

constexpr int64_t kApplicationId = 0x4D6C7263;  // "Mlrc"; file(1) shows it
constexpr const char* kFresh = ".new";          // a catalog that is being made

std::string log_of(const std::string& path) {
  return path + "-wal";
}

/// 0 when it is missing.
Result<uint64_t> size_of(io::Disk& disk, const std::string& path) {
  auto file = disk.open(path, io::OpenMode::kRead);
  if (!file.ok()) {
    return file.error().code == Code::kNotFound ? Result<uint64_t>(uint64_t{0})
                                                : Result<uint64_t>(std::move(file).error());
  }
  return (*file)->size();
}

/// For people: which file, what is wrong with it, and what not to do about it.
Error damage(const std::string& path, std::string_view what) {
  return make_error(
      Code::kCorrupt,
      "catalog {}: {}; nothing was changed. Put back a copy of it together with its "
      "-wal file, if there is one, or make it again: millrace rebuild --replace. Do not delete it: "
      "it says which table files hold the rows that the journal no longer has",
      path, what);
}

Error explained(const std::string& path, Error error) {
  return error.code == Code::kCorrupt ? damage(path, error.message)
                                      : std::move(error).within("catalog");
}

Status check_version(Connection& connection, const std::string& path) {
  MILLRACE_TRY(const int64_t application, connection.query_integer("PRAGMA application_id"));
  MILLRACE_TRY(const int64_t version, read_version(connection));
  if (application != kApplicationId || version < 1) {
    return make_error(Code::kCorrupt, "it is a database, but not a Millrace catalog");
  }
  if (version > latest_version()) {
    return make_error(Code::kUnsupported,
                      "{}: format version {}, this program knows up to {}; use a newer one", path,
                      version, latest_version());
  }
  return {};
}

/// `check`: a pragma that finds damage.
Status check_by(Connection& connection, std::string_view check) {
  MILLRACE_TRY(const std::string verdict, connection.query_text(check));
  return verdict == "ok" ? Status()
                         : Status(make_error(Code::kCorrupt, "it is damaged: {}", verdict));
}

/// The version: the rows can be read.
Result<int64_t> check_database(Connection& connection, SqliteVfs& vfs, const std::string& path) {
  MILLRACE_TRY_STATUS(check_version(connection, path));
  MILLRACE_TRY_STATUS(check_by(connection, "PRAGMA quick_check(1)"));
  MILLRACE_TRY(const int64_t version, read_version(connection));
  MILLRACE_TRY_STATUS(check_schema(connection, vfs, version));
  return version;
}

Result<Contents> read_checked(Connection& connection, SqliteVfs& vfs, const std::string& path) {
  MILLRACE_TRY(const int64_t version, check_database(connection, vfs, path));
  MILLRACE_TRY(Contents contents, read_rows(connection));
  MILLRACE_TRY_STATUS(check_indexes(connection, version, contents));
  MILLRACE_TRY_STATUS(check(contents));
  return contents;
}

/// What refuses a start comes first: it is said in the same words.
Result<Inspected> read_all(Connection& connection, SqliteVfs& vfs, const std::string& path) {
  MILLRACE_TRY(const int64_t version, check_database(connection, vfs, path));
  MILLRACE_TRY(Contents contents, read_rows(connection));
  MILLRACE_TRY_STATUS(check_indexes(connection, version, contents));
  MILLRACE_TRY_STATUS(check_by(connection, "PRAGMA integrity_check(1)"));
  Status rules = check(contents);
  return Inspected{std::move(contents),
                   rules.ok() ? std::nullopt : std::optional(std::move(rules).error())};
}

/// A state that SQLite would repair by changing files, or would take for an empty database.
Result<bool> check_files(io::Disk& disk, const std::string& path) {
  MILLRACE_TRY(const bool is_there, disk.exists(path));
  MILLRACE_TRY(const bool has_commits, has_log(disk, path));
  if (!is_there && has_commits) {
    return damage(path, "it is missing, but its -wal file is there");
  }
  if (!is_there) {
    return false;
  }
  MILLRACE_TRY(const uint64_t size, size_of(disk, path));
  if (size == 0) {
    return damage(path, "it is empty");
  }
  MILLRACE_TRY(const uint64_t journal, size_of(disk, path + "-journal"));
  if (journal != 0) {
    return damage(path,
                  "another program was stopped while it wrote to it and left a -journal file");
  }
  return true;
}

/// One of a newer write version is opened all the same, for reading: the first commit would fail.
Status check_header(io::Disk& disk, const std::string& path) {
  constexpr size_t kWriteVersion =
      18;  // https://www.sqlite.org/fileformat2.html#the_database_header
  MILLRACE_TRY(const auto file, disk.open(path, io::OpenMode::kRead));
  std::array<std::byte, 1> version{};
  MILLRACE_TRY(const size_t bytes, file->read_at(kWriteVersion, version));
  return bytes == 0 || version[0] <= std::byte{2}
             ? Status()
             : Status(damage(path, fmt::format("its header is damaged: write version {}",
                                               std::to_integer<int>(version[0]))));
}

Status fill(Connection& connection, const DirectoryId& directory) {
  // The file has no name that counts yet, so there is nothing to roll back to after a crash.
  MILLRACE_TRY_STATUS(connection.execute("PRAGMA journal_mode = MEMORY; BEGIN"));
  MILLRACE_TRY_STATUS(migrate(connection, 0));
  const std::string number = fmt::format("PRAGMA application_id = {}", kApplicationId);
  MILLRACE_TRY_STATUS(connection.execute(number.c_str()));
  MILLRACE_TRY_STATUS(write_meta(connection, "directory", directory.to_string()));
  return connection.execute("COMMIT; PRAGMA journal_mode = WAL");
}

/// `none` when nothing is there. Changes nothing on the disk.
template <typename Found>
Result<Found> read_with(io::Disk& disk, const std::string& path, Found none,
                        Result<Found> (*read)(Connection&, SqliteVfs&, const std::string&)) {
  MILLRACE_TRY(const bool is_there, check_files(disk, path));
  if (!is_there) {
    return none;
  }
  SqliteVfs vfs(disk, SqliteVfs::Access::kFrozen);
  auto connection = Connection::open(vfs, path, false);
  if (!connection.ok()) {
    return explained(path, std::move(connection).error());
  }
  auto found = read(**connection, vfs, path);
  if (!found.ok()) {
    return explained(path, std::move(found).error());
  }
  MILLRACE_TRY_STATUS(check_header(disk, path));
  return found;
}

Status make_fresh(io::Disk& disk, const std::string& fresh, const DirectoryId& directory) {
  {
    SqliteVfs vfs(disk, SqliteVfs::Access::kReadWrite);
    MILLRACE_TRY(const auto connection, Connection::open(vfs, fresh, true));
    MILLRACE_TRY_STATUS(fill(*connection, directory));
    MILLRACE_TRY_STATUS(connection->close());
  }
  MILLRACE_TRY(const auto file, disk.open(fresh, io::OpenMode::kReadWrite));
  return file->sync();
}

}  // namespace

Result<Contents> read_frozen(io::Disk& disk, const std::string& path) {
  Contents none;
  none.is_new = true;
  return read_with(disk, path, std::move(none), read_checked);
}

Result<Inspected> inspect_sqlite(io::Disk& disk, const std::string& path) {
  Inspected none;
  none.contents.is_new = true;
  return read_with(disk, path, std::move(none), read_all);
}

std::vector<std::string> leftovers_of(const std::string& path) {
  const std::string fresh = path + kFresh;
  return {fresh, log_of(fresh), fresh + "-journal", log_of(path) + ".tmp"};
}

Status create_files(io::Disk& disk, const std::string& path, const DirectoryId& directory) {
  MILLRACE_TRY(const bool is_there, disk.exists(path));
  if (is_there) {  // of a call before that got so far, or of somebody else
    MILLRACE_TRY(const Contents found, read_frozen(disk, path));
    Contents empty;
    empty.directory = directory;
    return found == empty ? disk.sync_directory(io::parent_of(path))
                          : Status(make_error(Code::kConflict,
                                              "{}: it was not there when it was opened", path));
  }
  const std::string fresh = path + kFresh;
  Status made = make_fresh(disk, fresh, directory);
  if (!made.ok()) {
    static_cast<void>(remove_leftovers(disk, path));  // gives its room back; the next does it else
    return made;
  }
  MILLRACE_TRY_STATUS(disk.rename(fresh, path));
  return disk.sync_directory(io::parent_of(path));
}

int64_t latest_version() {
  return migrations().back().version;
}

Status migrate(Connection& connection, int64_t version) {
  for (const Migration& migration : migrations()) {
    if (migration.version > version) {
      MILLRACE_TRY_STATUS(connection.execute(migration.sql));
    }
  }
  const std::string number = fmt::format("PRAGMA user_version = {}", latest_version());
  return connection.execute(number.c_str());
}

Status remove_leftovers(io::Disk& disk, const std::string& path) {
  for (const std::string& name : leftovers_of(path)) {
    Status removed = disk.remove(name);
    if (!removed.ok() && removed.error().code != Code::kNotFound) {
      return removed;
    }
  }
  return {};
}

Result<bool> has_log(io::Disk& disk, const std::string& path) {
  MILLRACE_TRY(const uint64_t size, size_of(disk, log_of(path)));
  return size != 0;
}

// Why a copy of the WAL, and why it is safe at every moment:
//
// - The page cache shows frames that a killed process wrote and never synced, or whose sync failed.
//   Linux calls the pages of a failed sync clean, so syncing the old file proves nothing; bytes
//   that are written again are synced again.
// - The database file needs no such care: a checkpoint syncs it before the WAL is overwritten, so
//   whatever is not durable in it still stands in the WAL, and is written again from there.
// - The copy is synced before it takes the name. The rename is one change of the directory: a power
//   cut leaves the old WAL, whose acknowledged commits are durable, or the new one, which holds the
//   same bytes. Neither the database's name nor its bytes change, so there is no moment at which a
//   WAL stands beside a database that it does not belong to, and none at which the database stands
//   without the WAL that holds its last commits.
// - On a full disk the same bytes go to the same place: a start must not fail for lack of space. A
//   power cut leaves each sector as it was on the disk or as it was in the page cache; acknowledged
//   commits are the same in both.
Status make_log_durable(io::Disk& disk, const std::string& path) {
  const std::string log = log_of(path);
  MILLRACE_TRY(const auto bytes, disk.read_file(log));
  Status replaced = disk.replace_file(log, bytes);
  if (replaced.ok() || replaced.error().code != Code::kOverloaded) {
    return replaced;
  }
  MILLRACE_TRY_STATUS(remove_leftovers(disk, path));
  MILLRACE_TRY(const auto file, disk.open(log, io::OpenMode::kReadWrite));
  MILLRACE_TRY_STATUS(file->write_at(0, bytes));
  MILLRACE_TRY_STATUS(file->sync());
  return disk.sync_directory(io::parent_of(log));
}

}  // namespace millrace::catalog
