// A columnar write: {"m": name, "columns": {name: [values], ...}} in MessagePack.
#pragma once

#include "base/result.h"
#include "columnar/column_batch.h"
#include "columnar/time_column.h"

#include <cstddef>
#include <span>

namespace millrace::columnar {

/// Stands with every logged payload: a replay decodes it by the same rules. Raise it when a body
/// would give other rows than before.
inline constexpr int kMsgpackDecoderVersion = 1;

/// Decodes one request in one pass, all of it or nothing.
///
/// `body` is exactly one map. "m" and "columns" each stand once, in any order; other keys are
/// skipped whatever they hold, as peers do. A column is an array of nil, bool, integers, floats and
/// strings (UTF-8), all columns of one length, 0 rows allowed. Within a column types meet by the
/// rules of `widened`; integers are i64 unless one is above 2^63-1, then u64. All nil: type null.
/// The column "time" holds integers only, their unit by `unify_by_magnitude`; no nil, since a row
/// without a time has no place, and no floats, since a double cuts nanoseconds. Without it every
/// row has the time of `arrival`, in a last column.
///
/// Memory: at most 8 bytes a byte of `body`, and no allocation per value. The batch does not point
/// into `body`.
/// Errors: kInvalid naming the byte in `body` and, where there are, column and row (from 0).
Result<MeasurementBatch> decode_msgpack(std::span<const std::byte> body, ArrivalTime arrival);

}  // namespace millrace::columnar
