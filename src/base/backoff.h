// Pauses between attempts that fail.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <random>

namespace millrace {

/// After each failure in a row twice as long, up to a limit, and a random part of that, so that
/// those whose server was away do not all come back to it at once. Not thread-safe.
class Backoff {
 public:
  Backoff(std::chrono::milliseconds first, std::chrono::milliseconds longest)
      : first_(first), longest_(longest) {}

  /// Between half of the pause and all of it.
  std::chrono::milliseconds next() {
    pause_ = pause_.count() == 0 ? first_ : std::min(pause_ * 2, longest_);
    return std::chrono::milliseconds(
        std::uniform_int_distribution<int64_t>(pause_.count() / 2, pause_.count())(random_));
  }

  /// It went well.
  void reset() { pause_ = {}; }

 private:
  const std::chrono::milliseconds first_;
  const std::chrono::milliseconds longest_;
  std::chrono::milliseconds pause_{0};
  std::mt19937 random_{std::random_device{}()};
};

}  // namespace millrace
