// One array of a columnar MessagePack write, straight into a column.
#pragma once

#include "base/result.h"
#include "columnar/column_batch.h"
#include "columnar/msgpack_reader.h"
#include "columnar/precision.h"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::columnar {

/// "column "v", row 3, byte 57: ", the front of every message about a value.
std::string place_of(std::string_view column, size_t row, size_t byte);

/// Reads `rows` values, the elements of an array whose head was read. `name` is valid UTF-8.
/// Errors: kInvalid as decode_msgpack has them.
Result<Column> read_column(MsgpackReader& reader, std::string_view name, size_t rows);

/// The same of the column "time".
Result<Column> read_time_column(MsgpackReader& reader, size_t rows,
                                std::optional<Precision> precision);

}  // namespace millrace::columnar
