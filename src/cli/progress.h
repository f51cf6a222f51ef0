// How far a long verb is, on the terminal.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace millrace::cli {

/// "12345 records, 8000/s" on standard error, once a second, when that is a terminal. One thread.
class Progress {
 public:
  /// `unit`: what is counted. `expected`: how long it takes in all, where that is known.
  explicit Progress(std::string unit, std::chrono::duration<double> expected = {});

  void show(uint64_t count);

  /// How long it takes in all, by what is known now.
  void expect(double seconds) { expected_ = std::chrono::duration<double>(seconds); }

  /// The line is left as it is; what is printed next begins below it.
  void end() const;

  double seconds() const;

 private:
  using Clock = std::chrono::steady_clock;

  const std::string unit_;
  std::chrono::duration<double> expected_;
  const bool is_terminal_;
  const Clock::time_point begun_ = Clock::now();
  Clock::time_point shown_ = begun_;
  uint64_t counted_ = 0;  // when it was shown last
  bool has_shown_ = false;
};

/// "12345 rows, 8000/s, 3 s" and, where `expected` is above 0, ", 7 s left".
std::string progress_line(uint64_t count, const std::string& unit, double per_second,
                          double seconds, double expected);

}  // namespace millrace::cli
