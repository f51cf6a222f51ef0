#include "cli/bench.h"

#include "cli/arguments.h"
#include "cli/bench_values.h"
#include "cli/help.h"
#include "cli/interrupt.h"
#include "cli/server_metrics.h"
#include "cli/verbs.h"

#include <nlohmann/json.hpp>

#include <unistd.h>

#include <CLI/App.hpp>
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <memory>
#include <thread>

namespace millrace::cli {
namespace {

void print_table(const BenchReport& report, double mb_per_second, double share) {
  std::printf("%-8s %s, %.1f MB in %.2f s%s\n", report.verb.c_str(),
              count_of(report.records, "record").c_str(), report.megabytes, report.seconds,
              report.is_interrupted ? ", then interrupted" : "");
  std::printf("rate     %.0f records/s, %.1f MB/s\n",
              per_second(static_cast<double>(report.records), report.seconds), mb_per_second);
  if (report.latencies_us.count() > 0) {
    const auto& latencies = report.latencies_us;
    std::printf("latency  p50 %.2f ms, p99 %.2f ms, p99.9 %.2f ms, max %.2f ms\n",
                percentile_ms(latencies, 0.5), percentile_ms(latencies, 0.99),
                percentile_ms(latencies, 0.999), percentile_ms(latencies, 1));
  }
  std::printf("client   %.2f CPU-s%s\n", report.client_cpu_seconds,
              share > kLimitShare ? ": the generator is the limit" : "");
  if (report.server_cpu_seconds >= 0) {
    std::printf("server   %.2f CPU-s (%.2f per GB)\n", report.server_cpu_seconds,
                per_second(report.server_cpu_seconds * 1000, report.megabytes));
  }
  if (report.server_rss_before_mb || report.server_rss_mb) {
    std::printf("memory   %s MB resident before, %s MB at the end\n",
                whole_or_none(report.server_rss_before_mb).c_str(),
                whole_or_none(report.server_rss_mb).c_str());
  }
}

Status measure(BenchArguments arguments, Result<BenchReport> (*run)(const BenchArguments&)) {
  const Interrupt interrupt;
  arguments.stop = &interrupt.stop();
  const auto rss_before = server_rss_mb(arguments.http);
  const double cpu_before = cpu_seconds_of(arguments.server_pid);
  MILLRACE_TRY(auto report, run(arguments));
  report.server_rss_before_mb = rss_before;
  if (arguments.server_pid != 0 && cpu_before >= 0) {
    report.server_cpu_seconds = cpu_seconds_of(arguments.server_pid) - cpu_before;
    report.server_rss_mb = rss_mb_of(arguments.server_pid);
  } else {
    report.server_rss_mb = server_rss_mb(arguments.http);
  }
  print(arguments, report);
  std::fflush(stdout);
  return report.is_interrupted ? Status(make_error(Code::kCancelled, "interrupted")) : Status{};
}

/// `arguments`: of this verb alone, as in topic.cc.
CLI::App* add(CLI::App& bench, const char* name, const char* help,
              const std::shared_ptr<BenchArguments>& arguments,
              Result<BenchReport> (*run)(const BenchArguments&), int& exit_code) {
  CLI::App* verb = bench.add_subcommand(name, help);
  add_server_flag(*verb, arguments->servers);
  add_http_flag(*verb, arguments->http);
  verb->add_option("-t,--topic", arguments->topic, "topic")
      ->type_name("NAME")
      ->capture_default_str();
  verb->add_option("-c,--connections", arguments->connections, "clients, a thread each")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  verb->add_option("--server-pid", arguments->server_pid,
                   "process whose CPU and memory are reported");
  verb->add_flag("--json", arguments->as_json, "for machines");
  verb->callback([arguments, run, &exit_code] {
    const Status done = measure(*arguments, run);
    exit_code = done.ok() ? static_cast<int>(kOk)
                          : cli::report(done.error(), {arguments->as_json, arguments->servers});
  });
  return verb;
}

}  // namespace

double cpu_seconds_of(int pid) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  if (!std::getline(in, line)) {
    return -1;
  }
  std::istringstream rest(
      line.substr(line.rfind(')') + 2));  // after the name, which may hold blanks
  std::string field;
  for (int skipped = 0; skipped < 11; ++skipped) {
    rest >> field;
  }
  double user = 0;
  double system = 0;
  rest >> user >> system;
  return (user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

double rss_mb_of(int pid) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/statm");
  uint64_t total = 0;
  uint64_t resident = 0;
  in >> total >> resident;
  return static_cast<double>(resident) * static_cast<double>(::sysconf(_SC_PAGE_SIZE)) / 1e6;
}

double client_share(double cpu_seconds, double seconds, int connections) {
  const double cores = std::min<double>(connections, std::thread::hardware_concurrency());
  return per_second(cpu_seconds, seconds) / std::max(1.0, cores);
}

double per_second(double amount, double seconds) {
  return seconds > 0 ? amount / seconds : 0;
}

void print(const BenchArguments& arguments, const BenchReport& report) {
  const double mb_per_second = per_second(report.megabytes, report.seconds);
  const double share =
      client_share(report.client_cpu_seconds, report.seconds, arguments.connections);
  if (!arguments.as_json) {
    return print_table(report, mb_per_second, share);
  }
  const auto& latencies = report.latencies_us;
  const nlohmann::json out{{"verb", report.verb},
                           {"records", report.records},
                           {"seconds", report.seconds},
                           {"megabytes_per_second", mb_per_second},
                           {"p50_ms", ms_or_null(latencies, 0.5)},
                           {"p99_ms", ms_or_null(latencies, 0.99)},
                           {"p999_ms", ms_or_null(latencies, 0.999)},
                           {"max_ms", ms_or_null(latencies, 1)},
                           {"client_cpu_seconds", report.client_cpu_seconds},
                           {"server_cpu_seconds", cpu_or_null(report.server_cpu_seconds)},
                           {"server_rss_before_mb", number_or_null(report.server_rss_before_mb)},
                           {"server_rss_mb", number_or_null(report.server_rss_mb)},
                           {"is_interrupted", report.is_interrupted}};
  std::printf("%s\n", out.dump().c_str());
}

void add_bench(CLI::App& app, int& exit_code) {
  CLI::App* bench =
      app.add_subcommand("bench", "put load on a server, or on a disk, and measure it");
  bench->require_subcommand(1);
  auto arguments = std::make_shared<BenchArguments>();
  CLI::App* produce = add(*bench, "produce", "send records", arguments, bench_produce, exit_code);
  produce->add_option("-n,--records", arguments->records, "how many in all")->capture_default_str();
  produce->add_option("-s,--size", arguments->size, "bytes of each value")->capture_default_str();
  produce->add_option("-p,--partitions", arguments->partitions, "of the topic, if it is made now")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();
  produce->add_option("-r,--rate", arguments->rate,
                      "records a second, sent on time whatever the answers (open loop)");
  produce
      ->add_option("--acks", arguments->acks,
                   "all, -1 and 1: when durable, which are the same here; 0: do not wait")
      ->check(CLI::IsMember({"all", "-1", "1", "0"}))
      ->capture_default_str();
  produce->add_option("--linger-ms", arguments->linger_ms, "how long a batch waits for more")
      ->capture_default_str();
  produce->add_option("-z,--compression", arguments->compression, "of what is sent")
      ->check(CLI::IsMember({"none", "gzip", "snappy", "lz4", "zstd"}))
      ->capture_default_str();
  set_help(*produce,
           "The topic is made when missing, keeps at most 1 GiB a partition, and stays; delete it "
           "with: millrace topic delete bench. Ctrl-C prints the figures up to then.",
           {"millrace bench produce -n 100000 -s 1024",
            "millrace bench produce -r 5000 -n 10000 --server-pid \"$(cat data/lock)\" --json"});
  arguments = std::make_shared<BenchArguments>();
  CLI::App* consume = add(*bench, "consume", "read a topic from its start to its end", arguments,
                          bench_consume, exit_code);
  set_help(*consume, "The topic is what bench produce has made, or any other.",
           {"millrace bench consume", "millrace bench consume -t orders --json"});
  add_bench_ingest(*bench, exit_code);
  add_bench_append(*bench, exit_code);
  set_help(*bench, "What it has written stays, see the help of each.",
           {"millrace bench produce", "millrace bench consume", "millrace bench ingest -s 2",
            "millrace bench append --quick --policy group"});
}

}  // namespace millrace::cli
