// Batches of rows that tell their number, for tests.
#pragma once

#include "columnar/column_batch.h"
#include "columnar/column_builder.h"
#include "columnar/schema.h"
#include "tables/hot_chunk.h"

#include <cstdint>
#include <string>
#include <vector>

namespace millrace::tables {

inline columnar::Column times(const std::vector<int64_t>& values,
                              columnar::ColumnType type = columnar::ColumnType::kTimeUs) {
  columnar::ColumnBuilder builder;
  for (const int64_t value : values) {
    builder.append(columnar::Value::of_i64(value));
  }
  auto column = std::move(builder).finish("time", false);
  column.type = type;
  return column;
}

inline columnar::Column integers(const std::string& name, const std::vector<int64_t>& values) {
  columnar::ColumnBuilder builder;
  for (const int64_t value : values) {
    builder.append(columnar::Value::of_i64(value));
  }
  return std::move(builder).finish(name, false);
}

inline columnar::Column doubles(const std::string& name, const std::vector<double>& values) {
  columnar::ColumnBuilder builder;
  for (const double value : values) {
    builder.append(columnar::Value::of_f64(value));
  }
  return std::move(builder).finish(name, false);
}

/// An empty text is null.
inline columnar::Column texts(const std::string& name, const std::vector<std::string>& values,
                              bool is_tag = false) {
  columnar::ColumnBuilder builder;
  for (const std::string& value : values) {
    if (value.empty()) {
      builder.append_nulls(1);
    } else {
      builder.append(columnar::Value::of_string(value));
    }
  }
  return std::move(builder).finish(name, is_tag);
}

/// The first column is the time.
inline columnar::ColumnBatch batch_of(std::vector<columnar::Column> columns, size_t rows) {
  return {.columns = std::move(columns), .rows = rows, .time_column = 0};
}

/// The schema after `batch` was admitted to `before`.
inline SchemaPtr admitted(const SchemaPtr& before, const columnar::ColumnBatch& batch) {
  const auto change = columnar::admit(before ? before->schema : columnar::Schema(), batch);
  if (!change->schema) {
    return before;
  }
  return std::make_shared<SchemaVersion>(
      SchemaVersion{before ? before->version + 1 : 1, *change->schema});
}

}  // namespace millrace::tables
