// The table function over a table's rows in memory.
#pragma once

#include "base/result.h"
#include "columnar/column_type.h"
#include "query/duck.h"
#include "query/query_context.h"

namespace millrace::query {

inline constexpr const char* kHotScanName = "millrace_hot";

/// How a column stands in SQL. One that has seen nothing but nulls is INTEGER.
duckdb_type sql_type_of(columnar::ColumnType type);

/// Registers millrace_hot(TOPIC_ID), which only our views name: the hot rows of that table in the
/// query of the connection, in the form of the view. Several threads read it at once. Strings are
/// not copied: DuckDB's vectors point into the chunks, which the query's context holds until its
/// connection is gone. `contexts` outlives the database.
Status register_hot_scan(duckdb_connection connection, QueryContexts& contexts);

}  // namespace millrace::query
