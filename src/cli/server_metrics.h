// What a server says of itself at /metrics, for the benchmarks' reports.
#pragma once

#include "base/result.h"

#include <optional>
#include <string>
#include <string_view>

namespace millrace::cli {

/// One reading.
class ServerMetrics {
 public:
  /// `text`: Prometheus' text format, version 0.0.4.
  explicit ServerMetrics(std::string text) : text_(std::move(text)) {}

  /// The metric's values over all its labels, summed; nullopt when it is not there.
  std::optional<double> sum(std::string_view name) const;

  /// Resident memory of a server of ours in 10^6 bytes; nullopt when it is none of ours.
  std::optional<double> rss_mb() const;

 private:
  std::string text_;
};

/// Resident memory of the server whose HTTP is at `address`, or nullopt when none of ours answers
/// there within some seconds.
std::optional<double> server_rss_mb(const std::string& address);

}  // namespace millrace::cli
