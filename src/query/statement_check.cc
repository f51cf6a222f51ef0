#include "query/statement_check.h"

#include "query/names.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <utility>

namespace millrace::query {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kWhatRuns =
    "only SELECT, EXPLAIN, SHOW, DESCRIBE and SUMMARIZE run here, one statement at a time; "
    "a table is deleted with its topic: millrace topic delete DATABASE.TABLE";

// Sorted, for binary_search. Everything below is lower case: names are folded before.
constexpr std::array<std::string_view, 8> kTableFunctions = {
    "generate_series", "json_each",  "json_tree", "range",
    "repeat",          "repeat_row", "topic",     "unnest"};

constexpr std::array<std::string_view, 31> kRefusedFunctions = {
    "add_parquet_key",  // none of these is of use to a reader, and each reaches beyond the rows:
    "checkpoint",       // settings, variables, the log, threads that sleep, SQL within SQL, or
    "create_sort_key",  // DuckDB's insides, which trust their arguments
    "current_setting",
    "currval",
    "finalize",
    "get_block_size",
    "getenv",
    "getvariable",
    "icu_sort_key",
    "in_search_path",
    "json_deserialize_sql",
    "json_execute_serialized_sql",
    "json_serialize_plan",
    "json_serialize_sql",
    "nextval",
    "parse_duckdb_log_message",
    "pg_get_constraintdef",
    "pg_get_expr",
    "pg_get_viewdef",
    "pg_sleep",
    "query",
    "query_table",
    "remap_struct",
    "set_config",
    "sleep_ms",
    "stats",
    "timetz_byte_comparable",
    "variant_normalize",
    "vector_type",
    "write_log"};

constexpr std::array<std::string_view, 8> kTableRefs = {
    "BASE_TABLE", "COLUMN_DATA", "EMPTY",    "EXPRESSION_LIST",
    "JOIN",       "PIVOT",       "SUBQUERY", "TABLE_FUNCTION"};  // and SHOW_REF

constexpr std::array<std::string_view, 18> kExpressions = {
    "BETWEEN",    "CASE",        "CAST",     "COLLATE",   "COLUMN_REF",
    "COMPARISON", "CONJUNCTION", "CONSTANT", "DEFAULT",   "FUNCTION",
    "LAMBDA",     "LAMBDA_REF",  "OPERATOR", "PARAMETER", "POSITIONAL_REFERENCE",
    "STAR",       "SUBQUERY",    "WINDOW"};

constexpr std::array<std::string_view, 3> kInformation = {"columns", "schemata", "tables"};

constexpr std::array<std::string_view, 4> kLists = {"\"databases\"", "\"tables\"",
                                                    "__show_tables_expanded", "tables"};

template <size_t kSize>
bool is_in(const std::array<std::string_view, kSize>& sorted, std::string_view name) {
  static_assert(kSize > 0);
  return std::ranges::binary_search(sorted, name);
}

std::string text_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

/// As a function of one value it makes a list in memory that DuckDB neither counts nor stops at:
/// range(1000000000) takes 64 GB while the statement is bound. In FROM it streams.
Status check_list_size(const Json& node, const std::string& name) {
  constexpr int64_t kMost = 1'000'000;
  for (const Json& argument : node.value("children", Json::array())) {
    const Json value = argument.value("value", Json::object());
    const auto number = value.find("value");
    if (text_of(argument, "class") != "CONSTANT" || number == value.end() ||
        !number->is_number_integer() || number->get<int64_t>() > kMost) {
      return make_error(Code::kForbidden,
                        "{}() of anything but numbers up to {} runs in FROM alone, as in SELECT "
                        "{} FROM {}(...)",
                        name, kMost, name, name);
    }
  }
  return {};
}

/// Common table expressions that may be named, by folded name.
struct Scope {
  std::vector<std::string> names;
  std::vector<std::string> recursive;
};

class Walk {
 public:
  Status statement(const Json& node) { return visit(node, Scope()); }

  StatementFacts take() && { return std::move(facts_); }

 private:
  Status visit(const Json& node, const Scope& scope);
  Status object(const Json& node, const Scope& scope);
  Status members(const Json& node, const Scope& scope, std::string_view but = {});
  Status query_node(const Json& node, const Scope& scope);
  Status table_ref(const Json& node, const std::string& type, const Scope& scope);
  Status base_table(const Json& node, const Scope& scope);
  Status show(const Json& node);
  static Status table_function(const Json& node);
  static Status expression(const Json& node, const std::string& kind);

  StatementFacts facts_;
};

Status Walk::visit(const Json& node, const Scope& scope) {
  if (node.is_array()) {
    for (const Json& item : node) {
      MILLRACE_TRY_STATUS(visit(item, scope));
    }
    return {};
  }
  return node.is_object() ? object(node, scope) : Status();
}

Status Walk::object(const Json& node, const Scope& scope) {
  const std::string type = text_of(node, "type");
  if (node.contains("cte_map") || type.ends_with("_NODE")) {
    return query_node(node, scope);
  }
  if (node.contains("class")) {
    MILLRACE_TRY_STATUS(expression(node, text_of(node, "class")));
    return members(node, scope);
  }
  if (node.contains("sample") && node.contains("alias")) {
    MILLRACE_TRY_STATUS(table_ref(node, type, scope));
    const auto function = node.find("function");
    if (type == "TABLE_FUNCTION" && function != node.end()) {
      MILLRACE_TRY_STATUS(members(*function, scope));
    }
    return members(node, scope, "function");
  }
  return members(node, scope);
}

Status Walk::members(const Json& node, const Scope& scope, std::string_view but) {
  for (const auto& [key, value] : node.items()) {
    if (key != but) {
      MILLRACE_TRY_STATUS(visit(value, scope));
    }
  }
  return {};
}

Status Walk::query_node(const Json& node, const Scope& scope) {
  const std::string type = text_of(node, "type");
  const bool is_recursive = type == "RECURSIVE_CTE_NODE";
  if (!is_recursive && type != "SELECT_NODE" && type != "SET_OPERATION_NODE") {
    return make_error(Code::kForbidden, "a query of the form {} is not known here", type);
  }
  Scope inner = scope;
  const auto ctes = node.find("cte_map");
  if (ctes != node.end() && ctes->contains("map")) {
    for (const Json& cte : (*ctes)["map"]) {
      const std::string name = fold(text_of(cte, "key"));
      // Were a reference ever out of the scope seen here, DuckDB could take it for a file.
      if (name.find_first_of("./\\:*?[") != std::string::npos) {
        return make_error(Code::kForbidden, "a WITH name must not look like a file's: {}", name);
      }
      // Its own name is not in scope within, unless it is recursive: see below.
      MILLRACE_TRY_STATUS(visit(cte, inner));
      inner.names.push_back(name);
    }
  }
  if (!is_recursive) {
    return members(node, inner, "cte_map");
  }
  MILLRACE_TRY_STATUS(visit(node.value("left", Json()), inner));
  inner.names.push_back(fold(text_of(node, "cte_name")));
  inner.recursive.push_back(inner.names.back());
  for (const auto& [key, value] : node.items()) {
    if (key != "left" && key != "cte_map") {
      MILLRACE_TRY_STATUS(visit(value, inner));
    }
  }
  return {};
}

Status Walk::table_ref(const Json& node, const std::string& type, const Scope& scope) {
  if (type == "BASE_TABLE") {
    return base_table(node, scope);
  }
  if (type == "SHOW_REF") {
    return show(node);
  }
  if (type == "TABLE_FUNCTION") {
    return table_function(node);
  }
  if (!is_in(kTableRefs, type)) {
    return make_error(Code::kForbidden, "{} in FROM is not known here", type);
  }
  return {};
}

Status Walk::base_table(const Json& node, const Scope& scope) {
  const std::string table = text_of(node, "table_name");
  const std::string schema = text_of(node, "schema_name");
  const std::string catalog = text_of(node, "catalog_name");
  if (const auto at = node.find("at_clause"); at != node.end() && !at->is_null()) {
    return make_error(Code::kForbidden, "AT is not supported: tables are read as they are now");
  }
  if (!catalog.empty() && fold(catalog) != "memory") {
    return make_error(Code::kInvalid,
                      "no table {}.{}.{}: a table is called measurement or database.measurement",
                      catalog, schema, table);
  }
  const auto is_named = [](const std::vector<std::string>& names, std::string_view name) {
    return std::ranges::find(names, fold(name)) != names.end();
  };
  if (catalog.empty() && schema.empty() && is_named(scope.names, table)) {
    return {};
  }
  if (catalog.empty() && fold(schema) == "recurring" && is_named(scope.recursive, table)) {
    return {};
  }
  if (fold(schema) == "information_schema" && is_in(kInformation, fold(table))) {
    facts_.lists_tables = true;
    return {};
  }
  TableReference reference{.table = table};
  if (!schema.empty()) {
    reference.database = schema;
  }
  facts_.tables.push_back(std::move(reference));
  return {};
}

Status Walk::show(const Json& node) {
  const auto query = node.find("query");
  if (query != node.end() && !query->is_null()) {
    return {};  // DESCRIBE or SUMMARIZE of what is visited as a part of this
  }
  const std::string name = fold(text_of(node, "table_name"));
  if (text_of(node, "show_type") == "SHOW_FROM" || is_in(kLists, name)) {
    facts_.lists_tables = true;
    return {};
  }
  return make_error(Code::kForbidden, "SHOW {} is refused; SHOW TABLES, SHOW ALL TABLES run here",
                    name);
}

Status Walk::table_function(const Json& node) {
  const auto function = node.find("function");
  const std::string name =
      function == node.end() ? std::string() : fold(text_of(*function, "function_name"));
  if (!is_in(kTableFunctions, name)) {
    return make_error(Code::kForbidden,
                      "table function {}() is refused; topic(), range(), generate_series(), "
                      "unnest(), repeat(), json_each() and json_tree() run here",
                      name);
  }
  return {};
}

Status Walk::expression(const Json& node, const std::string& kind) {
  if (!is_in(kExpressions, kind)) {
    return make_error(Code::kForbidden, "an expression of the form {} is not known here", kind);
  }
  const std::string name = fold(text_of(node, "function_name"));
  if (is_in(kRefusedFunctions, name) || name.starts_with("__internal")) {
    return make_error(Code::kForbidden, "function {}() is refused", name);
  }
  if (name == "range" || name == "generate_series") {
    MILLRACE_TRY_STATUS(check_list_size(node, name));
  }
  if (kind == "FUNCTION" && name.empty()) {
    return make_error(Code::kForbidden, "a function without a name is not known here");
  }
  return {};
}

Error error_of_tree(const Json& tree) {
  const std::string message = text_of(tree, "error_message");
  if (message.starts_with("Only SELECT statements can be serialized")) {
    return make_error(Code::kForbidden, "{}", kWhatRuns);
  }
  return make_error(Code::kInvalid, "{}", message);
}

/// Past spaces and comments; SQL's comments nest.
std::string_view skip_blanks(std::string_view sql) {
  while (!sql.empty()) {
    if (sql[0] == ' ' || (sql[0] >= '\t' && sql[0] <= '\r')) {
      sql.remove_prefix(1);
    } else if (sql.starts_with("--")) {
      sql.remove_prefix(std::min(sql.find('\n'), sql.size()));
    } else if (sql.starts_with("/*")) {
      size_t depth = 1;
      sql.remove_prefix(2);
      while (!sql.empty() && depth > 0) {
        const bool opens = sql.starts_with("/*");
        const bool closes = sql.starts_with("*/");
        depth = depth + (opens ? 1 : 0) - (closes ? 1 : 0);
        sql.remove_prefix(opens || closes ? 2 : 1);
      }
    } else {
      break;
    }
  }
  return sql;
}

/// After `word`, in any case, which ends there; nullopt when something else stands in front.
std::optional<std::string_view> after_word(std::string_view sql, std::string_view word) {
  sql = skip_blanks(sql);
  if (sql.size() < word.size() || fold(sql.substr(0, word.size())) != word) {
    return std::nullopt;
  }
  sql.remove_prefix(word.size());
  const auto is_part = [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= 'a' && byte <= 'z') || byte == '_' || byte == '$' || byte >= 0x80;
  };
  if (!sql.empty() && is_part(sql[0])) {
    return std::nullopt;
  }
  return sql;
}

}  // namespace

Result<StatementFacts> check_statement(std::string_view tree) {
  const Json json = Json::parse(tree, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) {
    return make_error(Code::kInternal, "the statement's tree is no JSON object");
  }
  const auto error = json.find("error");
  if (error == json.end() || !error->is_boolean()) {
    return make_error(Code::kInternal, "the statement's tree does not say whether it is one");
  }
  if (error->get<bool>()) {
    return error_of_tree(json);
  }
  const auto statements = json.find("statements");
  if (statements == json.end() || !statements->is_array()) {
    return make_error(Code::kInternal, "the statement's tree has no statements");
  }
  if (statements->empty()) {
    return make_error(Code::kInvalid, "there is no statement in it");
  }
  if (statements->size() != 1) {
    return make_error(Code::kForbidden, "{}", kWhatRuns);
  }
  Walk walk;
  MILLRACE_TRY_STATUS(walk.statement((*statements)[0]));
  return std::move(walk).take();
}

std::optional<std::string_view> explained(std::string_view sql) {
  const auto rest = after_word(sql, "explain");
  if (!rest) {
    return std::nullopt;
  }
  return after_word(*rest, "analyze").value_or(*rest);
}

}  // namespace millrace::query
