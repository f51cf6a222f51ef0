// SQLite's C interface as results: a connection and its statements.
#pragma once

#include "catalog/sqlite_vfs.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

namespace millrace::catalog {

class Connection;

/// A prepared statement. Values are bound in the order of their `?`, the text and bytes of a bind
/// must live until the step. A failed bind is reported by the step.
class Statement {
 public:
  Statement(Statement&&) = default;
  Statement& operator=(Statement&&) = default;

  Statement& bind(int64_t value);
  Statement& bind(uint64_t value);  // at most INT64_MAX: callers check
  Statement& bind(std::string_view text);
  Statement& bind_blob(std::string_view bytes);

  /// true: there is a row to read. After false it can be bound and stepped again.
  Result<bool> step();
  /// Steps to the end, for statements that give no rows.
  Status run();

  // Of the present row.
  int64_t integer(int column) const;
  std::string text(int column) const;  // or the bytes of a blob

 private:
  friend class Connection;

  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };

  Statement(Connection& connection, sqlite3_stmt* statement)
      : connection_(&connection), statement_(statement) {}

  void reset();
  void keep(int code);

  Connection* connection_;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
  int bound_ = 0;
  int bind_error_ = 0;
};

struct CheckpointResult {
  int64_t frames = 0;  // in the WAL
  int64_t done = 0;    // of these, in the database
};

/// Errors of all: kOverloaded (disk full), kCorrupt (damage, or a table or column is missing), kIo.
/// Messages begin with the path. Not thread-safe.
class Connection {
 public:
  /// Of an existing database, or with `creates` of a new one. `vfs` must outlive it. Nothing is
  /// read yet. The connection leaves the WAL as it is when it is destroyed.
  static Result<std::unique_ptr<Connection>> open(SqliteVfs& vfs, const std::string& path,
                                                  bool creates);
  ~Connection();

  /// `what`: said in errors; null: the SQL.
  Status execute(const char* sql, const char* what = nullptr);
  Result<Statement> prepare(std::string_view sql);
  Result<int64_t> query_integer(std::string_view sql);
  Result<std::string> query_text(std::string_view sql);

  bool is_in_transaction() const;

  /// Frames in the WAL after the last commit.
  int64_t wal_frames() const { return wal_frames_; }

  Result<CheckpointResult> checkpoint();
  /// Copies all of the WAL into the database, syncs that and removes the WAL. The connection is of
  /// no use afterwards. After an error the WAL is still there.
  Status close();

  /// `code` of SQLite as our error.
  Error error(std::string_view what, int code);

 private:
  Connection(SqliteVfs& vfs, std::string path) : vfs_(vfs), path_(std::move(path)) {}

  SqliteVfs& vfs_;
  const std::string path_;
  sqlite3* database_ = nullptr;
  int64_t wal_frames_ = 0;
};

}  // namespace millrace::catalog
