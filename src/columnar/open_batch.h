// The rows of one measurement while they come, column by column.
#pragma once

#include "base/result.h"
#include "columnar/column_batch.h"
#include "columnar/column_builder.h"
#include "columnar/row.h"
#include "columnar/schema.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace millrace::columnar {

/// For names that are looked up without a copy.
struct TextHash {
  using is_transparent = void;  // NOLINT(readability-identifier-naming): the standard's name

  size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
};

using Places = std::unordered_map<std::string, size_t, TextHash, std::equal_to<>>;

class OpenBatch {
 public:
  /// `schema`: the table's; nullptr where it is new.
  explicit OpenBatch(const Schema* schema) : schema_(schema) {}

  size_t rows() const { return times_.size(); }

  size_t columns() const { return columns_.size() + 1; }

  /// Where each pair of the row goes; a place at or beyond the end is a column to be made.
  /// Returns what is wrong with the row, if anything.
  std::optional<std::string> place(const Row& row, std::vector<size_t>& places);

  /// Why a time cannot go into the table's column of times.
  std::optional<std::string> refusal_of_time(int64_t time_ns) const;

  /// A row that was placed.
  void append(const Row& row, const std::vector<size_t>& places, int64_t time_ns);

  /// The time is column 0, then the columns by first appearance.
  ColumnBatch finish() &&;

 private:
  struct OpenColumn {
    std::string name;
    bool is_tag = false;
    const SchemaColumn* known = nullptr;  // as the table has it
    ColumnBuilder values;                 // may be some rows short: they are null
  };

  std::optional<std::string> refusal_of(const RowPair& pair, size_t place);
  size_t find(std::string_view name, size_t guess) const;
  const SchemaColumn* find_known(std::string_view name) const;

  const Schema* schema_;
  std::vector<OpenColumn> columns_;
  Places by_name_;
  std::vector<int64_t> times_;  // nanoseconds
};

}  // namespace millrace::columnar
