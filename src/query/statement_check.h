// What a statement may do: decided on DuckDB's own tree of it, before anything is bound or run.
#pragma once

#include "base/result.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::query {

/// A table as the statement spells it.
struct TableReference {
  std::optional<std::string> database;  // nullopt: it named the table alone
  std::string table;
};

struct StatementFacts {
  std::vector<TableReference> tables;
  bool lists_tables = false;  // SHOW TABLES and the like: every table must be there by name
};

/// Goes over what json_serialize_sql made of one statement. Everything in it must be known and
/// allowed: table functions and SHOW by lists of what is, scalar functions by a list of what is not
/// (they reach files, settings, variables or DuckDB's insides), and a name in FROM is a common
/// table expression in scope or goes into `tables`, for the caller to find.
/// Errors: kForbidden with what is refused and what is there instead; kInvalid (DuckDB could not
/// parse it: its message), kInternal (not such a document).
Result<StatementFacts> check_statement(std::string_view tree);

/// What follows EXPLAIN or EXPLAIN ANALYZE, for json_serialize_sql, which takes SELECT alone;
/// nullopt when `sql` does not begin so. EXPLAIN with options in parentheses is not taken apart:
/// what remains is then no statement.
std::optional<std::string_view> explained(std::string_view sql);

}  // namespace millrace::query
