// Logging for people and machines: one line per event, written by a thread of its own.
#pragma once

#include <fmt/format.h>

#include <atomic>
#include <string_view>
#include <utility>

namespace millrace::log {

enum class Level : uint8_t {
  kSilent,   // errors only
  kNormal,   // what an operator wants to know
  kVerbose,  // what a developer wants to know
};
enum class Format : uint8_t { kText, kJson };
enum class Severity : uint8_t { kError, kWarning, kInfo, kDebug };

/// Lines go to standard error: text "2026-01-31T12:00:00.000Z info journal: message", or JSON
/// {"time","severity","component","message"}. Call once, before threads; without it, text, normal.
/// A full queue (8,192 lines) drops the oldest line, never blocks the caller.
void start(Level level, Format format);
/// Writes what is queued and stops the thread. Later lines are written by the caller's thread.
void stop();

bool is_enabled(Severity severity);
void write(Severity severity, std::string_view component, std::string_view message);

template <typename... Args>
void error(std::string_view component, fmt::format_string<Args...> format, Args&&... args) {
  write(Severity::kError, component, fmt::format(format, std::forward<Args>(args)...));
}

template <typename... Args>
void warning(std::string_view component, fmt::format_string<Args...> format, Args&&... args) {
  if (is_enabled(Severity::kWarning)) {
    write(Severity::kWarning, component, fmt::format(format, std::forward<Args>(args)...));
  }
}

template <typename... Args>
void info(std::string_view component, fmt::format_string<Args...> format, Args&&... args) {
  if (is_enabled(Severity::kInfo)) {
    write(Severity::kInfo, component, fmt::format(format, std::forward<Args>(args)...));
  }
}

template <typename... Args>
void debug(std::string_view component, fmt::format_string<Args...> format, Args&&... args) {
  if (is_enabled(Severity::kDebug)) {
    write(Severity::kDebug, component, fmt::format(format, std::forward<Args>(args)...));
  }
}

}  // namespace millrace::log
