#include "http/sql_body.h"

#include <nlohmann/json.hpp>

#include <optional>
#include <utility>

namespace millrace::http {
namespace {

/// Takes {"sql": "text"} and ends at the first thing that is something else: a document of arrays
/// in arrays would take a hundred times its size in memory.
class SqlReader final : public nlohmann::json_sax<nlohmann::json> {
 public:
  Result<std::string> read(std::string_view text) {
    const bool is_whole = nlohmann::json::sax_parse(text, this);
    if (problem_) {
      return *std::move(problem_);
    }
    if (!is_whole || !sql_) {
      return make_error(Code::kInvalid, "the body has no text \"sql\"");
    }
    return *std::move(sql_);
  }

  bool null() override { return false; }

  bool boolean(bool) override { return false; }

  bool number_integer(number_integer_t) override { return false; }

  bool number_unsigned(number_unsigned_t) override { return false; }

  bool number_float(number_float_t, const string_t&) override { return false; }

  bool binary(binary_t&) override { return false; }

  bool start_array(size_t) override { return false; }

  bool end_array() override { return false; }

  bool end_object() override { return true; }

  bool start_object(size_t) override { return !std::exchange(is_within_, true); }

  bool key(string_t& name) override {
    if (name != "sql") {
      return refuse("\"{}\" is unknown; the body has \"sql\" alone", name.substr(0, 100));
    }
    return !sql_ || refuse("\"sql\" stands twice");
  }

  bool string(string_t& value) override {
    sql_ = std::move(value);
    return is_within_;
  }

  bool parse_error(size_t, const std::string&, const nlohmann::json::exception&) override {
    return refuse("the body is not JSON; it must be {{\"sql\": \"SELECT ...\"}}");
  }

 private:
  template <typename... Args>
  bool refuse(fmt::format_string<Args...> format, Args&&... args) {
    problem_ = make_error(Code::kInvalid, format, std::forward<Args>(args)...);
    return false;
  }

  bool is_within_ = false;
  std::optional<std::string> sql_;
  std::optional<Error> problem_;
};

}  // namespace

Result<std::string> parse_sql_body(std::string_view body) {
  return SqlReader().read(body);
}

}  // namespace millrace::http
