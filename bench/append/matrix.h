// Which cases `millrace bench append` runs.
#pragma once

#include "bench/append/cases.h"

#include <cstddef>
#include <vector>

namespace millrace::bench {

/// Those that answer the questions a user has about a disk, in at most 20 minutes.
std::vector<Scenario> default_matrix();

/// Every method with every record, buffer, policy and number of threads, on one appender and on one
/// each: hours.
std::vector<Scenario> full_matrix();

struct Subset {
  std::vector<Method> methods;       // empty: all; likewise below
  std::vector<size_t> buffer_bytes;  // of methods that have none, nothing is left if this is given
  std::vector<Policy> policies;
  bool is_quick = false;  // one repeat, nothing above 128 MiB
};

/// What is in the subset; scenarios without a case go.
std::vector<Scenario> only(std::vector<Scenario> matrix, const Subset& subset);

}  // namespace millrace::bench
