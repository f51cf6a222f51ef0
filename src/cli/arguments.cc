#include "cli/arguments.h"

#include <nlohmann/json.hpp>

#include <array>
#include <charconv>
#include <chrono>
#include <optional>

namespace millrace::cli {
namespace {

constexpr std::string_view kDigits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

std::optional<int64_t> number(std::string_view digits) {
  int64_t value = 0;
  const auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  const bool is_whole = failed == std::errc{} && end == digits.data() + digits.size();
  return is_whole && value >= 0 ? std::optional(value) : std::nullopt;
}

/// Takes `digits` digits and what must follow them off the front of `text`.
std::optional<unsigned> take(std::string_view& text, size_t digits, std::string_view then) {
  const auto value = number(text.substr(0, digits));
  if (text.size() < digits + then.size() || text.substr(digits, then.size()) != then || !value) {
    return std::nullopt;
  }
  text.remove_prefix(digits + then.size());
  return static_cast<unsigned>(*value);
}

/// Milliseconds since 1970 of "2026-01-31", "2026-01-31T12:00:00Z", "2026-01-31T12:00:00.250Z".
std::optional<int64_t> parse_time(std::string_view text) {
  const auto year = take(text, 4, "-");
  const auto month = year ? take(text, 2, "-") : std::nullopt;
  const auto day = month ? take(text, 2, "") : std::nullopt;
  if (!day) {
    return std::nullopt;
  }
  const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(*year)),
                                         std::chrono::month(*month), std::chrono::day(*day)};
  if (!date.ok()) {
    return std::nullopt;
  }
  std::chrono::milliseconds since = std::chrono::sys_days(date).time_since_epoch();
  if (text.empty()) {
    return since.count();
  }
  const bool has_millis = text.find('.') != std::string_view::npos;
  const auto hour =
      text.front() == 'T' ? (text.remove_prefix(1), take(text, 2, ":")) : std::nullopt;
  const auto minute = hour ? take(text, 2, ":") : std::nullopt;
  const auto second = minute ? take(text, 2, has_millis ? "." : "Z") : std::nullopt;
  const auto millis = second && has_millis ? take(text, 3, "Z") : std::optional(0U);
  if (!second || !millis || !text.empty() || *hour > 23 || *minute > 59 || *second > 59) {
    return std::nullopt;
  }
  since += std::chrono::hours(*hour) + std::chrono::minutes(*minute) +
           std::chrono::seconds(*second) + std::chrono::milliseconds(*millis);
  return since.count();
}

}  // namespace

Result<client::StartAt> parse_start(std::string_view text) {
  using Kind = client::StartAt::Kind;
  if (text == "earliest") {
    return client::StartAt{Kind::kEarliest, 0};
  }
  if (text == "latest") {
    return client::StartAt{Kind::kLatest, 0};
  }
  if (const auto offset = number(text)) {
    return client::StartAt{Kind::kOffset, *offset};
  }
  const auto time = text.starts_with('@') ? number(text.substr(1)) : parse_time(text);
  if (!time) {
    return make_error(
        Code::kInvalid,
        "--from {}: must be earliest, latest, an offset, @MS since 1970, or a time as "
        "2026-01-31T12:00:00Z",
        text);
  }
  return client::StartAt{Kind::kTimestampMs, *time};
}

Result<std::pair<std::string, std::string>> parse_pair(std::string_view flag,
                                                       std::string_view text) {
  const size_t equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0) {
    return make_error(Code::kInvalid, "{} {}: must be NAME=VALUE", flag, text);
  }
  return std::pair(std::string(text.substr(0, equals)), std::string(text.substr(equals + 1)));
}

Result<tables::TableName> parse_table(const std::vector<std::string>& words) {
  tables::TableName name;
  if (words.size() == 2) {
    name = {.database = words[0], .measurement = words[1]};
  } else {
    const std::string_view word = words.empty() ? std::string_view() : words.front();
    const size_t dot = word.find('.');
    if (dot != word.rfind('.')) {
      return make_error(Code::kInvalid,
                        "table {}: more than one dot; say database and measurement apart, as: "
                        "DATABASE MEASUREMENT",
                        word);
    }
    name.database = dot == std::string_view::npos ? tables::kDefaultDatabase : word.substr(0, dot);
    name.measurement = dot == std::string_view::npos ? word : word.substr(dot + 1);
  }
  MILLRACE_TRY_STATUS(tables::validate(name));
  return name;
}

std::string count_of(uint64_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

bool is_utf8(std::string_view bytes) {
  try {
    static_cast<void>(nlohmann::json(std::string(bytes)).dump());
    return true;
  } catch (const nlohmann::json::type_error&) {
    return false;
  }
}

std::string to_base64(std::string_view bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    std::array<unsigned, 3> three{};
    for (size_t j = 0; j < 3 && i + j < bytes.size(); ++j) {
      three[j] = static_cast<unsigned char>(bytes[i + j]);
    }
    const unsigned all = three[0] << 16 | three[1] << 8 | three[2];
    text += kDigits[all >> 18];
    text += kDigits[all >> 12 & 63];
    text += i + 1 < bytes.size() ? kDigits[all >> 6 & 63] : '=';
    text += i + 2 < bytes.size() ? kDigits[all & 63] : '=';
  }
  return text;
}

std::optional<std::string> from_base64(std::string_view text) {
  std::string bytes;
  unsigned held = 0;
  int bits = 0;
  const std::string_view digits = text.substr(0, text.find('='));
  for (const char c : digits) {
    const size_t digit = kDigits.find(c);
    if (digit == std::string_view::npos) {
      return std::nullopt;
    }
    held = (held << 6 | static_cast<unsigned>(digit)) & 0xFFFF;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes += static_cast<char>(held >> bits & 0xFF);
    }
  }
  return to_base64(bytes) == text ? std::optional(bytes) : std::nullopt;
}

}  // namespace millrace::cli
