// Columns as text, for tests.
#pragma once

#include "columnar/column_batch.h"

#include <string>

namespace millrace::columnar {

/// "i64 5 null -7", "string 'a' 'b'".
inline std::string shown(const Column& column, size_t rows) {
  std::string text(name_of(column.type));
  for (size_t row = 0; row < rows; ++row) {
    if (column.is_null(row)) {
      text += " null";
    } else if (column.type == ColumnType::kBool) {
      text += column.values_as<uint8_t>()[row] != 0 ? " true" : " false";
    } else if (column.type == ColumnType::kF64) {
      text += fmt::format(" {}", column.values_as<double>()[row]);
    } else if (column.type == ColumnType::kU64) {
      text += fmt::format(" {}", column.values_as<uint64_t>()[row]);
    } else if (has_offsets(column.type)) {
      text += fmt::format(" '{}'", column.text(row));
    } else {
      text += fmt::format(" {}", column.values_as<int64_t>()[row]);
    }
  }
  return text;
}

}  // namespace millrace::columnar
