// A result column's type, taken apart once, so that rows are written without asking DuckDB again.
#pragma once

#include "query/duck.h"

#include <cstdint>
#include <string>
#include <vector>

namespace millrace::query {

/// Immutable once made.
struct ResultType {
  duckdb_type id = DUCKDB_TYPE_INVALID;
  duckdb_type storage = DUCKDB_TYPE_INVALID;  // decimals, enums: the integer that holds a value
  uint8_t width = 0;                          // of a decimal
  uint8_t scale = 0;
  uint64_t array_size = 0;
  std::vector<std::string> labels;   // of an enum; names of the members of a struct or union
  std::vector<ResultType> children;  // list, array: 1; map: key, value; struct, union: the members

  static ResultType of(duckdb_logical_type type);

  /// As SQL has it: "BIGINT", "DECIMAL(18,3)", "STRUCT(a INTEGER, b VARCHAR[])".
  std::string to_string() const;
};

/// One vector of a chunk with its children, ready to be read.
struct ResultVector {
  const ResultType* type = nullptr;
  const void* data = nullptr;
  const uint64_t* validity = nullptr;
  std::vector<ResultVector> children;  // a map's: key, value; a union's: tag, then the members

  static ResultVector of(const ResultType& type, duckdb_vector vector);

  bool is_null(uint64_t row) const {
    return type->id == DUCKDB_TYPE_SQLNULL ||
           (validity != nullptr && (validity[row / 64] >> (row % 64) & 1) == 0);
  }

  template <typename T>
  T at(uint64_t row) const {
    return static_cast<const T*>(data)[row];
  }

  /// Not a copy: a short string's bytes are within.
  const duckdb_string_t& text(uint64_t row) const {
    return static_cast<const duckdb_string_t*>(data)[row];
  }
};

}  // namespace millrace::query
