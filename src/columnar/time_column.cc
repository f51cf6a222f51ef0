#include "columnar/time_column.h"

#include <algorithm>

namespace millrace::columnar {
namespace {

constexpr uint64_t kSecondsBelow = 10'000'000'000;
constexpr uint64_t kMillisecondsBelow = 10'000'000'000'000;
constexpr uint64_t kMicrosecondsBelow = 10'000'000'000'000'000;

uint64_t magnitude(int64_t value) {
  return value < 0 ? 0 - static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
}

bool is_nanoseconds(int64_t value) {
  return magnitude(value) >= kMicrosecondsBelow;
}

/// Of a value whose magnitude says it is not nanoseconds; at most 1e16 either side.
int64_t to_microseconds(int64_t value) {
  const uint64_t size = magnitude(value);
  return size < kSecondsBelow        ? value * 1'000'000
         : size < kMillisecondsBelow ? value * 1000
                                     : value;
}

constexpr std::string_view kOutsideNs = "nanoseconds outside 1677-09-22 to 2262-04-11";

TimeUnit unify_to_nanoseconds(std::span<int64_t> values) {
  for (size_t row = 0; row < values.size(); ++row) {
    int64_t& value = values[row];
    const bool is_outside =
        !is_nanoseconds(value) && __builtin_mul_overflow(to_microseconds(value), 1000, &value);
    if (is_outside || !is_in_ns_range(value)) {
      return {
          .type = ColumnType::kTimeNs,
          .row_outside = row,
          .outside = "outside 1677-09-22 to 2262-04-11, in a request with times in nanoseconds"};
    }
  }
  return {.type = ColumnType::kTimeNs};
}

TimeUnit unify_by_precision(std::span<int64_t> values, Precision precision) {
  if (precision == Precision::kNs) {
    const auto outside = std::ranges::find_if_not(values, is_in_ns_range);
    if (outside != values.end()) {
      return {.row_outside = static_cast<size_t>(outside - values.begin()), .outside = kOutsideNs};
    }
    return {.type = narrow_nanoseconds(values)};
  }
  const int64_t us = nanoseconds_in(precision) / 1000;
  for (size_t row = 0; row < values.size(); ++row) {
    int64_t& value = values[row];
    if (__builtin_mul_overflow(value, us, &value) || value < kFirstSecond * 1'000'000 ||
        value >= (kLastSecond + 1) * 1'000'000) {
      return {.row_outside = row, .outside = "a time outside the years 1 to 9999"};
    }
  }
  return {};
}

TimeUnit unify_by_magnitude(std::span<int64_t> values) {
  // What nearly every batch is: microseconds after 1970-04-26 throughout.
  const bool is_all_microseconds = std::ranges::all_of(values, [](int64_t value) {
    return static_cast<uint64_t>(value) - kMillisecondsBelow <
           kMicrosecondsBelow - kMillisecondsBelow;
  });
  if (is_all_microseconds) {
    return {};
  }
  const auto outside = std::ranges::find_if(
      values, [](int64_t value) { return is_nanoseconds(value) && !is_in_ns_range(value); });
  if (outside != values.end()) {
    return {.row_outside = static_cast<size_t>(outside - values.begin()), .outside = kOutsideNs};
  }
  const bool needs_nanoseconds = std::ranges::any_of(
      values, [](int64_t value) { return is_nanoseconds(value) && value % 1000 != 0; });
  if (needs_nanoseconds) {
    return unify_to_nanoseconds(values);
  }
  for (int64_t& value : values) {
    value = is_nanoseconds(value) ? value / 1000 : to_microseconds(value);
  }
  return {};
}

}  // namespace

Result<int64_t> nanoseconds_of(ArrivalTime arrival) {
  int64_t ns = 0;
  if (__builtin_mul_overflow(arrival.time_since_epoch().count(), int64_t{1000}, &ns) ||
      !is_in_ns_range(ns)) {
    return make_error(Code::kInvalid,
                      "the request came at {} us, which is outside 1677-09-22 to 2262-04-11",
                      arrival.time_since_epoch().count());
  }
  return ns;
}

TimeUnit unify_times(std::span<int64_t> values, std::optional<Precision> precision) {
  return precision ? unify_by_precision(values, *precision) : unify_by_magnitude(values);
}

ColumnType narrow_nanoseconds(std::span<int64_t> values) {
  if (std::ranges::any_of(values, [](int64_t value) { return value % 1000 != 0; })) {
    return ColumnType::kTimeNs;
  }
  for (int64_t& value : values) {
    value /= 1000;
  }
  return ColumnType::kTimeUs;
}

Column time_column(bytes::MutableBuffer values, size_t rows, ColumnType type) {
  return {.name = std::string(kTimeName),
          .type = type,
          .values = std::move(values).freeze(rows * sizeof(int64_t))};
}

Column arrival_column(ArrivalTime arrival, size_t rows) {
  bytes::MutableBuffer values = bytes::MutableBuffer::of_size(rows * sizeof(int64_t));
  std::fill_n(reinterpret_cast<int64_t*>(values.data()), rows, arrival.time_since_epoch().count());
  return time_column(std::move(values), rows, ColumnType::kTimeUs);
}

}  // namespace millrace::columnar
