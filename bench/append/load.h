// Runs one case once.
#pragma once

#include "base/histogram.h"
#include "base/result.h"
#include "bench/append/cases.h"
#include "io/disk.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace millrace::bench {

/// What one run has cost.
struct Sample {
  double seconds = 0;  // from the first record until all are where the policy wants them
  std::optional<uint64_t> system_calls;  // see CountingDisk; nullopt: of kMapped, which has faults
  double cpu_seconds = 0;                // of this process
  size_t buffer_bytes = 0;               // memory of all buffers
  Histogram latencies_ns;  // of each append with its sync; empty unless they were asked for
};

struct LoadOptions {
  std::string directory;  // where files are made; what is left there is for later runs of the case
  bool has_latencies = false;  // a clock is read for each record, which small ones feel
  const std::atomic<bool>* stop = nullptr;  // ends the run early; outlives it
};

/// Errors: kCancelled (`stop`), kInvalid (a case that makes no sense), those of the appenders.
Result<Sample> run(const Case& load, io::Disk& disk, const LoadOptions& options);

}  // namespace millrace::bench
