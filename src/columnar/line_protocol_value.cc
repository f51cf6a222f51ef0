#include "columnar/line_protocol_value.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <string>
#include <system_error>

namespace millrace::columnar {
namespace {

constexpr std::string_view kNoValue = "is no number, no bool and not in quotes";

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

template <typename T>
std::optional<std::string_view> parse_integer(std::string_view text, T& value) {
  const char* const begin = text.data();
  const char* const end = begin + text.size();
  const auto [at, problem] = std::from_chars(begin, end, value);
  if (problem == std::errc::result_out_of_range && at == end) {
    return std::is_signed_v<T> ? "is outside 64 bits with sign" : "is outside 64 bits";
  }
  if (problem != std::errc() || at != end) {
    return "is no integer";
  }
  return std::nullopt;
}

std::optional<bool> parse_bool(std::string_view text) {
  for (const std::string_view yes : {"t", "T", "true", "True", "TRUE"}) {
    if (text == yes) {
      return true;
    }
  }
  for (const std::string_view no : {"f", "F", "false", "False", "FALSE"}) {
    if (text == no) {
      return false;
    }
  }
  return std::nullopt;
}

std::optional<std::string_view> parse_float(std::string_view text, double& value) {
  const char* const begin = text.data();
  const char* const end = begin + text.size();
  const auto [at, problem] = std::from_chars(begin, end, value);
  if (at != end || problem == std::errc::invalid_argument) {
    return kNoValue;
  }
  if (problem == std::errc::result_out_of_range) {
    // Too large, or so small that it is nothing: strtod tells which.
    value = std::strtod(std::string(text).c_str(), nullptr);
  }
  return std::isfinite(value) ? std::nullopt
                              : std::optional<std::string_view>("is too large for a double");
}

}  // namespace

std::optional<std::string_view> parse_field_value(std::string_view text, Value& value) {
  if (text.empty()) {
    return "has no value";
  }
  if (const auto flag = parse_bool(text)) {
    value = Value::of_bool(*flag);
    return std::nullopt;
  }
  const size_t front = text.front() == '-' ? 1 : 0;
  if (front == text.size() || (!is_digit(text[front]) && text[front] != '.')) {
    return kNoValue;  // what from_chars would take besides: inf, nan
  }
  const std::string_view number = text.substr(0, text.size() - 1);
  if (text.back() == 'i') {
    int64_t integer = 0;
    const auto problem = parse_integer(number, integer);
    value = Value::of_i64(integer);
    return problem;
  }
  if (text.back() == 'u') {
    uint64_t integer = 0;
    const auto problem = parse_integer(number, integer);
    value = Value::of_u64(integer);
    return problem;
  }
  double real = 0;
  const auto problem = parse_float(text, real);
  value = Value::of_f64(real);
  return problem;
}

std::optional<std::string_view> parse_timestamp(std::string_view text, Precision precision,
                                                int64_t& time_ns) {
  int64_t count = 0;
  if (const auto problem = parse_integer(text, count)) {
    return problem;
  }
  if (__builtin_mul_overflow(count, nanoseconds_in(precision), &time_ns) ||
      !is_in_ns_range(time_ns)) {
    return precision == Precision::kNs
               ? "is outside 1677-09-22 to 2262-04-11"
               : "is outside 1677-09-22 to 2262-04-11; is its unit the request's precision?";
  }
  return std::nullopt;
}

}  // namespace millrace::columnar
