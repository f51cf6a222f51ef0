#include "cli/progress.h"

#include <fmt/format.h>

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

namespace millrace::cli {

Progress::Progress(std::string unit, std::chrono::duration<double> expected)
    : unit_(std::move(unit)), expected_(expected), is_terminal_(::isatty(STDERR_FILENO) == 1) {}

void Progress::show(uint64_t count) {
  const auto now = Clock::now();
  if (!is_terminal_ || now - shown_ < std::chrono::seconds(1)) {
    return;
  }
  const std::chrono::duration<double> since = now - shown_;
  const std::string line =
      progress_line(count, unit_, static_cast<double>(count - counted_) / since.count(), seconds(),
                    expected_.count());
  std::fprintf(stderr, "\r%s\x1b[K", line.c_str());
  shown_ = now;
  counted_ = count;
  has_shown_ = true;
}

void Progress::end() const {
  if (has_shown_) {
    std::fprintf(stderr, "\n");
  }
}

double Progress::seconds() const {
  return std::chrono::duration<double>(Clock::now() - begun_).count();
}

std::string progress_line(uint64_t count, const std::string& unit, double per_second,
                          double seconds, double expected) {
  std::string line = fmt::format("{} {}, {:.0f}/s, {:.0f} s", count, unit, per_second, seconds);
  if (expected > 0) {
    line += fmt::format(", {:.0f} s left", std::max(0.0, expected - seconds));
  }
  return line;
}

}  // namespace millrace::cli
