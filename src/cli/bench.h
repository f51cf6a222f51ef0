// Load for any server of the Kafka protocol, and what came of it.
#pragma once

#include "base/cpu_time.h"
#include "base/histogram.h"
#include "base/result.h"

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>

namespace CLI {  // NOLINT(readability-identifier-naming): CLI11's
class App;
}

namespace millrace::cli {

struct BenchArguments {
  std::string servers;
  std::string http;  // where its memory is asked for
  std::string topic = "bench";
  int partitions = 4;
  uint64_t records = 500'000;  // in all
  size_t size = 1024;          // bytes of value
  int connections = 1;         // clients, one thread each
  double rate = 0;             // records a second in all, open loop; 0: as fast as it goes
  std::string acks = "all";
  int linger_ms = 5;
  std::string compression = "none";
  int server_pid = 0;  // for its CPU and memory; 0: not asked
  bool as_json = false;
  const std::atomic<bool>* stop = nullptr;  // set when the load is to end early; outlives the run
};

/// One run's figures. MB are 10^6 bytes of value.
struct BenchReport {
  std::string verb;
  uint64_t records = 0;
  double seconds = 0;
  double megabytes = 0;
  Histogram latencies_us;
  double client_cpu_seconds = 0;
  double server_cpu_seconds = -1;              // -1: not asked
  std::optional<double> server_rss_before_mb;  // before the load, if its HTTP answers
  std::optional<double> server_rss_mb;         // after it
  bool is_interrupted = false;                 // the figures are those up to then
};

/// User and system time of process `pid` so far, from /proc; -1 when there is none.
double cpu_seconds_of(int pid);
/// Its resident memory in 10^6 bytes.
double rss_mb_of(int pid);

/// Share of the cores that `connections` threads could use: above kLimitShare the generator, not
/// the server, is what was measured.
double client_share(double cpu_seconds, double seconds, int connections);
constexpr double kLimitShare = 0.9;

/// `amount` a second; 0 when no time went by.
double per_second(double amount, double seconds);

/// A table for people, or one JSON object.
void print(const BenchArguments& arguments, const BenchReport& report);

Result<BenchReport> bench_produce(const BenchArguments& arguments);
Result<BenchReport> bench_consume(const BenchArguments& arguments);

/// The verbs `bench ingest` and `bench append`.
void add_bench_ingest(CLI::App& bench, int& exit_code);
void add_bench_append(CLI::App& bench, int& exit_code);

}  // namespace millrace::cli
