#include "base/log.h"

#include "base/mutex.h"

#include <fmt/chrono.h>
#include <spdlog/async.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <memory>
#include <string>

namespace millrace::log {
namespace {

std::atomic<Level> threshold{Level::kNormal};
std::atomic<Format> line_format{Format::kText};

std::shared_ptr<spdlog::logger> sync_logger() {
  auto sync = std::make_shared<spdlog::logger>("millrace",
                                               std::make_shared<spdlog::sinks::stderr_sink_mt>());
  sync->set_pattern("%v");
  return sync;
}

/// Where lines go. Changed while threads that cannot be ended may still write.
struct Target {
  Mutex mutex;
  std::shared_ptr<spdlog::logger> logger MILLRACE_GUARDED_BY(mutex) = sync_logger();
};

Target& target() {
  static Target instance;
  return instance;
}

std::shared_ptr<spdlog::logger> logger() {
  const MutexLock lock(target().mutex);
  return target().logger;
}

void set_logger(std::shared_ptr<spdlog::logger> next) {
  const MutexLock lock(target().mutex);
  target().logger.swap(next);
}

std::string_view name_of(Severity severity) {
  switch (severity) {
    case Severity::kError:
      return "error";
    case Severity::kWarning:
      return "warning";
    case Severity::kInfo:
      return "info";
    case Severity::kDebug:
      return "debug";
  }
  return "error";
}

std::string json_escape(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 8);
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

void start(Level level, Format format) {
  threshold = level;
  line_format = format;
  spdlog::init_thread_pool(8192, 1);
  auto async = std::make_shared<spdlog::async_logger>(
      "millrace", std::make_shared<spdlog::sinks::stderr_sink_mt>(), spdlog::thread_pool(),
      spdlog::async_overflow_policy::overrun_oldest);
  async->set_pattern("%v");
  async->set_level(spdlog::level::trace);
  set_logger(std::move(async));
}

void stop() {
  set_logger(sync_logger());
  spdlog::shutdown();
}

bool is_enabled(Severity severity) {
  switch (threshold.load(std::memory_order_relaxed)) {
    case Level::kSilent:
      return severity == Severity::kError;
    case Level::kNormal:
      return severity != Severity::kDebug;
    case Level::kVerbose:
      return true;
  }
  return true;
}

void write(Severity severity, std::string_view component, std::string_view message) {
  const auto now = std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
  const auto ms = now.time_since_epoch().count() % 1000;
  const std::string time = fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z",
                                       fmt::gmtime(std::chrono::system_clock::to_time_t(now)), ms);
  const std::string line =
      line_format == Format::kJson
          ? fmt::format(R"({{"time":"{}","severity":"{}","component":"{}","message":"{}"}})", time,
                        name_of(severity), json_escape(component), json_escape(message))
          : fmt::format("{} {} {}: {}", time, name_of(severity), component, message);
  logger()->log(spdlog::level::info, line);
}

}  // namespace millrace::log
