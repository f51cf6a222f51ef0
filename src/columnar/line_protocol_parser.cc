#include "columnar/line_protocol_parser.h"

#include "columnar/line_protocol_value.h"
#include "columnar/utf8.h"

#include <algorithm>
#include <utility>

namespace millrace::columnar {
namespace {

constexpr std::string_view kKeyStops = ",= ";

bool contains(std::string_view set, char c) {
  return std::ranges::any_of(set, [c](char each) { return each == c; });  // no call for three
}

/// For messages: a key or value of any length and content, cut to a few bytes of ASCII.
std::string quoted(std::string_view text) {
  constexpr size_t kMost = 40;
  std::string result = "\"";
  for (const char c : text.substr(0, kMost)) {
    result += c >= ' ' && c <= '~' ? c : '?';
  }
  return result + (text.size() > kMost ? "...\"" : "\"");
}

}  // namespace

LineParser::LineParser(std::string_view body, Precision precision)
    : body_(body), precision_(precision), is_utf8_(!find_invalid_utf8(body).has_value()) {}

bool LineParser::fail(std::string message) {
  error_ = std::move(message);
  return false;
}

bool LineParser::is_line_end(size_t at) const {
  if (at == body_.size() || body_[at] == '\n') {
    return true;
  }
  return body_[at] == '\r' && (at + 1 == body_.size() || body_[at + 1] == '\n');
}

void LineParser::skip_spaces() {
  while (at(' ') || at('\t')) {
    ++at_;
  }
}

/// To the front of the next line that says something. false at the end of the body.
bool LineParser::skip_to_line() {
  while (at_ < body_.size()) {
    start_ = at_;
    line_number_ = next_number_;
    skip_spaces();
    if (!at('#') && !is_line_end(at_)) {
      return true;
    }
    pass_line(std::min(body_.find('\n', at_), body_.size()));
  }
  return false;
}

/// Continues behind the newline at `end`, and counts those before it.
void LineParser::pass_line(size_t end) {
  const std::string_view line = body_.substr(start_, end - start_);
  next_number_ += static_cast<size_t>(std::ranges::count(line, '\n')) + 1;
  at_ = std::min(end + 1, body_.size());
}

/// Behind the quote that closes a string whose content begins at `from`; npos if none does.
size_t LineParser::end_of_string(size_t from) const {
  size_t i = body_.find_first_of("\"\\", from);
  while (i != std::string_view::npos && body_[i] == '\\') {
    i = body_.find_first_of("\"\\", i + 2);  // what it stands before does not close
  }
  return i == std::string_view::npos ? i : i + 1;
}

/// Of a line that could not be read: strings are passed as a reader would, so that what is inside
/// them never becomes lines.
size_t LineParser::end_of_line() const {
  bool is_in_fields = false;
  size_t i = start_;
  while (i < body_.size() && contains(" \t", body_[i])) {
    ++i;
  }
  for (; i < body_.size() && body_[i] != '\n'; ++i) {
    if (body_[i] == '\\' && i + 1 < body_.size() && contains(kKeyStops, body_[i + 1])) {
      ++i;
    } else if (body_[i] == ' ') {
      is_in_fields = true;
    } else if (is_in_fields && body_[i] == '=' && i + 1 < body_.size() && body_[i + 1] == '"') {
      const size_t end = end_of_string(i + 2);
      if (end == std::string_view::npos) {
        return std::min(body_.find('\n', i), body_.size());
      }
      i = end - 1;
    }
  }
  return i;
}

LineParser::Outcome LineParser::next(Row& line) {
  if (!skip_to_line()) {
    return Outcome::kEnd;
  }
  words_used_ = 0;
  if (!parse_line(line)) {
    pass_line(end_of_line());
    return Outcome::kError;
  }
  if (at('\r')) {
    ++at_;
  }
  text_ = body_.substr(start_, at_ - start_);
  pass_line(at_);
  if (!is_utf8_) {
    if (const auto wrong = find_invalid_utf8(text_)) {
      fail(fmt::format("not UTF-8 at byte {} of the line", *wrong));
      return Outcome::kError;
    }
  }
  return Outcome::kLine;
}

bool LineParser::parse_line(Row& line) {
  line.pairs.clear();
  line.time_ns.reset();
  line.measurement = word({.stops = ", ", .escapes = ", "});
  if (line.measurement.empty()) {
    return fail("the measurement is missing");
  }
  if (line.measurement.size() > kMostNameBytes) {
    return fail(fmt::format("the measurement's name is longer than {} bytes", kMostNameBytes));
  }
  return parse_tags(line) && parse_fields(line) && parse_time(line) && check_names(line);
}

/// Up to a stop or the line's end, unescaped.
std::string_view LineParser::word(const Word& rules) {
  const size_t from = at_;
  bool has_escape = false;
  while (!is_line_end(at_) && !contains(rules.stops, body_[at_])) {
    if (body_[at_] == '\\' && at_ + 1 < body_.size() && contains(rules.escapes, body_[at_ + 1])) {
      has_escape = true;
      ++at_;
    }
    ++at_;
  }
  const std::string_view raw = body_.substr(from, at_ - from);
  return has_escape ? unescaped(raw, rules.escapes) : raw;
}

std::string_view LineParser::unescaped(std::string_view raw, std::string_view escapes) {
  if (words_used_ == words_.size()) {
    words_.emplace_back();
  }
  std::string& result = words_[words_used_++];
  result.clear();
  for (size_t i = 0; i < raw.size(); ++i) {
    if (raw[i] == '\\' && i + 1 < raw.size() && contains(escapes, raw[i + 1])) {
      ++i;
    }
    result += raw[i];
  }
  return result;
}

bool LineParser::parse_key(RowPair& pair, std::string_view what) {
  pair.key = word({.stops = kKeyStops, .escapes = kKeyStops});
  if (pair.key.empty()) {
    return fail(fmt::format("a {} key is missing", what));
  }
  if (pair.key.size() > kMostNameBytes) {
    return fail(fmt::format("a {} key is longer than {} bytes", what, kMostNameBytes));
  }
  if (!at('=')) {
    return fail(fmt::format("{} {} has no value", what, quoted(pair.key)));
  }
  ++at_;
  return true;
}

bool LineParser::parse_tags(Row& line) {
  while (at(',')) {
    ++at_;
    RowPair& tag = line.pairs.emplace_back();
    tag.is_tag = true;
    if (!parse_key(tag, "tag")) {
      return false;
    }
    const std::string_view value = word({.stops = kKeyStops, .escapes = kKeyStops});
    if (at('=')) {
      return fail(fmt::format("tag {}: an equals sign needs a backslash", quoted(tag.key)));
    }
    if (value.empty()) {
      return fail(fmt::format("tag {} has no value", quoted(tag.key)));
    }
    tag.value = Value::of_string(value);
  }
  return true;
}

bool LineParser::parse_fields(Row& line) {
  skip_spaces();
  if (is_line_end(at_)) {
    return fail("there is no field");
  }
  while (true) {
    RowPair& field = line.pairs.emplace_back();
    if (!parse_key(field, "field") || !parse_value(field)) {
      return false;
    }
    if (line.pairs.size() >= kMostColumns) {
      return fail(fmt::format("more than {} tags and fields", kMostColumns - 1));
    }
    if (!at(',')) {
      return true;
    }
    ++at_;
  }
}

bool LineParser::parse_value(RowPair& pair) {
  return at('"') ? parse_string(pair) : parse_plain_value(pair);
}

bool LineParser::parse_string(RowPair& pair) {
  const size_t from = at_ + 1;
  const size_t end = end_of_string(from);
  if (end == std::string_view::npos) {
    return fail(fmt::format("field {}: the string is not closed", quoted(pair.key)));
  }
  at_ = end;
  const std::string_view raw = body_.substr(from, end - 1 - from);
  pair.value = Value::of_string(contains(raw, '\\') ? unescaped(raw, "\"\\") : raw);
  if (!at(',') && !at(' ') && !is_line_end(at_)) {
    return fail(fmt::format("field {}: text behind the string", quoted(pair.key)));
  }
  return true;
}

bool LineParser::parse_plain_value(RowPair& pair) {
  const size_t from = at_;
  while (!is_line_end(at_) && !contains(", ", body_[at_])) {
    ++at_;
  }
  const std::string_view text = body_.substr(from, at_ - from);
  if (const auto problem = parse_field_value(text, pair.value)) {
    return fail(fmt::format("field {}: {} {}", quoted(pair.key), quoted(text), *problem));
  }
  return true;
}

bool LineParser::parse_time(Row& line) {
  skip_spaces();
  const size_t from = at_;
  while (!is_line_end(at_) && !contains(" \t", body_[at_])) {
    ++at_;
  }
  const std::string_view text = body_.substr(from, at_ - from);
  skip_spaces();
  if (!is_line_end(at_)) {
    return fail(fmt::format("text behind the timestamp {}", quoted(text)));
  }
  if (text.empty()) {
    return true;
  }
  int64_t time = 0;
  if (const auto problem = parse_timestamp(text, precision_, time)) {
    return fail(fmt::format("timestamp {} {}", quoted(text), *problem));
  }
  line.time_ns = time;
  return true;
}

bool LineParser::check_names(const Row& line) {
  names_.clear();
  for (const RowPair& pair : line.pairs) {
    if (pair.key == kTimeName) {
      return fail(R"("time" is the timestamp's name and cannot be a tag or a field)");
    }
    if (has_control_character(pair.key)) {
      return fail(fmt::format("the name {} has a control character", quoted(pair.key)));
    }
    names_.push_back(pair.key);
  }
  std::ranges::sort(names_);
  const auto twice = std::ranges::adjacent_find(names_);
  if (twice != names_.end()) {
    return fail(fmt::format("{} stands twice among tags and fields", quoted(*twice)));
  }
  return true;
}

}  // namespace millrace::columnar
