// Rows as columns: what the decoders make, the schema admits and the tables keep.
#pragma once

#include "bytes/buffer.h"
#include "columnar/column_type.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::columnar {

/// Limits of one batch, so that a small request cannot ask for much memory.
inline constexpr size_t kMostColumns = 4096;
inline constexpr size_t kMostNameBytes = 1024;
/// Strings are addressed by 32 bits, with sign as in Arrow.
inline constexpr size_t kMostStringBytes = (size_t{1} << 31) - 1;

/// One column of values in contiguous memory. Immutable; copies share the memory.
struct Column {
  std::string name;
  ColumnType type = ColumnType::kNull;
  bool is_tag = false;    // names a series; always of type string or null
  size_t null_count = 0;  // in a column of type null: all its rows
  /// width_of(type) bytes a row, host order, a bool as 0 or 1; the bytes of all strings or binary
  /// values, joined; nothing for type null. Where there is no value: zero, and no bytes of these.
  bytes::Buffer values;
  bytes::Buffer offsets;  // has_offsets(type): rows + 1 of int32_t, the first of them 0
  bytes::Buffer
      validity;  // bit i % 8 of byte i / 8 is set where row i has a value; empty: all have

  bool is_null(size_t row) const {
    if (type == ColumnType::kNull) {
      return true;
    }
    return !validity.empty() &&
           (static_cast<unsigned>(validity.data()[row / 8]) >> (row % 8) & 1) == 0;
  }

  /// The values as T, one for each row; T must be as the type says (times are int64_t).
  template <typename T>
  std::span<const T> values_as() const {
    return {reinterpret_cast<const T*>(values.data()), values.size() / sizeof(T)};
  }

  /// Of a column of strings or binary; empty where there is none. Points into `values`.
  std::string_view text(size_t row) const {
    const auto* at = reinterpret_cast<const int32_t*>(offsets.data()) + row;
    return bytes::as_text(values.span())
        .substr(static_cast<size_t>(at[0]),
                static_cast<size_t>(at[1]) - static_cast<size_t>(at[0]));
  }
};

/// Columns of one length, their names different from one another. Immutable once made.
struct ColumnBatch {
  std::vector<Column> columns;
  size_t rows = 0;  // may be 0
  /// Which column is the rows' time: of a time type and without nulls. Every batch has one.
  size_t time_column = 0;

  const Column& time() const { return columns[time_column]; }

  /// nullptr when there is none. Looks at one after another.
  const Column* find(std::string_view name) const;

  /// Memory that the values take, for budgets.
  size_t size_bytes() const;
};

/// What a write request says about one measurement.
struct MeasurementBatch {
  std::string measurement;  // 1 to kMostNameBytes bytes of UTF-8
  ColumnBatch batch;
};

/// The name of the column that is the rows' time.
inline constexpr std::string_view kTimeName = "time";

/// Goes over the values; cheap for types of which nothing can be said.
ValueFacts facts_of(const Column& column);

/// A column of `rows` nulls.
Column null_column(std::string name, ColumnType type, size_t rows);

/// `column` as `type`, sharing memory where the bits stay the same. nullopt if some value would
/// change: `widened` must allow it.
std::optional<Column> converted(const Column& column, ColumnType type, size_t rows);

}  // namespace millrace::columnar
