// Facts of single values and of runs of them, as ValueFacts defines them.
#pragma once

#include "columnar/column_type.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>

namespace millrace::columnar {

inline ValueFacts facts_of_integers(int64_t least, int64_t most) {
  constexpr auto kExact = static_cast<int64_t>(kExactInDouble);
  return {.fits_f64 = least >= -kExact && most <= kExact, .has_negative = least < 0};
}

inline ValueFacts facts_of_times(int64_t least_us, int64_t most_us) {
  return {.fits_ns = least_us >= kFirstNs / 1000 && most_us <= kLastNs / 1000};
}

inline ValueFacts facts_of_unsigned(uint64_t most) {
  return {.fits_f64 = most <= kExactInDouble,
          .fits_i64 = most <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max())};
}

/// `values` as they stand in a column of `type`.
inline ValueFacts facts_of_run(ColumnType type, std::span<const int64_t> values) {
  if (!is_integer(type) && type != ColumnType::kTimeUs) {
    return {};
  }
  if (type == ColumnType::kU64) {
    uint64_t most = 0;
    for (const int64_t value : values) {
      most = std::max(most, static_cast<uint64_t>(value));
    }
    return facts_of_unsigned(most);
  }
  int64_t least = 0;
  int64_t most = 0;
  for (const int64_t value : values) {
    least = std::min(least, value);
    most = std::max(most, value);
  }
  return type == ColumnType::kTimeUs ? facts_of_times(least, most) : facts_of_integers(least, most);
}

}  // namespace millrace::columnar
