#include "bench/append/matrix.h"
#include "bench/append/measure.h"
#include "bench/append/recommend.h"
#include "cli/arguments.h"
#include "cli/bench.h"
#include "cli/help.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "cli/text_table.h"
#include "cli/verbs.h"
#include "io/disk.h"

#include <nlohmann/json.hpp>

#include <unistd.h>

#include <CLI/App.hpp>
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <memory>

namespace millrace::cli {
namespace {

constexpr uint64_t kRoom = 3;  // times the largest run: new files beside those written over

struct AppendArguments {
  std::string directory = ".";
  std::vector<std::string> methods;
  std::vector<size_t> buffers;
  std::vector<std::string> policies;
  unsigned repeats = 0;  // 0: as the scenario says
  bool has_all = false;
  bool is_quick = false;
  bool as_json = false;
};

void clear(const std::string& folder) {
  if (const auto entries = io::posix_disk().list(folder); entries.ok()) {
    for (const auto& entry : *entries) {
      static_cast<void>(io::posix_disk().remove(folder + "/" + entry.name));
    }
  }
}

std::string size_text(size_t bytes) {
  constexpr size_t kKiB = 1024;
  if (bytes == 0) {
    return "-";
  }
  return bytes % (kKiB * kKiB) == 0 ? fmt::format("{} MiB", bytes / kKiB / kKiB)
                                    : fmt::format("{} KiB", bytes / kKiB);
}

std::string microseconds(const bench::Row& row, double share) {
  return row.latencies_ns.count() == 0
             ? "-"
             : fmt::format("{:.1f}", static_cast<double>(row.latencies_ns.percentile(share)) / 1e3);
}

void print_table(const bench::Scenario& scenario, const std::vector<bench::Row>& rows) {
  const auto number = [](const char* name) { return TableColumn{name, true, false}; };
  TextTable table({TableColumn{"method"}, number("buffer"), TableColumn{"file"}, number("threads"),
                   number("s"), number("MB/s"), number("range"), number("records/s"),
                   number("ns/record"), number("p50 us"), number("p99"), number("p99.9"),
                   number("max"), number("syscalls"), number("CPU-s/GB"), number("buffers")},
                  TableLines::kNone);
  for (const bench::Row& row : rows) {
    table.add({std::string(name_of(row.load.method)), size_text(row.load.buffer_bytes),
               std::string(name_of(row.load.ground)), std::to_string(row.load.threads),
               fmt::format("{:.3f}", row.median_seconds()),
               fmt::format("{:.0f}", row.megabytes_per_second()),
               fmt::format("{:.0f}-{:.0f}", row.least_megabytes_per_second(),
                           row.most_megabytes_per_second()),
               fmt::format("{:.0f}", row.records_per_second()),
               fmt::format("{:.0f}", 1e9 / row.records_per_second()), microseconds(row, 0.5),
               microseconds(row, 0.99), microseconds(row, 0.999), microseconds(row, 1),
               row.system_calls ? std::to_string(*row.system_calls) : "-",
               fmt::format("{:.2f}", row.cpu_seconds_per_gb()), size_text(row.buffer_bytes)});
  }
  std::printf("%s, %s\n%s\n", scenario.title.c_str(), count_of(scenario.repeats, "run").c_str(),
              table.format(0).c_str());
  std::fflush(stdout);
}

nlohmann::json json_of(const bench::Scenario& scenario, const bench::Row& row) {
  const auto us = [&](double share) {
    return row.latencies_ns.count() == 0
               ? nlohmann::json()
               : nlohmann::json(static_cast<double>(row.latencies_ns.percentile(share)) / 1e3);
  };
  const bench::Case& load = row.load;
  return {{"scenario", scenario.title},
          {"method", name_of(load.method)},
          {"buffer_bytes", load.buffer_bytes},
          {"file", name_of(load.ground)},
          {"record_bytes", load.record_bytes},
          {"records", load.records},
          {"batch_bytes", load.batch_bytes},
          {"policy", name_of(load.policy)},
          {"threads", load.threads},
          {"is_shared", load.is_shared},
          {"runs", row.seconds.size()},
          {"seconds", row.median_seconds()},
          {"megabytes_per_second", row.megabytes_per_second()},
          {"least_megabytes_per_second", row.least_megabytes_per_second()},
          {"most_megabytes_per_second", row.most_megabytes_per_second()},
          {"records_per_second", row.records_per_second()},
          {"ns_per_record", 1e9 / row.records_per_second()},
          {"p50_us", us(0.5)},
          {"p99_us", us(0.99)},
          {"p999_us", us(0.999)},
          {"max_us", us(1)},
          {"system_calls", row.system_calls ? nlohmann::json(*row.system_calls) : nlohmann::json()},
          {"cpu_seconds_per_gb", row.cpu_seconds_per_gb()},
          {"buffer_memory_bytes", row.buffer_bytes}};
}

Result<std::vector<bench::Scenario>> chosen(const AppendArguments& arguments) {
  bench::Subset subset{{}, arguments.buffers, {}, arguments.is_quick};
  for (const std::string& text : arguments.methods) {
    MILLRACE_TRY(const bench::Method method, bench::parse_method(text));
    subset.methods.push_back(method);
  }
  for (const std::string& text : arguments.policies) {
    MILLRACE_TRY(const bench::Policy policy, bench::parse_policy(text));
    subset.policies.push_back(policy);
  }
  auto matrix =
      bench::only(arguments.has_all ? bench::full_matrix() : bench::default_matrix(), subset);
  if (matrix.empty()) {
    return make_error(Code::kInvalid, "no case has all that was asked for{}",
                      arguments.has_all ? "" : "; --all has more of them");
  }
  for (bench::Scenario& scenario : matrix) {
    scenario.repeats = arguments.repeats > 0 ? arguments.repeats : scenario.repeats;
  }
  return matrix;
}

Status is_there_room(const std::string& directory, const std::vector<bench::Scenario>& matrix) {
  uint64_t largest = 0;
  for (const bench::Scenario& scenario : matrix) {
    for (const bench::Case& load : scenario.cases) {
      largest = std::max(largest, load.bytes());
    }
  }
  MILLRACE_TRY(const io::Space space, io::posix_disk().space(directory));
  if (space.free_bytes < kRoom * largest) {
    return make_error(Code::kOverloaded,
                      "{} has {} MiB free, the runs need {} MiB; choose another with --dir, or "
                      "fewer cases with --quick or --buffer",
                      directory, space.free_bytes >> 20, kRoom * largest >> 20);
  }
  return {};
}

/// Prints what is measured as it comes, as long as somebody reads it; adds it to `rows`.
Status measure_all(const AppendArguments& arguments, const std::vector<bench::Scenario>& matrix,
                   const std::string& folder, const std::atomic<bool>& stop,
                   std::vector<bench::Row>& rows) {
  uint64_t runs = 0;
  for (const bench::Scenario& scenario : matrix) {
    runs += bench::runs_of(scenario);
  }
  Progress progress(fmt::format("of {} runs", runs));
  uint64_t done = 0;
  const auto after_run = [&] {
    ++done;
    progress.expect(progress.seconds() * static_cast<double>(runs) / static_cast<double>(done));
    progress.show(done);
  };
  bench::LoadOptions options;
  options.directory = folder;
  options.stop = &stop;
  for (const bench::Scenario& scenario : matrix) {
    if (is_reader_gone()) {
      return {};
    }
    auto measured = bench::measure(scenario, io::posix_disk(), options, after_run);
    progress.end();
    if (!measured.ok()) {
      return measured.error();
    }
    if (arguments.as_json) {
      for (const bench::Row& row : *measured) {
        std::printf("%s\n", json_of(scenario, row).dump().c_str());
      }
      std::fflush(stdout);
    } else {
      print_table(scenario, *measured);
    }
    rows.insert(rows.end(), measured->begin(), measured->end());
    clear(folder);
  }
  return {};
}

void print_advice(const AppendArguments& arguments, const std::vector<bench::Row>& rows) {
  for (const bench::Advice& advice : bench::recommend(rows)) {
    if (arguments.as_json) {
      const nlohmann::json out{{"purpose", advice.purpose}, {"choice", advice.choice}};
      std::printf("%s\n", out.dump().c_str());
    } else {
      std::printf("for %-12s %s\n", advice.purpose.c_str(), advice.choice.c_str());
    }
  }
}

Status bench_append(const AppendArguments& arguments) {
  MILLRACE_TRY(const auto matrix, chosen(arguments));
  MILLRACE_TRY_STATUS(is_there_room(arguments.directory, matrix));
  const std::string folder =
      fmt::format("{}/millrace-bench-append.{}", arguments.directory, ::getpid());
  const Interrupt interrupt({SIGTERM});
  std::signal(SIGPIPE, SIG_IGN);  // is_reader_gone() says it, and the files are removed
  MILLRACE_TRY_STATUS(io::posix_disk().make_directories(folder));
  std::vector<bench::Row> rows;
  const Status status = measure_all(arguments, matrix, folder, interrupt.stop(), rows);
  clear(folder);
  static_cast<void>(io::posix_disk().remove(folder));
  if ((status.ok() || status.error().code == Code::kCancelled) && !is_reader_gone()) {
    print_advice(arguments, rows);
  }
  return status;
}

}  // namespace

void add_bench_append(CLI::App& bench, int& exit_code) {
  CLI::App* verb = bench.add_subcommand("append",
                                        "compare ways of appending to a file, by this "
                                        "disk; needs no server");
  const auto arguments = std::make_shared<AppendArguments>();
  verb->add_option("--dir", arguments->directory, "a folder on the disk to measure")
      ->type_name("DIR")
      ->capture_default_str();
  const auto repeatable = [](CLI::Option* option) {
    option->expected(1)->allow_extra_args(false)->multi_option_policy(
        CLI::MultiOptionPolicy::TakeAll);
  };
  repeatable(
      verb->add_option(
              "-m,--method", arguments->methods,
              "only this one, may stand more than once: write, buffered, page_aligned, mapped "
              "(what programs do), page_cache, direct, io_uring (what Millrace has), raw_disk")
          ->type_name("NAME"));
  repeatable(verb->add_option("-b,--buffer", arguments->buffers,
                              "only this size of buffers, as 64KiB; again "
                              "for more")
                 ->type_name("SIZE")
                 ->transform(CLI::AsSizeValue(false).description("")));
  repeatable(
      verb->add_option(
              "-p,--policy", arguments->policies,
              "only this way to make records durable, again for more: none, end, each, group, "
              "every-100, 10ms")
          ->type_name("NAME"));
  verb->add_option("-r,--repeats", arguments->repeats, "runs of each case; else 9, and 3 of 2 GiB")
      ->check(CLI::Range(1, 1000));
  verb->add_flag("--all", arguments->has_all, "the whole product of all choices: hours");
  verb->add_flag("--quick", arguments->is_quick, "one run of each case, none above 128 MiB");
  verb->add_flag("--json", arguments->as_json, "a line a case, for machines");
  set_help(
      *verb,
      "MB are 2^20 bytes of records. A file is fresh, reserved (room is made within the "
      "measured time) or recycled (written over, as the files of the log are). Latency is that "
      "of a record with its sync, measured in a run of its own where a clock would be felt. "
      "CPU is that of this process: what the kernel does in threads of its own is not in it. "
      "Files go into a new folder in DIR and are removed.",
      {"millrace bench append --quick --method page_cache --method io_uring --policy group",
       "millrace bench append --quick --method write --method direct --policy end --json"});
  verb->callback([arguments, &exit_code] {
    const Status done = bench_append(*arguments);
    exit_code =
        done.ok() ? static_cast<int>(kOk) : report(done.error(), {.as_json = arguments->as_json});
  });
}

}  // namespace millrace::cli
