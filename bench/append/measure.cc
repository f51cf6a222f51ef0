#include "bench/append/measure.h"

#include <algorithm>

namespace millrace::bench {
namespace {

constexpr double kMegabyte = 1 << 20;

/// Each record waits for the disk, so a clock costs nothing beside it.
bool waits_each_time(const Policy& policy) {
  return policy.kind == Policy::Kind::kEach || policy.kind == Policy::Kind::kGroup;
}

bool has_latencies(const Case& load) {
  return load.method != Method::kRawDisk;
}

double median_of(const std::vector<double>& sorted) {
  return sorted.empty() ? 0 : sorted[sorted.size() / 2];
}

double megabytes(const Case& load) {
  return static_cast<double>(load.bytes()) / kMegabyte;
}

void insert_sorted(std::vector<double>& sorted, double value) {
  sorted.insert(std::ranges::upper_bound(sorted, value), value);
}

}  // namespace

double Row::megabytes_per_second() const {
  return megabytes(load) / median_of(seconds);
}

double Row::least_megabytes_per_second() const {
  return megabytes(load) / seconds.back();
}

double Row::most_megabytes_per_second() const {
  return megabytes(load) / seconds.front();
}

double Row::median_seconds() const {
  return median_of(seconds);
}

double Row::records_per_second() const {
  return static_cast<double>(load.records) / median_of(seconds);
}

double Row::cpu_seconds_per_gb() const {
  return median_of(cpu_seconds) / (static_cast<double>(load.bytes()) / 1e9);
}

uint64_t runs_of(const Scenario& scenario) {
  uint64_t runs = scenario.repeats * scenario.cases.size();
  for (const Case& load : scenario.cases) {
    runs += has_latencies(load) && !waits_each_time(load.policy) ? 1 : 0;
  }
  return runs;
}

Result<std::vector<Row>> measure(const Scenario& scenario, io::Disk& disk,
                                 const LoadOptions& options,
                                 const std::function<void()>& after_run) {
  const size_t count = scenario.cases.size();
  std::vector<Row> rows(count);
  for (unsigned repeat = 0; repeat < scenario.repeats; ++repeat) {
    for (size_t i = 0; i < count; ++i) {
      Row& row = rows[(i + repeat) % count];
      row.load = scenario.cases[(i + repeat) % count];
      LoadOptions with = options;
      with.has_latencies = waits_each_time(row.load.policy);
      MILLRACE_TRY(const Sample sample, run(row.load, disk, with));
      insert_sorted(row.seconds, sample.seconds);
      insert_sorted(row.cpu_seconds, sample.cpu_seconds);
      row.system_calls = sample.system_calls;
      row.buffer_bytes = sample.buffer_bytes;
      row.latencies_ns.merge(sample.latencies_ns);
      after_run();
    }
  }
  for (Row& row : rows) {
    if (has_latencies(row.load) && !waits_each_time(row.load.policy)) {
      LoadOptions with = options;
      with.has_latencies = true;
      MILLRACE_TRY(const Sample sample, run(row.load, disk, with));
      row.latencies_ns.merge(sample.latencies_ns);
      after_run();
    }
  }
  return rows;
}

}  // namespace millrace::bench
