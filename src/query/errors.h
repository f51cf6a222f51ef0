// What DuckDB's messages mean to a caller.
#pragma once

#include "base/result.h"

#include <string_view>

namespace millrace::query {

/// The code that stands for a message such as "Binder Error: ...": kInvalid for what the statement
/// is to blame for, kForbidden (refused by DuckDB's own settings), kOverloaded (memory or temporary
/// space is spent), kCancelled (interrupted), kCorrupt (a file below `tables_directory` is missing
/// or damaged), kIo, kInternal. The message stays as it is, but for advice that
/// nobody can follow here (SET).
Error error_of(std::string_view message, std::string_view tables_directory);

/// What DuckDB finds in a statement's text and its tables' columns, before it reads any row.
bool is_of_statement(std::string_view message);

/// After such an error DuckDB refuses all further statements on that database.
bool invalidates_database(std::string_view message);

}  // namespace millrace::query
