// What a server says of itself at /metrics.
#pragma once

#include "base/result.h"

#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace millrace::cli {

/// One reading.
class ServerMetrics {
 public:
  /// `text`: Prometheus' text format, version 0.0.4.
  explicit ServerMetrics(std::string text) : text_(std::move(text)) {}

  /// The metric's values over all its labels, summed; nullopt when it is not there.
  std::optional<double> sum(std::string_view name) const;
  /// The same over those samples whose `label` has `value`.
  std::optional<double> sum_where(std::string_view name, std::string_view label,
                                  std::string_view value) const;

  /// Resident memory of a server of ours in 10^6 bytes; nullopt when it is none of ours.
  std::optional<double> rss_mb() const;

 private:
  std::string text_;
};

/// A reading of the server whose HTTP is at `address`, or nullopt when nobody answers there within
/// some seconds.
std::optional<ServerMetrics> server_metrics(const std::string& address);

/// Resident memory of it, or nullopt when none of ours answers there.
std::optional<double> server_rss_mb(const std::string& address);

}  // namespace millrace::cli
