#include "cli/server_metrics.h"

#include "cli/server_api.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>

namespace millrace::cli {

std::optional<double> ServerMetrics::sum(std::string_view name) const {
  std::optional<double> total;
  std::string_view rest = text_;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (!line.starts_with(name) || line.size() == name.size() ||
        (line[name.size()] != ' ' && line[name.size()] != '{')) {
      continue;
    }
    // A label's value may hold blanks; the number follows the last one (we write no timestamps).
    const std::string number(line.substr(line.rfind(' ') + 1));
    total = total.value_or(0) + std::strtod(number.c_str(), nullptr);
  }
  return total;
}

std::optional<double> ServerMetrics::rss_mb() const {
  const auto bytes = sum("process_resident_memory_bytes");
  return bytes && sum("millrace_topics") ? std::optional(*bytes / 1e6) : std::nullopt;
}

std::optional<double> server_rss_mb(const std::string& address) {
  auto api = ServerApi::open(address, std::chrono::seconds(3));
  auto text = api.ok() ? api->get("/metrics") : Result<std::string>(api.error());
  return text.ok() ? ServerMetrics(*std::move(text)).rss_mb() : std::nullopt;
}

}  // namespace millrace::cli
