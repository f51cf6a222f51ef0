#include "catalog/sqlite_connection.h"

#include "base/check.h"

#include <sqlite3.h>

namespace millrace::catalog {
namespace {

Code code_of(int code) {
  switch (code & 0xFF) {
    case SQLITE_FULL:
      return Code::kOverloaded;
    case SQLITE_ERROR:     // our statements are right, so a table or a column is missing
    case SQLITE_MISMATCH:  // a type is not that of the schema
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_CONSTRAINT:
      return Code::kCorrupt;
    default:
      return Code::kIo;
  }
}

}  // namespace

void Statement::Finalize::operator()(sqlite3_stmt* statement) const {
  sqlite3_finalize(statement);
}

void Statement::keep(int code) {
  if (bind_error_ == SQLITE_OK) {
    bind_error_ = code;
  }
}

Statement& Statement::bind(int64_t value) {
  keep(sqlite3_bind_int64(statement_.get(), ++bound_, value));
  return *this;
}

Statement& Statement::bind(uint64_t value) {
  return bind(static_cast<int64_t>(value));
}

Statement& Statement::bind(std::string_view text) {
  const char* data = text.data() != nullptr ? text.data() : "";  // null would bind NULL
  keep(sqlite3_bind_text64(statement_.get(), ++bound_, data, text.size(), SQLITE_STATIC,
                           SQLITE_UTF8));
  return *this;
}

Statement& Statement::bind_blob(std::string_view bytes) {
  const char* data = bytes.data() != nullptr ? bytes.data() : "";
  keep(sqlite3_bind_blob64(statement_.get(), ++bound_, data, bytes.size(), SQLITE_STATIC));
  return *this;
}

void Statement::reset() {
  sqlite3_reset(statement_.get());  // its result is that of the last step
  sqlite3_clear_bindings(statement_.get());
  bound_ = 0;
  bind_error_ = SQLITE_OK;
}

Result<bool> Statement::step() {
  const int code = bind_error_ == SQLITE_OK ? sqlite3_step(statement_.get()) : bind_error_;
  if (code == SQLITE_ROW) {
    return true;
  }
  if (code == SQLITE_DONE) {
    reset();
    return false;
  }
  Error failed = connection_->error(sqlite3_sql(statement_.get()), code);
  reset();
  return failed;
}

Status Statement::run() {
  for (;;) {
    MILLRACE_TRY(const bool has_row, step());
    if (!has_row) {
      return {};
    }
  }
}

int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(statement_.get(), column);
}

std::string Statement::text(int column) const {
  const void* data = sqlite3_column_blob(statement_.get(), column);
  const auto size = static_cast<size_t>(sqlite3_column_bytes(statement_.get(), column));
  return data == nullptr ? std::string() : std::string(static_cast<const char*>(data), size);
}

Result<std::unique_ptr<Connection>> Connection::open(SqliteVfs& vfs, const std::string& path,
                                                     bool creates) {
  std::unique_ptr<Connection> connection(new Connection(vfs, path));
  // A frozen VFS gives it a database for reading only.
  const int flags =
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (creates ? SQLITE_OPEN_CREATE : 0);
  const int code = sqlite3_open_v2(path.c_str(), &connection->database_, flags, vfs.name());
  if (code != SQLITE_OK) {
    return connection->error("open", code);
  }
  sqlite3* database = connection->database_;
  sqlite3_extended_result_codes(database, 1);
  sqlite3_db_config(database, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  sqlite3_db_config(database, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(database, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  // Takes the place of the automatic checkpoint, whose errors nobody sees.
  sqlite3_wal_hook(
      database,
      [](void* self, sqlite3*, const char*, int frames) {
        static_cast<Connection*>(self)->wal_frames_ = frames;
        return SQLITE_OK;
      },
      connection.get());
  // Exclusive before anything is read: else SQLite wants shared memory for a WAL.
  MILLRACE_TRY_STATUS(
      connection->execute("PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = FULL;"
                          "PRAGMA temp_store = MEMORY; PRAGMA foreign_keys = ON",
                          "open"));
  return connection;
}

Connection::~Connection() {
  // Fails only while a statement lives, and all are members of scopes within this object's.
  MILLRACE_CHECK(sqlite3_close(database_) == SQLITE_OK, "a statement outlives its connection");
}

Status Connection::execute(const char* sql, const char* what) {
  const int code = sqlite3_exec(database_, sql, nullptr, nullptr, nullptr);
  return code == SQLITE_OK ? Status{} : error(what != nullptr ? what : sql, code);
}

Result<Statement> Connection::prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  const int code =
      sqlite3_prepare_v2(database_, sql.data(), static_cast<int>(sql.size()), &statement, nullptr);
  if (code != SQLITE_OK) {
    return error(sql, code);
  }
  return Statement(*this, statement);
}

Result<int64_t> Connection::query_integer(std::string_view sql) {
  MILLRACE_TRY(Statement statement, prepare(sql));
  MILLRACE_TRY(const bool has_row, statement.step());
  return has_row ? statement.integer(0) : 0;
}

Result<std::string> Connection::query_text(std::string_view sql) {
  MILLRACE_TRY(Statement statement, prepare(sql));
  MILLRACE_TRY(const bool has_row, statement.step());
  return has_row ? statement.text(0) : std::string();
}

bool Connection::is_in_transaction() const {
  return sqlite3_get_autocommit(database_) == 0;
}

Result<CheckpointResult> Connection::checkpoint() {
  int frames = 0;
  int done = 0;
  const int code =
      sqlite3_wal_checkpoint_v2(database_, nullptr, SQLITE_CHECKPOINT_PASSIVE, &frames, &done);
  if (code != SQLITE_OK) {
    return error("checkpoint", code);
  }
  return CheckpointResult{frames, done};
}

Status Connection::close() {
  MILLRACE_TRY(const CheckpointResult result, checkpoint());
  if (result.done != result.frames) {
    return make_error(Code::kIo, "{}: {} of {} frames of the WAL are in the database", path_,
                      result.done, result.frames);
  }
  sqlite3_db_config(database_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, nullptr);
  const int code = sqlite3_close(database_);
  if (code != SQLITE_OK) {
    return error("close", code);
  }
  database_ = nullptr;
  return {};
}

Error Connection::error(std::string_view what, int code) {
  const auto cause = vfs_.take_error();
  const int primary = code & 0xFF;
  const char* text =  // the number's own text where the connection is not about this error
      database_ != nullptr && (sqlite3_extended_errcode(database_) & 0xFF) == primary
          ? sqlite3_errmsg(database_)
          : sqlite3_errstr(code);
  // What could not be opened for want of descriptors is no I/O error either.
  const Code ours = primary == SQLITE_CANTOPEN && cause && cause->code == Code::kOverloaded
                        ? cause->code
                        : code_of(code);
  return make_error(ours, "{}: {} ({}): {}{}{}", path_, text, code, what, cause ? ": " : "",
                    cause ? cause->message : "");
}

}  // namespace millrace::catalog
