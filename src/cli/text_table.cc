#include "cli/text_table.h"

#include "cli/display_width.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace millrace::cli {
namespace {

constexpr size_t kLeastCut = 8;  // columns that a cut cell keeps

std::vector<std::string> lines_of(std::string_view cell) {
  std::vector<std::string> lines;
  while (cell.ends_with('\n')) {
    cell.remove_suffix(1);
  }
  while (true) {
    const size_t end = std::min(cell.find('\n'), cell.size());
    lines.push_back(make_printable(cell.substr(0, end)));
    if (end == cell.size()) {
      return lines;
    }
    cell.remove_prefix(end + 1);
  }
}

std::string_view separator_of(TableLines lines) {
  return lines == TableLines::kRuled ? " | " : "  ";
}

/// The largest `cap` such that columns cut to it take at most `room`; none is cut below its least.
size_t cap_for(size_t room, const std::vector<size_t>& natural, const std::vector<size_t>& least) {
  size_t low = 1;
  size_t high = std::max<size_t>(1, *std::ranges::max_element(natural));
  while (low < high) {
    const size_t cap = low + (high - low + 1) / 2;
    size_t used = 0;
    for (size_t i = 0; i < natural.size(); ++i) {
      used += std::max(least[i], std::min(natural[i], cap));
    }
    if (used <= room) {
      low = cap;
    } else {
      high = cap - 1;
    }
  }
  return low;
}

}  // namespace

TextTable::TextTable(std::vector<TableColumn> columns, TableLines lines)
    : columns_(std::move(columns)), lines_(lines) {
  for (TableColumn& column : columns_) {
    std::ranges::replace(column.name, '\n', ' ');
    column.name = make_printable(column.name);
  }
}

void TextTable::add(const std::vector<std::string>& cells) {
  Row row;
  row.reserve(cells.size());
  for (const std::string& cell : cells) {
    row.push_back(lines_of(cell));
  }
  row.resize(columns_.size());
  rows_.push_back(std::move(row));
}

std::vector<size_t> TextTable::natural_widths() const {
  std::vector<size_t> widths;
  for (size_t i = 0; i < columns_.size(); ++i) {
    size_t width = std::max<size_t>(1, display_width(columns_[i].name));
    for (const Row& row : rows_) {
      for (const std::string& line : row[i]) {
        width = std::max(width, display_width(line));
      }
    }
    widths.push_back(width);
  }
  return widths;
}

std::vector<size_t> TextTable::fitted_widths(size_t width) const {
  std::vector<size_t> natural = natural_widths();
  const size_t between = separator_of(lines_).size() * (columns_.size() - 1);
  const size_t used = std::accumulate(natural.begin(), natural.end(), between);
  if (width == 0 || used <= width) {
    return natural;
  }
  std::vector<size_t> least;
  least.reserve(columns_.size());
  for (size_t i = 0; i < columns_.size(); ++i) {
    least.push_back(columns_[i].may_cut ? std::min(natural[i], kLeastCut) : natural[i]);
  }
  const size_t cap = cap_for(width > between ? width - between : 1, natural, least);
  for (size_t i = 0; i < natural.size(); ++i) {
    natural[i] = std::max(least[i], std::min(natural[i], cap));
  }
  return natural;
}

void TextTable::append_row(std::string& out, const Row& row,
                           const std::vector<size_t>& widths) const {
  size_t height = 1;
  for (const auto& cell : row) {
    height = std::max(height, cell.size());
  }
  for (size_t line = 0; line < height; ++line) {
    size_t blanks = 0;  // held back, so that no line ends in blanks
    for (size_t i = 0; i < row.size(); ++i) {
      if (i > 0) {
        out.append(blanks, ' ').append(separator_of(lines_));
        blanks = 0;
      }
      const std::string text = line < row[i].size() ? cut_to(row[i][line], widths[i]) : "";
      const size_t missing = widths[i] - display_width(text);
      if (columns_[i].is_right) {
        out.append(missing, ' ').append(text);
      } else {
        out.append(text);
        blanks = missing;
      }
    }
    out.resize(out.find_last_not_of(' ') + 1);
    out += '\n';
  }
}

std::string TextTable::format(size_t width) const {
  std::string out;
  if (columns_.empty()) {
    return out;
  }
  const std::vector<size_t> widths = fitted_widths(width);
  Row names;
  for (const TableColumn& column : columns_) {
    names.push_back({column.name});
  }
  append_row(out, names, widths);
  if (lines_ == TableLines::kRuled) {
    for (size_t i = 0; i < widths.size(); ++i) {
      out.append(i > 0 ? "-+-" : "").append(widths[i], '-');
    }
    out += '\n';
  }
  for (const Row& row : rows_) {
    append_row(out, row, widths);
  }
  return out;
}

}  // namespace millrace::cli
