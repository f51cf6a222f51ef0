#include "cli/arguments.h"
#include "cli/display_width.h"
#include "cli/help.h"
#include "cli/server_api.h"
#include "cli/text_table.h"
#include "cli/verbs.h"

#include <nlohmann/json.hpp>

#include <unistd.h>

#include <CLI/App.hpp>
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <iterator>
#include <memory>

namespace millrace::cli {
namespace {

using nlohmann::json;

struct SqlArguments {
  std::string server;
  std::string statement;
  bool as_json = false;
};

bool is_number_type(std::string_view type) {
  static constexpr std::array<std::string_view, 13> kNumbers = {
      "TINYINT",  "SMALLINT", "INTEGER",  "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT",
      "UINTEGER", "UBIGINT",  "UHUGEINT", "FLOAT",  "DOUBLE",  "BIGNUM"};
  return type.starts_with("DECIMAL(") ? type.ends_with(')')
                                      : std::ranges::find(kNumbers, type) != kNumbers.end();
}

/// A time without its last digits would be another time.
bool is_time_type(std::string_view type) {
  return (type.starts_with("TIMESTAMP") || type.starts_with("DATE") || type.starts_with("TIME")) &&
         !type.ends_with(']');
}

std::string cell_of(const json& value) {
  if (value.is_null()) {
    return "NULL";
  }
  return value.is_string() ? value.get<std::string>() : value.dump();
}

/// Of a BLOB, which comes in base64: its text if it is UTF-8, otherwise with \xff for each byte
/// that is no ASCII to print.
std::string blob_cell_of(const std::string& base64) {
  const auto bytes = from_base64(base64);
  if (!bytes) {
    return base64;
  }
  if (is_utf8(*bytes)) {
    return *bytes;  // the table escapes control characters
  }
  std::string text;
  for (const char c : *bytes) {
    text += c >= ' ' && c <= '~' ? std::string(1, c)
                                 : fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  }
  return text;
}

Result<TextTable> table_of(const std::string& answer) {
  const json document = json::parse(answer, nullptr, /*allow_exceptions=*/false);
  if (!document.is_object() || !document.contains("columns") || !document.contains("rows")) {
    return make_error(Code::kCorrupt, "the server's answer is no result of SQL: {}",
                      answer.substr(0, 80));
  }
  std::vector<TableColumn> columns;
  std::vector<bool> are_blobs;
  for (const json& column : document["columns"]) {
    const auto type = column.at("type").get<std::string>();
    const bool is_number = is_number_type(type);
    are_blobs.push_back(type == "BLOB");
    columns.push_back({.name = column.at("name").get<std::string>(),
                       .is_right = is_number,
                       .may_cut = !is_number && !is_time_type(type)});
  }
  TextTable table(std::move(columns), TableLines::kRuled);
  std::vector<std::string> cells;
  for (const json& row : document["rows"]) {
    cells.clear();
    for (const json& value : row) {
      const bool is_blob = cells.size() < are_blobs.size() && are_blobs[cells.size()];
      cells.push_back(is_blob && value.is_string() ? blob_cell_of(value.get<std::string>())
                                                   : cell_of(value));
    }
    table.add(cells);
  }
  return table;
}

Result<std::string> statement_of(const SqlArguments& arguments) {
  std::string statement = arguments.statement;
  if (statement == "-") {
    statement.assign(std::istreambuf_iterator<char>(std::cin), {});
  }
  if (statement.find_first_not_of(" \t\r\n") == std::string::npos) {
    return make_error(Code::kInvalid, "no SQL statement; see: millrace sql --help");
  }
  return statement;
}

Status run_sql(const SqlArguments& arguments) {
  MILLRACE_TRY(const auto statement, statement_of(arguments));
  MILLRACE_TRY(auto api, ServerApi::open(arguments.server));
  const json body{{"sql", statement}};
  const auto begun = std::chrono::steady_clock::now();
  MILLRACE_TRY(
      const auto answer,
      api.post("/api/v1/query", body.dump(-1, ' ', false, json::error_handler_t::replace)));
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begun;
  if (arguments.as_json) {
    std::printf("%s\n", answer.c_str());
    return {};
  }
  MILLRACE_TRY(const auto table, table_of(answer));
  const std::string text = table.format(terminal_width(STDOUT_FILENO));
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
  std::fprintf(stderr, "(%zu %s, %.0f ms)\n", table.rows(), table.rows() == 1 ? "row" : "rows",
               took.count());
  return {};
}

}  // namespace

void add_sql(CLI::App& app, int& exit_code) {
  CLI::App* verb = app.add_subcommand("sql", "ask tables and topics by SQL");
  const auto arguments = std::make_shared<SqlArguments>();
  add_http_flag(*verb, arguments->server);
  verb->add_option("statement", arguments->statement,
                   "one SELECT, EXPLAIN, SHOW or DESCRIBE; - is standard input")
      ->required()
      ->type_name("SQL");
  verb->add_flag("--json", arguments->as_json, "the server's answer as it is");
  set_help(
      *verb,
      "On a terminal long text is cut to its width; elsewhere nothing is. Bytes (BLOB) are "
      "shown as text, or with \\xff for what is none; --json has them in base64. The number of "
      "rows is on standard error.",
      {"millrace sql 'SHOW ALL TABLES'", "millrace sql \"SELECT key, value FROM topic('orders')\"",
       "millrace sql 'SELECT host, avg(load) FROM cpu GROUP BY host ORDER BY 2 DESC LIMIT 10'",
       "echo 'SELECT count(*) FROM cpu' > report.sql", "millrace sql - --json < report.sql"});
  verb->callback([arguments, &exit_code] {
    const Status done = run_sql(*arguments);
    exit_code =
        done.ok() ? static_cast<int>(kOk) : report(done.error(), {.as_json = arguments->as_json});
  });
}

}  // namespace millrace::cli
