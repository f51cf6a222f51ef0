#include "http/influxql.h"

#include "net/http_message.h"

#include <algorithm>

namespace millrace::http {
namespace {

constexpr size_t kMostStatements = 1000;
constexpr std::string_view kStatements =
    "SHOW DATABASES, SHOW MEASUREMENTS or CREATE DATABASE (queries are SQL: POST /api/v1/query)";

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

bool is_word(char c) {
  return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<std::vector<InfluxqlStatement>> statements() {
    std::vector<InfluxqlStatement> found;
    while (true) {
      skip_spaces();
      if (at_ == text_.size()) {
        break;
      }
      if (take(';')) {
        continue;
      }
      if (found.size() == kMostStatements) {
        return make_error(Code::kInvalid, "more than {} statements", kMostStatements);
      }
      MILLRACE_TRY(auto one, statement());
      found.push_back(std::move(one));
    }
    if (found.empty()) {
      return unexpected(kStatements);
    }
    return found;
  }

 private:
  Result<InfluxqlStatement> statement() {
    const size_t begun = at_;
    InfluxqlStatement one;
    if (take_word("CREATE")) {
      if (!take_word("DATABASE")) {
        return unexpected("DATABASE");
      }
      one.kind = InfluxqlKind::kCreateDatabase;
      MILLRACE_TRY(one.database, name());
    } else if (take_word("SHOW")) {
      if (take_word("MEASUREMENTS")) {
        one.kind = InfluxqlKind::kShowMeasurements;
        if (take_word("ON")) {
          MILLRACE_TRY(one.database, name());
        }
      } else if (take_word("DATABASES")) {
        one.kind = InfluxqlKind::kShowDatabases;
      } else {
        return unexpected("DATABASES, MEASUREMENTS");
      }
    } else {
      return unexpected(kStatements);
    }
    one.text = text_.substr(begun, at_ - begun);
    skip_spaces();
    if (at_ < text_.size() && text_[at_] != ';') {
      return unexpected("; or the end");
    }
    return one;
  }

  Result<std::string> name() {
    skip_spaces();
    if (!take('"')) {
      const std::string_view word = next_word();
      if (word.empty() || (word.front() >= '0' && word.front() <= '9')) {
        return unexpected("a name");
      }
      at_ += word.size();
      return std::string(word);
    }
    std::string name;
    for (; at_ < text_.size() && text_[at_] != '"'; ++at_) {
      if (text_[at_] != '\\') {
        name += text_[at_];
        continue;
      }
      ++at_;
      const char escaped = at_ < text_.size() ? text_[at_] : '\0';
      if (escaped != '"' && escaped != '\\' && escaped != 'n') {
        return unexpected("\\\", \\\\ or \\n behind a backslash");
      }
      name += escaped == 'n' ? '\n' : escaped;
    }
    if (!take('"')) {
      return unexpected("the quote that ends the name");
    }
    return name;
  }

  void skip_spaces() {
    while (at_ < text_.size() && is_space(text_[at_])) {
      ++at_;
    }
  }

  bool take(char c) {
    const bool is_there = at_ < text_.size() && text_[at_] == c;
    at_ += is_there ? 1 : 0;
    return is_there;
  }

  std::string_view next_word() const {
    size_t end = at_;
    while (end < text_.size() && is_word(text_[end])) {
      ++end;
    }
    return text_.substr(at_, end - at_);
  }

  /// All bytes of one in UTF-8.
  std::string_view next_character() const {
    size_t end = at_ + 1;
    while (end < text_.size() && (static_cast<unsigned char>(text_[end]) & 0xC0U) == 0x80U) {
      ++end;
    }
    return text_.substr(at_, end - at_);
  }

  bool take_word(std::string_view word) {
    skip_spaces();
    const std::string_view next = next_word();
    const bool is_it = net::equals_ignoring_case(next, word);
    at_ += is_it ? next.size() : 0;
    return is_it;
  }

  Error unexpected(std::string_view expected) {
    skip_spaces();
    std::string_view found = next_word();
    if (found.empty()) {
      found = at_ < text_.size() ? next_character() : "EOF";
    }
    const std::string_view before = text_.substr(0, at_);
    const size_t line = static_cast<size_t>(std::ranges::count(before, '\n')) + 1;
    const size_t newline = before.rfind('\n');
    const size_t column = newline == std::string_view::npos ? at_ : at_ - newline - 1;
    return make_error(Code::kInvalid, "found {}, expected {} at line {}, char {}",
                      found.substr(0, 40), expected, line, column + 1);
  }

  const std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

Result<std::vector<InfluxqlStatement>> parse_influxql(std::string_view text) {
  return Parser(text).statements();
}

}  // namespace millrace::http
