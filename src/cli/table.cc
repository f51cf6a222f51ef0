#include "cli/arguments.h"
#include "cli/display_width.h"
#include "cli/server_api.h"
#include "cli/text_table.h"
#include "cli/verbs.h"

#include <nlohmann/json.hpp>

#include <unistd.h>

#include <CLI/App.hpp>
#include <cstdio>
#include <memory>

namespace millrace::cli {
namespace {

using nlohmann::json;

struct TableArguments {
  std::string server;
  std::vector<std::string> name;
  bool as_json = false;
};

using Arguments = std::shared_ptr<TableArguments>;
using Action = Status (*)(ServerApi&, const TableArguments&);

Result<json> document_of(const std::string& answer) {
  json document = json::parse(answer, nullptr, /*allow_exceptions=*/false);
  if (!document.is_object()) {
    return make_error(Code::kCorrupt, "the server's answer is no JSON object: {}",
                      answer.substr(0, 80));
  }
  return document;
}

unsigned long long number(const json& table, const char* key) {
  return table.value(key, uint64_t{0});
}

std::string text(const json& table, const char* key) {
  return table.value(key, std::string());
}

double megabytes(const json& table, const char* key) {
  return static_cast<double>(number(table, key)) / 1e6;
}

std::string state_of(const json& table) {
  if (table.contains("damage") && table["damage"].is_string()) {
    return "damaged";
  }
  return table.value("is_rebuilt", true) ? "ready" : "being rebuilt";
}

std::string full_name(const json& table) {
  return text(table, "database") + "." + text(table, "measurement");
}

void print(const TextTable& table) {
  const std::string out = table.format(terminal_width(STDOUT_FILENO));
  std::fwrite(out.data(), 1, out.size(), stdout);
}

Status list(ServerApi& api, const TableArguments& arguments) {
  MILLRACE_TRY(const auto answer, api.get("/api/v1/tables"));
  if (arguments.as_json) {
    std::printf("%s\n", answer.c_str());
    return {};
  }
  MILLRACE_TRY(const auto document, document_of(answer));
  const json tables = document.value("tables", json::array());
  if (tables.empty()) {
    std::printf("no tables; the first write makes one: POST /api/v1/write/msgpack or /write\n");
    return {};
  }
  const auto right = [](const char* name) { return TableColumn{name, true, false}; };
  TextTable rows({{"DATABASE"},
                  {"MEASUREMENT"},
                  right("ROWS IN MEMORY"),
                  right("ROWS IN FILES"),
                  right("FILES"),
                  right("MB IN FILES"),
                  {"STATE"}},
                 TableLines::kNone);
  for (const json& table : tables) {
    rows.add({text(table, "database"), text(table, "measurement"),
              fmt::format("{}", number(table, "hot_rows")),
              fmt::format("{}", number(table, "file_rows")),
              fmt::format("{}", number(table, "files")),
              fmt::format("{:.1f}", megabytes(table, "file_bytes")), state_of(table)});
  }
  print(rows);
  return {};
}

Result<std::string> path_of(const TableArguments& arguments) {
  MILLRACE_TRY(const auto name, parse_table(arguments.name));
  return "/api/v1/tables/" + tables::encode_name(name.database) + "/" +
         tables::encode_name(name.measurement);
}

Status describe(ServerApi& api, const TableArguments& arguments) {
  MILLRACE_TRY(const auto path, path_of(arguments));
  MILLRACE_TRY(const auto answer, api.get(path));
  if (arguments.as_json) {
    std::printf("%s\n", answer.c_str());
    return {};
  }
  MILLRACE_TRY(const auto table, document_of(answer));
  std::printf("table   %s, topic %s\n", full_name(table).c_str(), text(table, "topic").c_str());
  std::printf("rows    %llu in memory (%.1f MB), %llu in %llu files (%.1f MB)\n",
              number(table, "hot_rows"), megabytes(table, "hot_bytes"), number(table, "file_rows"),
              number(table, "files"), megabytes(table, "file_bytes"));
  std::printf("offset  %llu is the next, files hold what is below %llu\n",
              number(table, "next_offset"), number(table, "table_offset"));
  std::printf("state   %s\n", state_of(table).c_str());
  if (table.contains("damage") && table["damage"].is_string()) {
    std::printf("damage  %s\n", text(table, "damage").c_str());
  }
  std::printf("schema  version %llu\n\n", number(table, "schema_version"));
  TextTable columns({{"COLUMN"}, {"TYPE"}, {"TAG"}}, TableLines::kNone);
  for (const json& column : table.value("columns", json::array())) {
    columns.add(
        {text(column, "name"), text(column, "type"), column.value("is_tag", false) ? "tag" : ""});
  }
  print(columns);
  return {};
}

Status flush(ServerApi& api, const TableArguments& arguments) {
  MILLRACE_TRY(const auto path, path_of(arguments));
  MILLRACE_TRY(const auto answer, api.post(path + "/flush", {}));
  if (arguments.as_json) {
    std::printf("%s\n", answer.c_str());
    return {};
  }
  MILLRACE_TRY(const auto table, document_of(answer));
  std::printf("flushed %s: %llu rows in %llu files (%.1f MB), %llu rows came since\n",
              full_name(table).c_str(), number(table, "file_rows"), number(table, "files"),
              megabytes(table, "file_bytes"), number(table, "hot_rows"));
  return {};
}

CLI::App* add(CLI::App& table, const char* name, const char* help, bool has_name,
              const Arguments& arguments, Action action, int& exit_code) {
  CLI::App* verb = table.add_subcommand(name, help);
  add_http_flag(*verb, arguments->server);
  verb->add_flag("--json", arguments->as_json, "the server's answer as it is");
  if (has_name) {
    verb->add_option("name", arguments->name,
                     "DATABASE.MEASUREMENT, MEASUREMENT of the database main, or both apart: "
                     "DATABASE MEASUREMENT")
        ->required()
        ->expected(1, 2);
  }
  verb->callback([arguments, action, &exit_code] {
    auto api = ServerApi::open(arguments->server);
    const Status done = api.ok() ? action(*api, *arguments) : Status(api.error());
    exit_code = done.ok() ? static_cast<int>(kOk) : report(done.error());
  });
  return verb;
}

}  // namespace

void add_table(CLI::App& app, int& exit_code) {
  CLI::App* table = app.add_subcommand("table", "list, describe and flush tables");
  table->require_subcommand(1);
  const auto arguments = std::make_shared<TableArguments>();
  add(*table, "list", "all tables", false, arguments, list, exit_code);
  add(*table, "describe", "a table's columns, rows and files", true, arguments, describe,
      exit_code);
  add(*table, "flush", "write a table's rows in memory into Parquet files, now", true, arguments,
      flush, exit_code);
  table->footer(
      fmt::format("Examples:\n  millrace table list\n"
                  "  millrace table describe telemetry.cpu\n"
                  "  millrace table flush telemetry cpu.load --json\n\n{}",
                  kExitCodes));
}

}  // namespace millrace::cli
