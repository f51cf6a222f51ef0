#include "cli/server_metrics.h"

#include "cli/server_api.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>

namespace millrace::cli {
namespace {

/// `label="value"` as the text format writes it.
std::string pair_of(std::string_view label, std::string_view value) {
  std::string out(label);
  out += "=\"";
  for (const char c : value) {
    out += c == '\n' ? "\\n" : (c == '"' || c == '\\' ? std::string("\\") + c : std::string(1, c));
  }
  return out + '"';
}

/// Whether `labels` ("{a="1",b="2"}") has `pair`, and not at the end of a longer label.
bool has_pair(std::string_view labels, std::string_view pair) {
  if (pair.empty()) {
    return true;
  }
  for (size_t at = labels.find(pair); at != std::string_view::npos;
       at = labels.find(pair, at + 1)) {
    if (at > 0 && (labels[at - 1] == '{' || labels[at - 1] == ',')) {
      return true;
    }
  }
  return false;
}

std::optional<double> sum_of(std::string_view text, std::string_view name, std::string_view pair) {
  std::optional<double> total;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!line.starts_with(name) || line.size() == name.size() ||
        (line[name.size()] != ' ' && line[name.size()] != '{')) {
      continue;
    }
    // A label's value may hold blanks; the number follows the last one (we write no timestamps).
    const size_t blank = line.rfind(' ');
    if (has_pair(line.substr(name.size(), blank - name.size()), pair)) {
      const std::string number(line.substr(blank + 1));
      total = total.value_or(0) + std::strtod(number.c_str(), nullptr);
    }
  }
  return total;
}

}  // namespace

std::optional<double> ServerMetrics::sum(std::string_view name) const {
  return sum_of(text_, name, {});
}

std::optional<double> ServerMetrics::sum_where(std::string_view name, std::string_view label,
                                               std::string_view value) const {
  return sum_of(text_, name, pair_of(label, value));
}

std::optional<double> ServerMetrics::rss_mb() const {
  const auto bytes = sum("process_resident_memory_bytes");
  return bytes && sum("millrace_topics") ? std::optional(*bytes / 1e6) : std::nullopt;
}

std::optional<ServerMetrics> server_metrics(const std::string& address) {
  auto api = ServerApi::open(address, std::chrono::seconds(3));
  auto text = api.ok() ? api->get("/metrics") : Result<std::string>(api.error());
  return text.ok() ? std::optional(ServerMetrics(*std::move(text))) : std::nullopt;
}

std::optional<double> server_rss_mb(const std::string& address) {
  const auto metrics = server_metrics(address);
  return metrics ? metrics->rss_mb() : std::nullopt;
}

}  // namespace millrace::cli
