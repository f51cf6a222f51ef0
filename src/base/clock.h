// Time is injected: the product uses system_clock(), tests a ManualClock that moves when told to.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace millrace {

/// Milliseconds since 1970-01-01 UTC: Kafka's record time.
using TimestampMs = std::chrono::sys_time<std::chrono::milliseconds>;

class Clock {
 public:
  virtual ~Clock() = default;
  /// Wall time; may jump either way. For record timestamps and retention only.
  virtual std::chrono::sys_time<std::chrono::nanoseconds> wall() const = 0;
  /// Never goes back. For deadlines and ages.
  virtual std::chrono::steady_clock::time_point steady() const = 0;

  TimestampMs wall_ms() const { return std::chrono::floor<std::chrono::milliseconds>(wall()); }
};

/// The machine's clocks. Thread-safe; lives as long as the process.
const Clock& system_clock();

/// Stands still until advance(). Thread-safe.
class ManualClock final : public Clock {
 public:
  std::chrono::sys_time<std::chrono::nanoseconds> wall() const override {
    return std::chrono::sys_time<std::chrono::nanoseconds>(std::chrono::nanoseconds(wall_.load()));
  }

  std::chrono::steady_clock::time_point steady() const override {
    return std::chrono::steady_clock::time_point(std::chrono::nanoseconds(steady_.load()));
  }

  void advance(std::chrono::nanoseconds by) {
    wall_ += by.count();
    steady_ += by.count();
  }

  /// Only the wall clock, either way: what an operator or NTP does.
  void jump(std::chrono::nanoseconds by) { wall_ += by.count(); }

 private:
  std::atomic<int64_t> wall_{1'700'000'000'000'000'000};
  std::atomic<int64_t> steady_{1'000'000'000};
};

}  // namespace millrace
