#include "journal/probe.h"

#include "base/check.h"
#include "journal/format.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <limits>
#include <memory>
#include <vector>

namespace millrace::journal {
namespace {

using Milliseconds = std::chrono::duration<double, std::milli>;

// The first that there is is taken unless another is faster by so much.
constexpr std::array kMethods{io::AppendMethod::kDirect, io::AppendMethod::kPageCache};
constexpr size_t kSmall = kBlock;
constexpr size_t kLarge = size_t{256} << 10;
constexpr size_t kRounds = 9;
constexpr Milliseconds kLongest{100};
constexpr double kGain = 0.85;  // of the first one's time, at most

struct Candidate {
  io::AppendMethod method;
  std::unique_ptr<io::Appender> appender;
  // The least of all rounds: what else the machine does makes them longer, and never shorter.
  double small_ms = std::numeric_limits<double>::infinity();
  double large_ms = std::numeric_limits<double>::infinity();
};

Result<double> time_of(io::Appender& appender, size_t bytes, const Clock& clock) {
  static const std::vector<std::byte> run(kLarge);
  const auto begun = clock.steady();
  MILLRACE_TRY([[maybe_unused]] const uint64_t place, appender.append(std::span(run).first(bytes)));
  MILLRACE_TRY_STATUS(appender.sync());
  return Milliseconds(clock.steady() - begun).count();
}

Result<std::vector<Candidate>> try_all(io::Disk& disk, const std::string& path,
                                       const Clock& clock) {
  MILLRACE_TRY_STATUS(disk.replace_file(path, std::vector<std::byte>(kRounds * (kSmall + kLarge))));
  std::vector<Candidate> candidates;
  for (const io::AppendMethod method : kMethods) {
    auto appender =
        io::open_appender(disk, path, io::OpenMode::kReadWrite, 0, run_appender(method));
    if (appender.ok()) {
      candidates.push_back({.method = method, .appender = *std::move(appender)});
    } else if (appender.error().code != Code::kUnsupported) {
      return appender.error();
    }
  }
  const auto begun = clock.steady();
  for (size_t round = 0; round < kRounds && clock.steady() - begun < kLongest; ++round) {
    for (Candidate& each : candidates) {
      MILLRACE_TRY(const double small, time_of(*each.appender, kSmall, clock));
      MILLRACE_TRY(const double large, time_of(*each.appender, kLarge, clock));
      each.small_ms = std::min(each.small_ms, small);
      each.large_ms = std::min(each.large_ms, large);
    }
  }
  return candidates;
}

}  // namespace

io::AppenderOptions run_appender(io::AppendMethod method) {
  MILLRACE_CHECK(method != io::AppendMethod::kUring, "runs are not written by io_uring");
  io::AppenderOptions options;
  options.method = method;
  options.buffer_bytes =
      method == io::AppendMethod::kPageCache ? size_t{64} << 10 : size_t{1} << 20;
  options.buffers = 2;
  options.writeback_bytes = 0;  // each run is synced at once
  return options;
}

Probed probe(io::Disk& disk, const std::string& directory, const Clock& clock) {
  const std::string path = directory + "/probe.tmp";
  const auto candidates = try_all(disk, path, clock);
  for (const std::string& left : {path, path + ".tmp"}) {
    static_cast<void>(disk.remove(left));
  }
  if (!candidates.ok()) {
    return {io::AppendMethod::kPageCache, candidates.error().message};
  }
  Probed probed;
  double best = 0;
  for (const Candidate& each : *candidates) {
    const double both = each.small_ms + each.large_ms;
    probed.figures += fmt::format("{}{} {:.2f} and {:.2f} ms", probed.figures.empty() ? "" : ", ",
                                  io::name_of(each.method), each.small_ms, each.large_ms);
    const bool is_first = &each == &candidates->front();
    if (is_first || both < best) {
      best = is_first ? kGain * both : both;
      probed.method = each.method;
    }
  }
  return probed;
}

}  // namespace millrace::journal
