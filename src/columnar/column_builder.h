// Builds one column of values as they come, widening it by the rules of column_type.h.
#pragma once

#include "bytes/buffer.h"
#include "columnar/column_batch.h"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::columnar {

/// One value on its way into a column.
struct Value {
  ColumnType type = ColumnType::kNull;
  uint64_t bits = 0;      // as the column will hold it
  std::string_view text;  // of a string, or binary

  static Value of_bool(bool value) { return {ColumnType::kBool, value ? 1U : 0U, {}}; }

  static Value of_i64(int64_t value) {
    return {ColumnType::kI64, static_cast<uint64_t>(value), {}};
  }

  static Value of_u64(uint64_t value) { return {ColumnType::kU64, value, {}}; }

  static Value of_f64(double value) {
    return {ColumnType::kF64, std::bit_cast<uint64_t>(value), {}};
  }

  static Value of_string(std::string_view value) { return {ColumnType::kString, 0, value}; }

  static Value of_binary(std::string_view value) { return {ColumnType::kBinary, 0, value}; }
};

/// Values are appended one by one, or written in runs: ask for room with reserve, write behind the
/// last row, then say how many with advance. Not for two threads.
class ColumnBuilder {
 public:
  ColumnType type() const { return type_; }

  size_t rows() const { return rows_; }

  /// Room for `rows` rows in all, and `string_bytes` bytes of strings if it becomes a string
  /// column.
  void reserve(size_t rows, size_t string_bytes);

  void append_nulls(size_t count);
  /// Takes the value, widening the column if the rules allow it. false: they do not, and the column
  /// is as before. A string must be valid UTF-8 and leave string_bytes() within kMostStringBytes,
  /// as must binary.
  bool append(const Value& value);
  /// What append would answer.
  bool can_take(const Value& value);
  /// Why it would be false, for people: "f64 does not fit a column of string".
  std::string refusal_of(const Value& value) const;

  // --- runs; the column must be of such a type already and have the room ---

  /// Rows that fit without growing.
  size_t room() const { return capacity_ - rows_; }

  /// Behind the last value; not for strings.
  std::byte* next_slot() { return values_.data() + (rows_ * width_of(type_)); }

  /// Behind the last row of a column of strings: where the end of its string goes.
  int32_t* next_end() { return reinterpret_cast<int32_t*>(ends_.data()) + rows_ + 1; }

  size_t string_bytes() const { return string_bytes_; }

  /// Where the next string goes: at least `bytes`, or all that is there. May move earlier strings.
  std::span<char> string_room(size_t bytes);
  /// `count` rows were written, and these bytes of strings.
  void advance(size_t count, size_t string_bytes = 0);

  /// The strings so far, joined.
  std::string_view strings() {
    return {reinterpret_cast<const char*>(values_.data()), string_bytes_};
  }

  Column finish(std::string name, bool is_tag) &&;

 private:
  void grow(size_t rows);
  void become(ColumnType type);
  void push(const Value& value);
  void note_validity(size_t count, bool is_valid);
  const ValueFacts& facts();

  ColumnType type_ = ColumnType::kNull;
  size_t rows_ = 0;
  size_t null_count_ = 0;
  size_t capacity_ = 0;         // rows; may be wishes while the type is null
  size_t string_capacity_ = 0;  // bytes
  size_t string_bytes_ = 0;
  bytes::MutableBuffer values_;
  bytes::MutableBuffer ends_;        // Column::offsets
  std::vector<std::byte> validity_;  // empty until the first null beside a value
  ValueFacts facts_;                 // of the first facts_rows_ rows
  size_t facts_rows_ = 0;
};

}  // namespace millrace::columnar
