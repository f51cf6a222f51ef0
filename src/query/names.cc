#include "query/names.h"

#include "base/edit_distance.h"

#include <algorithm>
#include <array>

namespace millrace::query {
namespace {

using tables::TableInfo;
using tables::TableName;

// DuckDB's own catalogs and schemas.
constexpr std::array<std::string_view, 5> kReserved = {"information_schema", "memory", "pg_catalog",
                                                       "system", "temp"};

/// " Did you mean "main"."cpu"?", or how many there are.
std::string hint(const TableName& wanted, const std::vector<TableInfo>& tables) {
  const TableInfo* nearest = nullptr;
  size_t least = wanted.measurement.size() / 2 + 1;
  for (const TableInfo& table : tables) {
    const size_t away = edit_distance(fold(table.name.measurement), fold(wanted.measurement)) +
                        (fold(table.name.database) == fold(wanted.database) ? 0 : 1);
    if (away <= least && (nearest == nullptr || away < least)) {
      nearest = &table;
      least = away;
    }
  }
  if (nearest == nullptr) {
    return fmt::format("SHOW ALL TABLES lists the {} there are", tables.size());
  }
  return fmt::format("did you mean {}.{}?", sql_name(nearest->name.database),
                     sql_name(nearest->name.measurement));
}

std::string quoted(std::string_view text, char quote) {
  std::string result(1, quote);
  for (const char c : text) {
    result += c;
    if (c == quote) {
      result += c;
    }
  }
  return result + quote;
}

}  // namespace

std::string sql_text(std::string_view text) {
  return quoted(text, '\'');
}

std::string sql_name(std::string_view name) {
  return quoted(name, '"');
}

std::string fold(std::string_view name) {
  std::string lower(name);
  std::ranges::transform(lower, lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return lower;
}

std::string folded_name(const TableName& name) {
  return sql_name(fold(name.database)) + "." + sql_name(fold(name.measurement));
}

bool is_reserved(std::string_view database) {
  return std::ranges::find(kReserved, fold(database)) != kReserved.end();
}

Result<TableInfo> resolve(const TableReference& reference, const std::vector<TableInfo>& tables) {
  const TableName wanted{reference.database.value_or(std::string(tables::kDefaultDatabase)),
                         reference.table};
  const TableInfo* found = nullptr;
  size_t alike = 0;
  for (const TableInfo& table : tables) {
    if (table.name == wanted) {
      found = &table;
      alike = 1;
      break;
    }
    if (folded_name(table.name) == folded_name(wanted)) {
      found = &table;
      ++alike;
    }
  }
  if (found == nullptr) {
    return make_error(Code::kNotFound, "Catalog Error: Table {}.{} does not exist: {}",
                      sql_name(wanted.database), sql_name(wanted.measurement),
                      hint(wanted, tables));
  }
  if (alike > 1) {
    return make_error(Code::kInvalid,
                      "{} tables are called {}.{} but for upper and lower case; "
                      "spell it as the one you mean",
                      alike, sql_name(wanted.database), sql_name(wanted.measurement));
  }
  if (is_reserved(found->name.database)) {
    return make_error(Code::kInvalid,
                      "SQL keeps the database name {} for itself: read the topic {}",
                      sql_name(found->name.database), tables::topic_name_of(found->name));
  }
  return *found;
}

}  // namespace millrace::query
