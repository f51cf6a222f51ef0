// Values of the catalog's rows: what a column must hold, and what several parts write.
#pragma once

#include "catalog/catalog.h"
#include "catalog/sqlite_connection.h"

#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>
#include <utility>

namespace millrace::catalog {

// All kCorrupt, naming `what` (the table) and the value.

/// As RFC 9562 writes it and this program wrote it, nothing else: one id has one text, so that the
/// order of the texts is that of the ids.
Result<Uuid> uuid_in(const Statement& row, int column, std::string_view what);

/// At least 0.
Result<uint64_t> count_in(const Statement& row, int column, std::string_view what);

/// A topic id, and in the column behind it a partition.
Result<TopicPartition> partition_in(const Statement& row, int column, std::string_view what);

template <typename Small>
Result<Small> small_in(const Statement& row, int column, std::string_view what) {
  const int64_t value = row.integer(column);
  if (value < 0 || value > int64_t{std::numeric_limits<Small>::max()}) {
    return make_error(Code::kCorrupt, "{}: {} is out of range", what, value);
  }
  return static_cast<Small>(value);
}

/// Rows of a table come in the order of its primary key, by which commits find them: quick_check
/// does not look.
template <typename Key>
class KeyOrder {
 public:
  explicit KeyOrder(const char* table) : table_(table) {}

  Status next(Key key) {
    if (before_ && !(*before_ < key)) {
      return make_error(Code::kCorrupt, "{}: a row is not in the order of the primary key", table_);
    }
    before_ = std::move(key);
    return {};
  }

 private:
  const char* table_;
  std::optional<Key> before_;
};

/// Calls `read` for every row of `sql`.
template <typename Read>
Status for_each(Connection& connection, std::string_view sql, Read read) {
  MILLRACE_TRY(Statement statement, connection.prepare(sql));
  for (;;) {
    MILLRACE_TRY(const bool has_row, statement.step());
    if (!has_row) {
      return {};
    }
    MILLRACE_TRY_STATUS(read(std::as_const(statement)));
  }
}

/// The database's format version; 0: none.
Result<int64_t> read_version(Connection& connection);

/// A value of `meta`, in place of the one before.
Status write_meta(Connection& connection, std::string_view key, std::string_view value);

/// The journal run that the part of `owner` rests on.
Status write_place(Connection& connection, std::string_view owner, const JournalPlace& place);

}  // namespace millrace::catalog
