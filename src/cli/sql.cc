#include "cli/display_width.h"
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

Result<TextTable> table_of(const std::string& answer) {
  const json document = json::parse(answer, nullptr, /*allow_exceptions=*/false);
  if (!document.is_object() || !document.contains("columns") || !document.contains("rows")) {
    return make_error(Code::kCorrupt, "the server's answer is no result of SQL: {}",
                      answer.substr(0, 80));
  }
  std::vector<TableColumn> columns;
  for (const json& column : document["columns"]) {
    const auto type = column.at("type").get<std::string>();
    const bool is_number = is_number_type(type);
    columns.push_back({.name = column.at("name").get<std::string>(),
                       .is_right = is_number,
                       .may_cut = !is_number && !is_time_type(type)});
  }
  TextTable table(std::move(columns), TableLines::kRuled);
  std::vector<std::string> cells;
  for (const json& row : document["rows"]) {
    cells.clear();
    for (const json& value : row) {
      cells.push_back(cell_of(value));
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
      ->required();
  verb->add_flag("--json", arguments->as_json, "the server's answer as it is");
  verb->footer(fmt::format(
      "On a terminal long text is cut to its width; elsewhere nothing is. The number of rows is on "
      "standard error.\n\nExamples:\n"
      "  millrace sql 'SHOW ALL TABLES'\n"
      "  millrace sql 'SELECT host, avg(usage) FROM cpu GROUP BY host ORDER BY 2 DESC LIMIT 10'\n"
      "  millrace sql - --json < report.sql\n\n{}",
      kExitCodes));
  verb->callback([arguments, &exit_code] {
    const Status done = run_sql(*arguments);
    exit_code = done.ok() ? static_cast<int>(kOk) : report(done.error());
  });
}

}  // namespace millrace::cli
