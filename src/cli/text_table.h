// Rows in columns, for people.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::cli {

struct TableColumn {
  std::string name;
  bool is_right = false;  // numbers
  bool may_cut = true;    // a number that lost its end would be another number
};

/// How columns are told apart.
enum class TableLines : uint8_t {
  kNone,   // two blanks between: lists of ours
  kRuled,  // "a | b" and a ruler below the names: results of SQL
};

/// Collects rows, then lays them out:
///   time                 | host | usage
///   ---------------------+------+------
///   2026-01-31T12:00:00Z | a    |   1.5
class TextTable {
 public:
  TextTable(std::vector<TableColumn> columns, TableLines lines);

  /// One cell a column, UTF-8; missing ones are empty, surplus ones left out. A cell of several
  /// lines takes as many lines of the table; other control characters are shown as escapes.
  void add(const std::vector<std::string>& cells);

  /// `width`: columns of the terminal; long cells are cut with an ellipsis, the longest columns
  /// first, so that lines fit if that is possible. 0: nothing is cut.
  std::string format(size_t width) const;

  size_t rows() const { return rows_.size(); }

 private:
  using Row = std::vector<std::vector<std::string>>;  // lines of each cell

  std::vector<size_t> natural_widths() const;
  std::vector<size_t> fitted_widths(size_t width) const;
  void append_row(std::string& out, const Row& row, const std::vector<size_t>& widths) const;

  std::vector<TableColumn> columns_;
  TableLines lines_;
  std::vector<Row> rows_;
};

}  // namespace millrace::cli
