// InfluxDB line protocol, line by line:  measurement,tag=value field=value,field="text" 1700000000
// https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/
#pragma once

#include "columnar/precision.h"
#include "columnar/row.h"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::columnar {

/// Walks over a body that it does not own.
///
/// Escapes are as Influx has them: a backslash before comma or space in a measurement, before
/// comma, space or equals sign in tags and field keys, before quote or backslash in a quoted
/// string; any other backslash is itself. Quotes mean something only at the front of a field's
/// value. A quoted string may hold newlines; if it is never closed, its line ends at the first
/// newline after all.
class LineParser {
 public:
  LineParser(std::string_view body, Precision precision);

  enum class Outcome : uint8_t { kLine, kError, kEnd };

  /// The next line that is not blank and no comment. After kError the reason is in error(), and the
  /// line is passed.
  Outcome next(Row& line);

  /// The number of the line read last, where it begins, from 1.
  size_t line_number() const { return line_number_; }

  const std::string& error() const { return error_; }

  /// The line read last, without its newline.
  std::string_view text() const { return text_; }

 private:
  /// What ends a word and what a backslash may stand before.
  struct Word {
    std::string_view stops;
    std::string_view escapes;
  };

  bool parse_line(Row& line);
  bool parse_tags(Row& line);
  bool parse_fields(Row& line);
  bool parse_value(RowPair& pair);
  bool parse_string(RowPair& pair);
  bool parse_plain_value(RowPair& pair);
  bool parse_time(Row& line);
  bool parse_key(RowPair& pair, std::string_view what);
  bool check_names(const Row& line);
  bool fail(std::string message);

  std::string_view word(const Word& rules);
  std::string_view unescaped(std::string_view raw, std::string_view escapes);
  size_t end_of_string(size_t from) const;
  size_t end_of_line() const;
  bool skip_to_line();
  void pass_line(size_t end);
  void skip_spaces();
  bool is_line_end(size_t at) const;

  bool at(char c) const { return at_ < body_.size() && body_[at_] == c; }

  std::string_view body_;
  Precision precision_;
  bool is_utf8_;  // all of the body: no line needs to be looked at
  size_t at_ = 0;
  size_t start_ = 0;               // of the line
  size_t line_number_ = 0;         // of the line at start_
  size_t next_number_ = 1;         // of the line after it
  std::deque<std::string> words_;  // unescaped ones; the first words_used_ are this line's
  size_t words_used_ = 0;
  std::string error_;
  std::string_view text_;
  std::vector<std::string_view> names_;
};

}  // namespace millrace::columnar
