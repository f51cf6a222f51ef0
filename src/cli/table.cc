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
#include <cstdio>
#include <memory>

namespace millrace::cli {
namespace {

using nlohmann::json;

struct TableArguments {
  std::string server;
  std::vector<std::string> name;
  bool flush_all = false;
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

std::string dumped(const json& document) {
  return document.dump(-1, ' ', false, json::error_handler_t::replace);
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
  const auto whole = [](const char* name) { return TableColumn{name, false, false}; };
  TextTable rows({whole("DATABASE"),
                  whole("MEASUREMENT"),
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

std::string path_of(const tables::TableName& name) {
  return "/api/v1/tables/" + tables::encode_name(name.database) + "/" +
         tables::encode_name(name.measurement);
}

Status describe(ServerApi& api, const TableArguments& arguments) {
  MILLRACE_TRY(const auto name, parse_table(arguments.name));
  MILLRACE_TRY(const auto answer, api.get(path_of(name)));
  if (arguments.as_json) {
    std::printf("%s\n", answer.c_str());
    return {};
  }
  MILLRACE_TRY(const auto table, document_of(answer));
  std::printf("table   %s, topic %s\n", full_name(table).c_str(), text(table, "topic").c_str());
  std::printf("rows    %llu in memory (%.1f MB), %llu in %s (%.1f MB)\n", number(table, "hot_rows"),
              megabytes(table, "hot_bytes"), number(table, "file_rows"),
              count_of(number(table, "files"), "file").c_str(), megabytes(table, "file_bytes"));
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

/// The server's answer, which says how the table stands afterwards.
Result<json> flush_one(ServerApi& api, const tables::TableName& name, bool is_silent) {
  MILLRACE_TRY(const auto described, api.get(path_of(name)));
  MILLRACE_TRY(const auto before, document_of(described));
  MILLRACE_TRY(const auto answer, api.post(path_of(name) + "/flush", {}));
  MILLRACE_TRY(auto after, document_of(answer));
  if (is_silent) {
    return after;
  }
  const uint64_t old_rows = number(before, "file_rows");
  const uint64_t rows = std::max<uint64_t>(number(after, "file_rows"), old_rows) - old_rows;
  const std::string what = number(before, "hot_rows") == 0 && rows == 0
                               ? "nothing to flush of " + full_name(after)
                               : "flushed " + count_of(rows, "row") + " of " + full_name(after);
  const std::string since = number(after, "hot_rows") == 0
                                ? ""
                                : ", " + count_of(number(after, "hot_rows"), "row") + " came since";
  std::printf("%s: it has %s in %s (%.1f MB)%s\n", what.c_str(),
              count_of(number(after, "file_rows"), "row").c_str(),
              count_of(number(after, "files"), "file").c_str(), megabytes(after, "file_bytes"),
              since.c_str());
  return after;
}

Result<std::vector<tables::TableName>> all_tables(ServerApi& api) {
  MILLRACE_TRY(const auto answer, api.get("/api/v1/tables"));
  MILLRACE_TRY(const auto document, document_of(answer));
  std::vector<tables::TableName> names;
  for (const json& table : document.value("tables", json::array())) {
    names.push_back(
        {.database = text(table, "database"), .measurement = text(table, "measurement")});
  }
  return names;
}

Status flush(ServerApi& api, const TableArguments& arguments) {
  if (arguments.flush_all != arguments.name.empty()) {
    return make_error(Code::kInvalid, "say one table or --all; see: millrace table flush --help");
  }
  if (!arguments.flush_all) {
    MILLRACE_TRY(const auto name, parse_table(arguments.name));
    MILLRACE_TRY(const json after, flush_one(api, name, arguments.as_json));
    if (arguments.as_json) {
      std::printf("%s\n", dumped(after).c_str());
    }
    return {};
  }
  MILLRACE_TRY(const auto names, all_tables(api));
  json all = json::array();
  for (const tables::TableName& name : names) {
    auto after = flush_one(api, name, arguments.as_json);
    if (after.ok()) {
      all.push_back(*std::move(after));
    } else if (after.error().code != Code::kNotFound) {  // dropped meanwhile
      return std::move(after).error();
    }
  }
  if (arguments.as_json) {
    std::printf("%s\n", dumped({{"tables", std::move(all)}}).c_str());
  } else if (all.empty()) {
    std::printf("no tables\n");
  }
  return {};
}

/// `arguments`: of this verb alone, as in topic.cc.
CLI::App* add(CLI::App& table, const char* name, const char* help, bool has_name,
              const Arguments& arguments, Action action, int& exit_code) {
  CLI::App* verb = table.add_subcommand(name, help);
  add_http_flag(*verb, arguments->server);
  verb->add_flag("--json", arguments->as_json, "the server's answer as it is");
  if (has_name) {
    verb->add_option("name", arguments->name,
                     "DATABASE.MEASUREMENT, MEASUREMENT of the database main, or both apart: "
                     "DATABASE MEASUREMENT")
        ->required(action != flush)
        ->type_name("NAME")
        ->expected(1, 2);
  }
  verb->callback([arguments, action, &exit_code] {
    auto api = ServerApi::open(arguments->server);
    const Status done = api.ok() ? action(*api, *arguments) : Status(api.error());
    exit_code =
        done.ok() ? static_cast<int>(kOk) : report(done.error(), {.as_json = arguments->as_json});
  });
  return verb;
}

}  // namespace

void add_table(CLI::App& app, int& exit_code) {
  CLI::App* table = app.add_subcommand("table", "list, describe and flush tables");
  table->require_subcommand(1);
  auto arguments = std::make_shared<TableArguments>();
  CLI::App* verb = add(*table, "list", "all tables", false, arguments, list, exit_code);
  set_help(*verb, "The first write of rows makes a table.",
           {"curl -sS --data-binary 'cpu,host=b load=0.7' http://127.0.0.1:8086/write",
            "millrace table list", "millrace table list --json"});
  arguments = std::make_shared<TableArguments>();
  verb = add(*table, "describe", "a table's columns, rows and files", true, arguments, describe,
             exit_code);
  set_help(*verb, "", {"millrace table describe cpu", "millrace table describe main cpu --json"});
  arguments = std::make_shared<TableArguments>();
  verb = add(*table, "flush", "write a table's rows in memory into Parquet files, now", true,
             arguments, flush, exit_code);
  verb->add_flag("--all", arguments->flush_all, "all tables, one after the other");
  set_help(*verb, "",
           {"millrace table flush cpu", "millrace table flush main.cpu --json",
            "millrace table flush --all"});
  set_help(*table, "", {"millrace table list", "millrace table describe main.cpu"});
}

}  // namespace millrace::cli
