// What `bench ingest` prints, and its verdict.
#include "cli/bench.h"
#include "cli/bench_ingest.h"
#include "cli/bench_values.h"

#include <nlohmann/json.hpp>

namespace millrace::cli {
namespace {

/// The figures that need arithmetic, once for both forms.
struct Totals {
  uint64_t acked = 0;  // of the whole run
  uint64_t unknown = 0;
  uint64_t landed = 0;
  uint64_t window_landed = 0;  // what is missing of the run is taken as missing of the window
  double rows_per_second = 0;
  double landed_per_second = 0;
  double megabytes_per_second = 0;
  double share = 0;
};

Totals totals_of(const IngestArguments& arguments, const IngestOutcome& outcome,
                 const std::vector<IngestLanded>& landed) {
  Totals totals;
  for (size_t i = 0; i < outcome.tallies.size(); ++i) {
    totals.acked += outcome.tallies[i].acked_rows;
    totals.unknown += outcome.tallies[i].unknown_rows;
    totals.landed += landed[i].rows;
  }
  const uint64_t missing = totals.acked - std::min(totals.acked, totals.landed);
  totals.window_landed = outcome.window_rows - std::min(outcome.window_rows, missing);
  totals.rows_per_second = per_second(static_cast<double>(outcome.window_rows), outcome.seconds);
  totals.landed_per_second = per_second(static_cast<double>(totals.window_landed), outcome.seconds);
  totals.megabytes_per_second =
      per_second(static_cast<double>(outcome.window_bytes) / 1e6, outcome.seconds);
  totals.share = client_share(outcome.client_cpu_seconds, outcome.seconds, arguments.connections);
  return totals;
}

const char* name_of(IngestFormat format) {
  return format == IngestFormat::kLine ? "line" : "msgpack";
}

}  // namespace

std::optional<std::string> find_difference(const std::vector<IngestTally>& tallies,
                                           const std::vector<IngestLanded>& landed) {
  for (size_t i = 0; i < tallies.size(); ++i) {
    const IngestTally& tally = tallies[i];
    if (landed[i].rows < tally.acked_rows ||
        landed[i].rows > tally.acked_rows + tally.unknown_rows) {
      return fmt::format("{}: {} rows acknowledged, {} of unknown outcome, {} landed",
                         measurement_name(i), tally.acked_rows, tally.unknown_rows, landed[i].rows);
    }
    if (landed[i].usage_64ths < tally.acked_64ths ||
        landed[i].usage_64ths > tally.acked_64ths + tally.unknown_64ths) {
      return fmt::format(
          "{}: the usage of the rows that landed sums to {} 64ths, of those acknowledged to {}",
          measurement_name(i), landed[i].usage_64ths, tally.acked_64ths);
    }
  }
  return std::nullopt;
}

std::string format_json(const IngestArguments& arguments, const IngestOutcome& outcome,
                        const IngestServer& server, const std::vector<IngestLanded>& landed) {
  const Totals totals = totals_of(arguments, outcome, landed);
  const Histogram& latencies = outcome.latencies_us;
  const nlohmann::json out{{"verb", "ingest"},
                           {"format", name_of(arguments.format)},
                           {"database", arguments.database},
                           {"connections", arguments.connections},
                           {"rows_per_request", arguments.rows},
                           {"measurements", arguments.measurements},
                           {"rate", arguments.rate},
                           {"warmup_seconds", arguments.warmup},
                           {"seconds", outcome.seconds},
                           {"rows", outcome.window_rows},
                           {"rows_per_second", totals.rows_per_second},
                           {"rows_landed_per_second", totals.landed_per_second},
                           {"megabytes_per_second", totals.megabytes_per_second},
                           {"p50_ms", ms_or_null(latencies, 0.5)},
                           {"p95_ms", ms_or_null(latencies, 0.95)},
                           {"p99_ms", ms_or_null(latencies, 0.99)},
                           {"p999_ms", ms_or_null(latencies, 0.999)},
                           {"max_ms", ms_or_null(latencies, 1)},
                           {"total_rows_acknowledged", totals.acked},
                           {"total_rows_landed", totals.landed},
                           {"total_rows_unknown", totals.unknown},
                           {"rows_unsent", outcome.unsent_rows},
                           {"is_exact", !find_difference(outcome.tallies, landed)},
                           {"is_interrupted", outcome.is_interrupted},
                           {"retries", outcome.retries},
                           {"errors", outcome.errors},
                           {"client_cpu_seconds", outcome.client_cpu_seconds},
                           {"client_cpu_share", totals.share},
                           {"is_generator_limit", totals.share > kLimitShare},
                           {"server_cpu_seconds", cpu_or_null(outcome.server_cpu_seconds)},
                           {"server_rss_before_mb", number_or_null(server.rss_before_mb)},
                           {"server_rss_mb", number_or_null(server.rss_mb)},
                           {"flushes", number_or_null(server.flushes)},
                           {"flushed_rows", number_or_null(server.flushed_rows)},
                           {"journal_files_freed", number_or_null(server.journal_files_freed)}};
  return out.dump();
}

std::string format_text(const IngestArguments& arguments, const IngestOutcome& outcome,
                        const IngestServer& server, const std::vector<IngestLanded>& landed) {
  const Totals totals = totals_of(arguments, outcome, landed);
  const Histogram& latencies = outcome.latencies_us;
  if (outcome.is_interrupted && outcome.window_rows == 0) {
    return fmt::format(
        "ingest   interrupted before anything was measured: {} rows acknowledged, {} landed\n",
        totals.acked, totals.landed);
  }
  std::string out = fmt::format(
      "ingest   {} rows acknowledged in {:.2f} s{}, {} a request, {} connections, database {}\n",
      outcome.window_rows, outcome.seconds, outcome.is_interrupted ? ", then interrupted" : "",
      arguments.rows, arguments.connections, arguments.database);
  out += fmt::format("rate     {:.0f} rows/s acknowledged, {:.0f} rows/s landed, {:.1f} MB/s\n",
                     totals.rows_per_second, totals.landed_per_second, totals.megabytes_per_second);
  out += fmt::format(
      "latency  p50 {:.2f} ms, p95 {:.2f} ms, p99 {:.2f} ms, p99.9 {:.2f} ms, max {:.2f} ms\n",
      percentile_ms(latencies, 0.5), percentile_ms(latencies, 0.95), percentile_ms(latencies, 0.99),
      percentile_ms(latencies, 0.999), percentile_ms(latencies, 1));
  out += fmt::format("run      {} rows acknowledged, {} landed, {} of unknown outcome\n",
                     totals.acked, totals.landed, totals.unknown);
  out += fmt::format("trouble  {} answers \"later\" (sent again), {} requests of unknown outcome\n",
                     outcome.retries, outcome.errors);
  if (outcome.unsent_rows > 0) {
    out += fmt::format("unsent   {} rows that were due: the rate was not reached\n",
                       outcome.unsent_rows);
  }
  out += fmt::format("client   {:.2f} CPU-s, {:.0f} % of what it could use{}\n",
                     outcome.client_cpu_seconds, totals.share * 100,
                     totals.share > kLimitShare ? ": the generator is the limit" : "");
  if (outcome.server_cpu_seconds >= 0) {
    out += fmt::format(
        "server   {:.2f} CPU-s ({:.2f} per million rows)\n", outcome.server_cpu_seconds,
        per_second(outcome.server_cpu_seconds * 1e6, static_cast<double>(outcome.window_rows)));
  }
  out += fmt::format("memory   {} MB resident before, {} MB at the end\n",
                     whole_or_none(server.rss_before_mb), whole_or_none(server.rss_mb));
  out += fmt::format("tables   {} flushes of {} rows, {} journal files freed\n",
                     whole_or_none(server.flushes), whole_or_none(server.flushed_rows),
                     whole_or_none(server.journal_files_freed));
  return out;
}

}  // namespace millrace::cli
