// Counts of values by size, for a histogram that is read while it grows.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace millrace {

/// Bounds for how long something on a disk takes, in seconds.
inline constexpr std::array kSecondsBounds{0.00005, 0.0001, 0.0002, 0.0005, 0.001,
                                           0.002,   0.005,  0.01,   0.02,   0.05,
                                           0.1,     0.2,    0.5,    1.0,    5.0};

/// Buckets with the upper bounds given at the start, and one beyond. add() costs two atomic
/// additions. Thread-safe; a reader may see a value in the sum that is not in its bucket yet.
class Distribution {
 public:
  static constexpr size_t kMostBounds = 32;

  /// `bounds`: rising, at most kMostBounds; a value that is one belongs to its bucket.
  explicit Distribution(std::span<const double> bounds);

  void add(double value);

  struct Counted {
    double bound = 0;    // infinity for the last
    uint64_t up_to = 0;  // values not above it
  };

  std::vector<Counted> counts() const;

  double sum() const { return sum_.load(std::memory_order_relaxed); }

 private:
  std::array<double, kMostBounds> bounds_{};
  size_t size_ = 0;
  std::array<std::atomic<uint64_t>, kMostBounds + 1> counts_{};
  std::atomic<double> sum_{0};
};

}  // namespace millrace
