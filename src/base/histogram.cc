#include "base/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace millrace {
namespace {

// A bucket holds 2^shift values, shift being such that value >> shift has at most kBits + 1 bits:
// shift 0 has 2 * kHalf buckets of one value, each further shift kHalf, one after the other.
constexpr unsigned kBits = 8;
constexpr uint64_t kHalf = uint64_t{1} << kBits;

size_t bucket_of(uint64_t value) {
  const auto width = static_cast<unsigned>(std::bit_width(value));
  const unsigned shift = width > kBits + 1 ? width - kBits - 1 : 0;
  return static_cast<size_t>(shift * kHalf + (value >> shift));
}

/// The largest value of a bucket.
uint64_t top_of(size_t bucket) {
  if (bucket < 2 * kHalf) {
    return bucket;
  }
  const uint64_t shift = bucket / kHalf - 1;
  return ((bucket - shift * kHalf + 1) << shift) - 1;
}

}  // namespace

void Histogram::add(int64_t value) {
  value = std::max<int64_t>(value, 0);
  const size_t bucket = bucket_of(static_cast<uint64_t>(value));
  if (bucket >= counts_.size()) {
    counts_.resize(bucket + 1);
  }
  ++counts_[bucket];
  ++count_;
  max_ = std::max(max_, value);
}

void Histogram::merge(const Histogram& other) {
  counts_.resize(std::max(counts_.size(), other.counts_.size()));
  for (size_t i = 0; i < other.counts_.size(); ++i) {
    counts_[i] += other.counts_[i];
  }
  count_ += other.count_;
  max_ = std::max(max_, other.max_);
}

int64_t Histogram::percentile(double share) const {
  const auto wanted = static_cast<uint64_t>(std::ceil(share * static_cast<double>(count_)));
  const uint64_t rank = std::clamp<uint64_t>(wanted, 1, std::max<uint64_t>(count_, 1));
  uint64_t seen = 0;
  for (size_t i = 0; i < counts_.size(); ++i) {
    seen += counts_[i];
    if (seen >= rank) {
      return std::min(static_cast<int64_t>(top_of(i)), max_);
    }
  }
  return max_;
}

double percentile_ms(const Histogram& latencies_us, double share) {
  return static_cast<double>(latencies_us.percentile(share)) / 1000;
}

}  // namespace millrace
