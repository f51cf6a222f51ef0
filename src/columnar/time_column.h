// Times as clients write them, brought into one column of microseconds or nanoseconds.
#pragma once

#include "base/result.h"
#include "columnar/column_batch.h"
#include "columnar/precision.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>

namespace millrace::columnar {

/// When a request arrived: the time of rows that name none. In microseconds, so that it never turns
/// a column into nanoseconds.
using ArrivalTime = std::chrono::sys_time<std::chrono::microseconds>;

/// Errors: kInvalid, outside 1677 to 2262.
Result<int64_t> nanoseconds_of(ArrivalTime arrival);

/// The years that ISO 8601 writes with four digits, from 1 on, in seconds since 1970.
inline constexpr int64_t kFirstSecond = -62'135'596'800;
inline constexpr int64_t kLastSecond = 253'402'300'799;

struct TimeUnit {
  ColumnType type = ColumnType::kTimeUs;
  /// Set: this row's time is outside what can be; values are undefined.
  std::optional<size_t> row_outside;
  std::string_view outside;  // of that row, for people: "nanoseconds outside 1677-09-22 to ..."
};

/// Integers of a unit, or of one that is read from the size of each: below 1e10 (either side of 0)
/// seconds, below 1e13 milliseconds, below 1e16 microseconds, else nanoseconds. Rewrites them all
/// to microseconds, or, if some nanosecond value is not a whole microsecond, all to nanoseconds.
/// Exact either way. Times are of the years 1 to 9999, of 1677 to 2262 with nanoseconds.
TimeUnit unify_times(std::span<int64_t> values, std::optional<Precision> precision);

/// Nanoseconds to microseconds if all are whole ones; otherwise they stay.
ColumnType narrow_nanoseconds(std::span<int64_t> values);

/// Times named `kTimeName`, of a type narrowed or unified above.
Column time_column(bytes::MutableBuffer values, size_t rows, ColumnType type);

/// `rows` times the arrival, in microseconds.
Column arrival_column(ArrivalTime arrival, size_t rows);

}  // namespace millrace::columnar
