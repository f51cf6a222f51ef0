// Counts of latencies in bounded memory, for percentiles.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace millrace {

/// Values from 0 on, kept to 1/256 of their size (exact below 512) however many there are; the
/// largest is exact. One thread; merge() those of several.
class Histogram {
 public:
  /// A value below 0 counts as 0.
  void add(int64_t value);
  void merge(const Histogram& other);

  uint64_t count() const { return count_; }

  int64_t max() const { return max_; }

  /// The value that at least `share` (0 to 1) of all do not pass; never told smaller than it is by
  /// rounding. 0 when there are none.
  int64_t percentile(double share) const;

 private:
  std::vector<uint64_t> counts_;  // by bucket; as long as the largest value needs
  uint64_t count_ = 0;
  int64_t max_ = 0;
};

/// Milliseconds of a percentile of microseconds.
double percentile_ms(const Histogram& latencies_us, double share);

}  // namespace millrace
