// A table's columns and types, how a batch changes them, and batches brought into their form.
#pragma once

#include "base/result.h"
#include "columnar/column_batch.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::columnar {

struct SchemaColumn {
  std::string name;
  ColumnType type = ColumnType::kNull;
  bool is_tag = false;
  ValueFacts facts;  // of every value admitted so far

  bool operator==(const SchemaColumn&) const = default;
};

/// Ordered columns; a name appears once. Columns are only added, at the end, and only widen.
class Schema {
 public:
  Schema() = default;
  /// Errors: kInvalid (a name twice, a name empty or longer than kMostNameBytes, more than
  /// kMostColumns, a tag that is not a string).
  static Result<Schema> make(std::vector<SchemaColumn> columns);

  const std::vector<SchemaColumn>& columns() const { return columns_; }

  std::optional<size_t> find(std::string_view name) const;

  bool operator==(const Schema& other) const { return columns_ == other.columns_; }

 private:
  std::vector<SchemaColumn> columns_;
  std::vector<uint32_t> by_name_;  // places in columns_, sorted by name
};

/// A column whose rows so far must be converted before they can stand beside the new ones.
struct Widening {
  size_t column = 0;  // its place, the same in both schemas
  ColumnType from = ColumnType::kNull;
  ColumnType to = ColumnType::kNull;
};

/// What a batch does to a schema.
struct SchemaChange {
  /// The schema that has room for the batch; none: the current one has. It also differs when only
  /// facts changed (the first integer beyond 2^53, say), which later batches are judged by.
  std::optional<Schema> schema;
  std::vector<Widening> widened;
  size_t added = 0;  // new columns at the end
};

/// Judges `batch` by the rules of `widened`. A column missing from the batch stays as it is; a
/// column once marked as a tag stays one. Changes nothing itself.
/// Errors: kInvalid naming column, both types and the first row (from 0) in the way; kInvalid when
/// there would be more than kMostColumns.
Result<SchemaChange> admit(const Schema& current, const ColumnBatch& batch);

/// `batch` with exactly the columns of `schema`, in its order and types; what it lacks is null.
/// Columns that need no conversion share their memory.
/// Errors: kInvalid naming the column that the schema lacks or whose values do not fit: never for a
/// batch that was admitted to it or to a schema before it.
Result<ColumnBatch> convert(const ColumnBatch& batch, const Schema& schema);

}  // namespace millrace::columnar
