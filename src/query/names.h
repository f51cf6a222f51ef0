// Names in SQL, and which table a statement means by one.
#pragma once

#include "base/result.h"
#include "query/statement_check.h"
#include "tables/snapshot.h"

#include <string>
#include <string_view>
#include <vector>

namespace millrace::query {

/// 'it''s'
std::string sql_text(std::string_view text);
/// "a ""name"""
std::string sql_name(std::string_view name);

/// Names as DuckDB compares them: ASCII letters without case.
std::string fold(std::string_view name);

/// "database"."measurement", folded: tables that have the same are one to DuckDB.
std::string folded_name(const tables::TableName& name);

/// DuckDB keeps a database's name for itself.
bool is_reserved(std::string_view database);

/// The table that a statement means: spelled exactly so, else the only one spelled so but for case.
/// Errors: kNotFound (there is none, with one of a similar name); kInvalid (several; a database
/// whose name SQL keeps for itself).
Result<tables::TableInfo> resolve(const TableReference& reference,
                                  const std::vector<tables::TableInfo>& tables);

}  // namespace millrace::query
