// Runs the cases of a scenario in turns, so that what the machine does meanwhile hits all alike.
#pragma once

#include "base/histogram.h"
#include "base/result.h"
#include "bench/append/cases.h"
#include "bench/append/load.h"
#include "io/disk.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

namespace millrace::bench {

/// One case, measured several times.
struct Row {
  Case load;
  std::vector<double> seconds;           // of each run, sorted
  std::vector<double> cpu_seconds;       // likewise
  std::optional<uint64_t> system_calls;  // of the last run
  size_t buffer_bytes = 0;
  Histogram latencies_ns;

  /// In 2^20 bytes of records a second: of the median run, the slowest, the fastest.
  double megabytes_per_second() const;
  double least_megabytes_per_second() const;
  double most_megabytes_per_second() const;
  double median_seconds() const;
  double records_per_second() const;
  double cpu_seconds_per_gb() const;  // of 10^9 bytes
};

/// How often measure() calls run().
uint64_t runs_of(const Scenario& scenario);

/// Each case `repeats` times, in turns that begin with another case each, then once more for the
/// latencies where they were not taken already. `after_run` is called after each run. Errors: of
/// run().
Result<std::vector<Row>> measure(const Scenario& scenario, io::Disk& disk,
                                 const LoadOptions& options,
                                 const std::function<void()>& after_run);

}  // namespace millrace::bench
