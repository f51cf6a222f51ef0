// Times as clients write them, brought into one column of microseconds or nanoseconds.
#pragma once

#include "base/result.h"
#include "columnar/column_batch.h"

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

struct TimeUnit {
  ColumnType type = ColumnType::kTimeUs;
  /// Set: this row is nanoseconds outside their range, or the column needs nanoseconds and the row
  /// is outside. Values are undefined.
  std::optional<size_t> row_outside;
};

/// Each value's unit is read from its size: below 1e10 (either side of 0) seconds, below 1e13
/// milliseconds, below 1e16 microseconds, else nanoseconds. Rewrites them all to microseconds, or,
/// if some nanosecond value is not a whole microsecond, all to nanoseconds. Exact either way.
TimeUnit unify_by_magnitude(std::span<int64_t> values);

/// Nanoseconds to microseconds if all are whole ones; otherwise they stay.
ColumnType narrow_nanoseconds(std::span<int64_t> values);

/// Times named `kTimeName`, of a type narrowed or unified above.
Column time_column(bytes::MutableBuffer values, size_t rows, ColumnType type);

/// `rows` times the arrival, in microseconds.
Column arrival_column(ArrivalTime arrival, size_t rows);

}  // namespace millrace::columnar
