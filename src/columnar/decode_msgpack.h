// A write in MessagePack: columns, rows, or a batch of them.
#pragma once

#include "base/result.h"
#include "columnar/column_batch.h"
#include "columnar/msgpack_rules.h"

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace millrace::columnar {

struct MsgpackBatches {
  /// One a measurement, in the order of their first rows.
  std::vector<MeasurementBatch> batches;
  /// Beside each batch a body of its rows alone; empty where that is the whole body.
  std::vector<std::string> payloads;
};

/// Decodes one request, all of it or nothing. Its forms are those of Arc
/// (https://docs.basekick.net/arc):
///
/// - columns: {"m": measurement, "columns": {name: [values], ...}, "tag_keys": [names]}
/// - a row: {"m": measurement, "t": time, "h": host, "tags": {...}, "fields": {...}}, or instead of
///   fields "f": [values], called field_0, field_1, ...
/// - a batch: {"batch": [columns or rows]}, or the array alone
///
/// A measurement that is an integer n is called measurement_n. Keys come in any order; others are
/// refused. Values are nil, bool, integers, floats, strings (UTF-8), binary and timestamps
/// (extension -1, the years 1 to 9999). Within a column types meet by the rules of `widened`;
/// integers are i64 unless one is above 2^63-1, then u64; timestamps are time_us, and time_ns where
/// one has nanoseconds. All nil: null. A row's time is a timestamp, or an integer of the rules'
/// precision, or of a unit that is read from its size; without one it is that of the arrival.
///
/// Columns have one length, 0 rows allowed. Their "time" holds no nil, since a row without a time
/// has no place, and no floats, since a double cuts nanoseconds. A name of tag_keys makes a column
/// of strings a tag; one that no column has says nothing.
///
/// Tags of a row are strings; numbers and bools are written as such, nil is none. "h" is the tag
/// "host" and goes before one of that name. A field called as a tag of its row becomes NAME_value.
/// Times of rows, and of columns in a batch, are within 1677 to 2262.
///
/// Memory: at most 8 bytes a byte of `body` for one map of columns, that of OpenBatches for the
/// rest. Batches do not point into `body`.
/// Errors: kInvalid naming the byte in `body` and, where there are, item, column and row (from 0).
Result<MsgpackBatches> decode_msgpack(std::span<const std::byte> body, const MsgpackRules& rules);

}  // namespace millrace::columnar
