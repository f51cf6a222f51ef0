// Line protocol into columns: the rows of each measurement as one batch.
#pragma once

#include "base/result.h"
#include "columnar/column_batch.h"
#include "columnar/line_protocol_parser.h"
#include "columnar/open_batches.h"
#include "columnar/time_column.h"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::columnar {

/// Stands with every logged payload: a replay decodes it by the same rules. Raise it when a body
/// would give other rows than before.
inline constexpr int kLineProtocolDecoderVersion = 1;

/// Errors told one by one; the rest are counted.
inline constexpr size_t kMostLineErrors = 100;

struct LineError {
  size_t line = 0;  // where it begins, from 1
  std::string message;
};

struct LineProtocolBatches {
  /// In the order of their first good line. The time is column 0, then tags (is_tag) and fields by
  /// first appearance; what a line does not name is null.
  std::vector<MeasurementBatch> batches;
  /// Beside each batch its good lines, as they stand in the body, without their newlines.
  std::vector<std::vector<std::string_view>> lines;
  size_t rows = 0;
  std::vector<LineError> errors;  // the first kMostLineErrors of error_count
  size_t error_count = 0;
};

/// Takes every good line and reports every bad one; blank lines and comments are neither. A line is
/// taken whole or not at all. Bad is also a value whose type clashes, by the rules of `widened`,
/// with earlier lines of its measurement or with the columns that `schema_of` says it has, and a
/// name used as tag and as field there. 1i is i64, 1u is u64, a plain number f64. Times are exact;
/// a measurement's are microseconds unless some are not whole ones. A line without one has the time
/// of `arrival`.
///
/// Memory: that of OpenBatches; batches do not point into `body`.
/// Errors: kInvalid when `body` is longer than kMostStringBytes, or when `arrival` has no
/// nanoseconds of 64 bits.
Result<LineProtocolBatches> decode_line_protocol(std::string_view body, Precision precision,
                                                 ArrivalTime arrival,
                                                 const SchemaLookup& schema_of = {});

}  // namespace millrace::columnar
