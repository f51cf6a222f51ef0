// How benches show numbers: what was not measured is null, or "no".
#pragma once

#include "base/histogram.h"
#include "cli/bench.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <optional>
#include <string>

namespace millrace::cli {

inline std::string whole_or_none(const std::optional<double>& value) {
  return value ? fmt::format("{:.0f}", *value) : "no";
}

inline nlohmann::json number_or_null(const std::optional<double>& value) {
  return value ? nlohmann::json(*value) : nlohmann::json();
}

/// `value`: below 0 where it was not asked for.
inline nlohmann::json cpu_or_null(double value) {
  return value >= 0 ? nlohmann::json(value) : nlohmann::json();
}

inline nlohmann::json ms_or_null(const Histogram& latencies_us, double share) {
  return latencies_us.count() > 0 ? nlohmann::json(percentile_ms(latencies_us, share))
                                  : nlohmann::json();
}

}  // namespace millrace::cli
