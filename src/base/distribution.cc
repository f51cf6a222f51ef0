#include "base/distribution.h"

#include "base/check.h"

#include <algorithm>
#include <limits>

namespace millrace {

Distribution::Distribution(std::span<const double> bounds) : size_(bounds.size()) {
  MILLRACE_CHECK(size_ <= kMostBounds && std::ranges::is_sorted(bounds), "bounds of a histogram");
  std::ranges::copy(bounds, bounds_.begin());
}

void Distribution::add(double value) {
  const double* const first = bounds_.data();
  const double* const bucket = std::lower_bound(first, first + size_, value);
  counts_.at(static_cast<size_t>(bucket - first)).fetch_add(1, std::memory_order_relaxed);
  sum_.fetch_add(value, std::memory_order_relaxed);
}

std::vector<Distribution::Counted> Distribution::counts() const {
  std::vector<Counted> counts;
  uint64_t up_to = 0;
  for (size_t i = 0; i <= size_; ++i) {
    up_to += counts_.at(i).load(std::memory_order_relaxed);
    counts.push_back({i < size_ ? bounds_.at(i) : std::numeric_limits<double>::infinity(), up_to});
  }
  return counts;
}

}  // namespace millrace
