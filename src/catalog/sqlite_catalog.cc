#include "catalog/sqlite_catalog.h"

#include "base/log.h"
#include "base/mutex.h"
#include "catalog/rules.h"
#include "catalog/sqlite_connection.h"
#include "catalog/sqlite_contents.h"
#include "catalog/sqlite_files.h"
#include "catalog/sqlite_rows.h"
#include "catalog/sqlite_segments.h"

#include <utility>

namespace millrace::catalog {
namespace {

class SqliteCatalog final : public Catalog {
 public:
  SqliteCatalog(io::Disk& disk, std::string path, SqliteOptions options, Contents contents)
      : disk_(disk), path_(std::move(path)), options_(options), contents_(std::move(contents)) {}

  const Contents& contents() const override { return contents_; }

  Status begin(const DirectoryId& directory) override;

  Status commit_broker(const BrokerPart& part) override {
    MILLRACE_TRY_STATUS(check(part));
    return commit_freeing([&](Connection& connection) { return write_broker(connection, part); });
  }

  Status commit_flush(const FlushCommit& flush) override {
    MILLRACE_TRY_STATUS(check(flush));
    return commit([&](Connection& connection) { return write_flush(connection, flush); });
  }

  Status drop_table(const TopicId& topic, const JournalPlace& place) override {
    MILLRACE_TRY_STATUS(check(place));
    return commit_freeing(
        [&](Connection& connection) { return catalog::drop_table(connection, topic, place); });
  }

  Status commit_segments(const SegmentsCommit& segments) override {
    MILLRACE_TRY_STATUS(check(segments));
    const auto write = [&](Connection& connection) { return write_segments(connection, segments); };
    return segments.added.empty() ? commit_freeing(write) : commit(write);
  }

  Status commit_store(const std::string& name) override {
    MILLRACE_TRY_STATUS(check_store(contents_, name));
    const auto write = [&](Connection& connection) {
      return write_meta(connection, "store", name);
    };
    return contents_.store == name ? Status() : commit(write);
  }

  Status close() override;

 private:
  template <typename Work>
  Status commit(Work work) MILLRACE_EXCLUDES(mutex_);
  template <typename Work>
  Status commit_freeing(Work work) MILLRACE_EXCLUDES(mutex_);
  template <typename Work>
  Status transact(Work work, bool& is_undone) MILLRACE_REQUIRES(mutex_);
  Status give_up(Error error, bool& is_undone) MILLRACE_REQUIRES(mutex_);
  void checkpoint_if_long() MILLRACE_REQUIRES(mutex_);
  Status prepare_files(const DirectoryId& directory) MILLRACE_REQUIRES(mutex_);
  Status connect(bool had_log) MILLRACE_REQUIRES(mutex_);
  Status migrate_if_older() MILLRACE_REQUIRES(mutex_);

  io::Disk& disk_;
  const std::string path_;
  const SqliteOptions options_;
  const Contents contents_;
  Mutex mutex_;
  std::unique_ptr<SqliteVfs> vfs_ MILLRACE_GUARDED_BY(mutex_);
  std::unique_ptr<Connection> connection_ MILLRACE_GUARDED_BY(mutex_);  // from begin() to close()
  bool is_closed_ MILLRACE_GUARDED_BY(mutex_) = false;
  bool is_read_only_ MILLRACE_GUARDED_BY(mutex_) = false;
};

Status SqliteCatalog::begin(const DirectoryId& directory) {
  MutexLock lock(mutex_);
  if (connection_ != nullptr || is_closed_) {
    return make_error(Code::kInvalid, "catalog {}: begin() after begin() or close()", path_);
  }
  Status begun = check_owner(contents_, directory);
  if (begun.ok()) {
    begun = prepare_files(directory);
  }
  if (!begun.ok()) {
    connection_.reset();
    vfs_.reset();
    return std::move(begun).error().within("catalog " + path_);
  }
  return {};
}

Status SqliteCatalog::prepare_files(const DirectoryId& directory) {
  MILLRACE_TRY_STATUS(remove_leftovers(disk_, path_));
  if (contents_.is_new) {
    MILLRACE_TRY_STATUS(create_files(disk_, path_, directory));
    return connect(false);
  }
  MILLRACE_TRY(const bool had_log, has_log(disk_, path_));
  if (had_log) {
    MILLRACE_TRY_STATUS(make_log_durable(disk_, path_));
  }
  // Its own name too may be known to the page cache only.
  MILLRACE_TRY_STATUS(disk_.sync_directory(io::parent_of(path_)));
  return connect(had_log);
}

Status SqliteCatalog::connect(bool had_log) {
  vfs_ = std::make_unique<SqliteVfs>(disk_, SqliteVfs::Access::kReadWrite);
  MILLRACE_TRY(connection_, Connection::open(*vfs_, path_, false));
  MILLRACE_TRY(const std::string mode, connection_->query_text("PRAGMA journal_mode = WAL"));
  if (mode != "wal") {
    return make_error(Code::kIo, "the journal mode stays {}", mode);
  }
  if (had_log) {
    // Pages of a failed sync can leave the page cache at any moment, also between open() and here.
    MILLRACE_TRY(const Contents now, read_contents(*connection_));
    if (now != contents_) {
      return make_error(Code::kIo, "it changed since it was opened; start again");
    }
  }
  return migrate_if_older();
}

/// A transaction as any other: a crash leaves the old version or the new one. After an error this
/// connection goes; the next begin() reads which of them it is.
Status SqliteCatalog::migrate_if_older() {
  MILLRACE_TRY(const int64_t version, read_version(*connection_));
  if (version == latest_version()) {
    return {};
  }
  bool is_undone = false;
  Status migrated =
      transact([&](Connection& connection) { return migrate(connection, version); }, is_undone);
  if (!migrated.ok()) {
    return std::move(migrated).error().within(
        fmt::format("from format version {} to {}", version, latest_version()));
  }
  log::info("catalog", "{}: from format version {} to {}", path_, version, latest_version());
  return {};
}

template <typename Work>
Status SqliteCatalog::commit(Work work) {
  MutexLock lock(mutex_);
  if (is_read_only_) {
    return make_error(
        Code::kReadOnly,
        "catalog {}: an earlier commit failed and may or may not be there; start again", path_);
  }
  if (connection_ == nullptr) {
    return make_error(Code::kInvalid, "catalog {}: a commit before begin() or after close()",
                      path_);
  }
  bool is_undone = false;
  Status done = transact(work, is_undone);
  if (!done.ok()) {
    Error error = std::move(done).error();
    if (!is_undone) {
      is_read_only_ = true;
      error.message += "; no more commits until the next start";
    }
    return std::move(error).within("catalog");
  }
  checkpoint_if_long();
  return {};
}

/// A commit after which files or objects can go: more room than it takes.
template <typename Work>
Status SqliteCatalog::commit_freeing(Work work) {
  Status done = commit(work);
  if (options_.reserve == nullptr) {
    return done;
  }
  uint64_t room = 0;
  for (uint64_t more = io::DiskReserve::kFirstBytes;
       !done.ok() && done.error().code == Code::kOverloaded; more *= 2) {
    const uint64_t given = options_.reserve->give_up(more);
    if (given == 0) {
      break;
    }
    room += given;
    done = commit(work);
  }
  options_.reserve->take_back(room);
  return done;
}

/// `is_undone`: after an error, whether it is certain that nothing was written.
template <typename Work>
Status SqliteCatalog::transact(Work work, bool& is_undone) {
  vfs_->mark_transaction();
  Status done = connection_->execute("BEGIN IMMEDIATE");
  if (done.ok()) {
    done = work(*connection_);
  }
  if (done.ok()) {
    done = connection_->execute("COMMIT");
  }
  return done.ok() ? std::move(done) : give_up(std::move(done).error(), is_undone);
}

/// What was refused, or a full disk, leaves nothing behind; after anything else nobody knows what
/// is there.
Status SqliteCatalog::give_up(Error error, bool& is_undone) {
  is_undone = error.code == Code::kConflict || error.code == Code::kInvalid ||
              error.code == Code::kOverloaded;
  if (connection_->is_in_transaction()) {
    is_undone = connection_->execute("ROLLBACK").ok() && is_undone;
  }
  if (is_undone) {
    Status undone = vfs_->undo_transaction();
    if (!undone.ok()) {
      is_undone = false;
      error.message += "; taking it back: " + undone.error().message;
    }
  }
  if (!is_undone) {
    error.retry = Retry::kNo;
    if (error.code != Code::kCorrupt) {
      error.code = Code::kIo;
    }
  }
  return error;
}

/// The commit before it is durable whatever happens here. On a full disk the WAL grows until there
/// is room. After any other failure later commits are refused: SQLite would copy the pages again
/// and take the next sync's word for it.
void SqliteCatalog::checkpoint_if_long() {
  if (connection_->wal_frames() < options_.checkpoint_frames) {
    return;
  }
  const auto result = connection_->checkpoint();
  if (result.ok()) {
    return;
  }
  is_read_only_ = result.error().code != Code::kOverloaded;
  log::warning("catalog", "checkpoint: {}", result.error().message);
}

Status SqliteCatalog::close() {
  MutexLock lock(mutex_);
  is_closed_ = true;
  if (connection_ == nullptr) {
    return {};
  }
  Status closed;
  if (!is_read_only_) {
    closed = connection_->close();
  }
  connection_.reset();
  vfs_.reset();
  return closed.ok() ? Status{} : Status(std::move(closed).error().within("catalog"));
}

}  // namespace

Result<std::unique_ptr<Catalog>> open_sqlite(io::Disk& disk, std::string path,
                                             SqliteOptions options) {
  MILLRACE_TRY(Contents contents, read_frozen(disk, path));
  return std::unique_ptr<Catalog>(
      std::make_unique<SqliteCatalog>(disk, std::move(path), options, std::move(contents)));
}

}  // namespace millrace::catalog
