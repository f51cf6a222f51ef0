#include "cli/bench_ingest.h"

#include "cli/bench.h"
#include "cli/help.h"
#include "cli/interrupt.h"
#include "cli/server_api.h"
#include "cli/server_metrics.h"
#include "cli/verbs.h"
#include "tables/table_name.h"

#include <nlohmann/json.hpp>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <memory>

namespace millrace::cli {
namespace {

using nlohmann::json;

int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

struct Found {
  uint64_t rows = 0;
  int64_t usage_64ths = 0;
  int64_t last_ms = 0;  // the latest row's time
};

std::string sql_name(std::string_view name) {
  std::string out = "\"";
  for (const char c : name) {
    out.append(c == '"' ? 2 : 1, c);
  }
  return out + '"';
}

/// A number of the answer; large ones are text there.
double number_of(const json& value) {
  return value.is_string() ? std::strtod(value.get<std::string>().c_str(), nullptr)
                           : value.get<double>();
}

/// What SQL says of one measurement; nothing of one that is not there.
Result<Found> look(ServerApi& api, const std::string& database, size_t measurement) {
  const std::string name = measurement_name(measurement);
  const auto table = api.get(fmt::format("/api/v1/tables/{}/{}", tables::encode_name(database),
                                         tables::encode_name(name)));
  if (!table.ok()) {
    return table.error().code == Code::kNotFound ? Result<Found>(Found{})
                                                 : Result<Found>(table.error());
  }
  const json body{
      {"sql", fmt::format("SELECT count(*), coalesce(sum(usage), 0), coalesce(epoch_ms(max(time)), "
                          "0) FROM {}.{}",
                          sql_name(database), sql_name(name))}};
  MILLRACE_TRY(const auto answer, api.post("/api/v1/query", body.dump()));
  const json document = json::parse(answer, nullptr, /*allow_exceptions=*/false);
  if (!document.is_object() || !document.contains("rows") || document["rows"].size() != 1) {
    return make_error(Code::kCorrupt, "the server's answer is no count: {}", answer.substr(0, 200));
  }
  const json& row = document["rows"][0];
  return Found{.rows = static_cast<uint64_t>(number_of(row.at(0))),
               .usage_64ths = std::llround(number_of(row.at(1)) * 64),
               .last_ms = static_cast<int64_t>(number_of(row.at(2)))};
}

Result<std::vector<Found>> look_at_all(ServerApi& api, const IngestArguments& arguments) {
  std::vector<Found> found;
  for (int i = 0; i < arguments.measurements; ++i) {
    MILLRACE_TRY(const auto one, look(api, arguments.database, static_cast<size_t>(i)));
    found.push_back(one);
  }
  return found;
}

Result<ServerMetrics> read_metrics(ServerApi& api) {
  MILLRACE_TRY(auto text, api.get("/metrics"));
  return ServerMetrics(std::move(text));
}

std::optional<double> grown(const ServerMetrics& before, const ServerMetrics& after,
                            std::string_view name) {
  const auto first = before.sum(name);
  const auto last = after.sum(name);
  return first && last ? std::optional(*last - *first) : std::nullopt;
}

IngestServer compare(const ServerMetrics& before, const Result<ServerMetrics>& after) {
  IngestServer server{.rss_before_mb = before.rss_mb()};
  if (after.ok()) {
    server.rss_mb = after->rss_mb();
    server.flushes = grown(before, *after, "millrace_table_flushes_total");
    server.flushed_rows = grown(before, *after, "millrace_table_flushed_rows_total");
    server.journal_files_freed = grown(before, *after, "millrace_journal_files_freed_total");
  }
  return server;
}

/// A database with rows in it has them left out of the count, and new ones come after them.
Status bench_ingest(IngestArguments arguments) {
  const Interrupt interrupt;
  arguments.stop = &interrupt.stop();
  MILLRACE_TRY(auto api, ServerApi::open(arguments.server));
  MILLRACE_TRY(const auto before, read_metrics(api));
  std::vector<Found> there(static_cast<size_t>(arguments.measurements));
  if (arguments.database.empty()) {
    arguments.database = fmt::format("bench-{}", now_ms());
  } else {
    MILLRACE_TRY(there, look_at_all(api, arguments));
  }
  int64_t first_ms = now_ms();
  for (const Found& one : there) {
    first_ms = std::max(first_ms, one.last_ms + 1);
  }
  Result<ServerMetrics> after = ServerMetrics({});
  MILLRACE_TRY(const auto outcome,
               put_load(arguments, first_ms, [&] { after = read_metrics(api); }));
  MILLRACE_TRY(const auto found, look_at_all(api, arguments));
  std::vector<IngestLanded> landed;
  landed.reserve(found.size());
  for (size_t i = 0; i < found.size(); ++i) {
    landed.push_back({.rows = found[i].rows - there[i].rows,
                      .usage_64ths = found[i].usage_64ths - there[i].usage_64ths});
  }
  const IngestServer server = compare(before, after);
  const std::string report = arguments.as_json
                                 ? format_json(arguments, outcome, server, landed) + "\n"
                                 : format_text(arguments, outcome, server, landed);
  std::fwrite(report.data(), 1, report.size(), stdout);
  std::fflush(stdout);
  if (const auto difference = find_difference(outcome.tallies, landed)) {
    return make_error(Code::kCorrupt, "{}", *difference);
  }
  return outcome.is_interrupted ? Status(make_error(Code::kCancelled, "interrupted")) : Status{};
}

void add_options(CLI::App& verb, IngestArguments& arguments) {
  add_http_flag(verb, arguments.server);
  verb.add_option_function<std::string>(
          "-f,--format",
          [&arguments](const std::string& name) {
            arguments.format = name == "line" ? IngestFormat::kLine : IngestFormat::kMsgpack;
          },
          "columns in MessagePack, or line protocol")
      ->check(CLI::IsMember({"msgpack", "line"}))
      ->default_str("msgpack");
  verb.add_option("-d,--database", arguments.database,
                  "where the rows go and stay; without it a new one, bench-MS")
      ->type_name("NAME")
      ->check([](const std::string& name) {
        const Status status = tables::validate({name, measurement_name(0)});
        return status.ok() ? std::string() : status.error().message;
      });
  verb.add_option("-c,--connections", arguments.connections, "a thread each")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  verb.add_option("-b,--rows", arguments.rows, "of each request")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  verb.add_option("-m,--measurements", arguments.measurements, "requests take turns on them")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  verb.add_option("-s,--seconds", arguments.seconds, "measured")
      ->check(CLI::Range(0.1, 1e6))
      ->capture_default_str();
  verb.add_option("-w,--warmup", arguments.warmup, "seconds before, not measured")
      ->check(CLI::Range(0.0, 1e6))
      ->capture_default_str();
  verb.add_option("--wait", arguments.wait,
                  "seconds for a server that still flushes earlier rows to take the first request; "
                  "the warm-up begins then")
      ->check(CLI::Range(0.0, 1e6))
      ->capture_default_str();
  verb.add_option("-r,--rate", arguments.rate,
                  "rows a second in all, sent on time whatever the answers (open loop); latency is "
                  "from when a request was due")
      ->check(CLI::Range(0.0, 1e9));
  verb.add_option("--server-pid", arguments.server_pid, "process whose CPU is reported");
  verb.add_flag("--json", arguments.as_json, "one line, for machines");
}

}  // namespace

void add_bench_ingest(CLI::App& bench, int& exit_code) {
  CLI::App* verb = bench.add_subcommand("ingest", "write rows by HTTP and look whether all landed");
  const auto arguments = std::make_shared<IngestArguments>();
  add_options(*verb, *arguments);
  set_help(*verb,
           "A row has a time of its own, a host (1,000 of them) and three doubles. Afterwards SQL "
           "must find just the rows that were acknowledged, and the sum of a column; if not, the "
           "exit code is 1. The rows stay: delete them with millrace topic delete DATABASE.m0 (and "
           "m1, ... of --measurements). Ctrl-C ends the load, looks, and prints the figures up to "
           "then.",
           {"millrace bench ingest --seconds 2 --database demo",
            "millrace bench ingest --seconds 1 --format line --rows 5000 --database demo",
            "millrace bench ingest --seconds 2 --rate 20000 --database demo "
            "--server-pid \"$(cat data/lock)\" --json",
            "millrace topic delete demo.m0"});
  verb->callback([arguments, &exit_code] {
    const Status done = bench_ingest(*arguments);
    exit_code =
        done.ok() ? static_cast<int>(kOk) : report(done.error(), {.as_json = arguments->as_json});
  });
}

}  // namespace millrace::cli
