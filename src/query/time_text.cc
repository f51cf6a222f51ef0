#include "query/time_text.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cstdlib>

namespace millrace::query {
namespace {

constexpr std::array<int64_t, 10> kPowers = {
    1, 10, 100, 1'000, 10'000, 100'000, 1'000'000, 10'000'000, 100'000'000, 1'000'000'000};

struct Civil {
  int64_t year = 0;
  unsigned month = 0;
  unsigned day = 0;
};

/// Howard Hinnant's civil_from_days (date_algorithms.html), 64 bits wide: chrono's years end at
/// 32767, DuckDB's do not.
Civil civil_of(int64_t days) {
  days += 719'468;
  const int64_t era = (days >= 0 ? days : days - 146'096) / 146'097;
  const auto of_era = static_cast<unsigned>(days - era * 146'097);
  const unsigned year = (of_era - of_era / 1460 + of_era / 36'524 - of_era / 146'096) / 365;
  const unsigned of_year = of_era - (365 * year + year / 4 - year / 100);
  const unsigned shifted = (5 * of_year + 2) / 153;
  const unsigned month = shifted < 10 ? shifted + 3 : shifted - 9;
  return {static_cast<int64_t>(year) + era * 400 + (month <= 2 ? 1 : 0), month,
          of_year - (153 * shifted + 2) / 5 + 1};
}

/// `width` digits, zeros in front.
char* write_digits(char* at, uint64_t value, unsigned width) {
  for (unsigned i = width; i > 0; --i) {
    at[i - 1] = static_cast<char>('0' + value % 10);
    value /= 10;
  }
  return at + width;
}

char* write_year(char* at, int64_t year) {
  if (year < 0 || year > 9999) {
    *at++ = year < 0 ? '-' : '+';
  }
  const auto magnitude = static_cast<uint64_t>(std::abs(year));
  return magnitude <= 9999 ? write_digits(at, magnitude, 4)
                           : std::to_chars(at, at + 20, magnitude).ptr;
}

/// Whole units below, also before 1970.
int64_t floor_divide(int64_t value, int64_t by) {
  return value / by - (value % by < 0 ? 1 : 0);
}

std::string plural(int64_t count, const char* unit) {
  return fmt::format("{} {}{}", count, unit, count == 1 || count == -1 ? "" : "s");
}

}  // namespace

char* write_date(char* at, int64_t days) {
  const Civil civil = civil_of(days);
  at = write_year(at, civil.year);
  *at++ = '-';
  at = write_digits(at, civil.month, 2);
  *at++ = '-';
  return write_digits(at, civil.day, 2);
}

char* write_time(char* at, int64_t ticks, unsigned digits) {
  const int64_t per_second = kPowers[digits];
  const int64_t seconds = ticks / per_second;
  const auto fraction = static_cast<uint64_t>(ticks % per_second);
  at = write_digits(at, static_cast<uint64_t>(seconds / 3600), 2);
  *at++ = ':';
  at = write_digits(at, static_cast<uint64_t>(seconds / 60 % 60), 2);
  *at++ = ':';
  at = write_digits(at, static_cast<uint64_t>(seconds % 60), 2);
  if (fraction != 0) {
    *at++ = '.';
    at = write_digits(at, fraction, digits);
  }
  return at;
}

char* write_timestamp(char* at, int64_t ticks, unsigned digits) {
  const int64_t per_day = kPowers[digits] * 86'400;
  const int64_t days = floor_divide(ticks, per_day);
  // Not ticks - days * per_day: the product of the first day may be out of range.
  const int64_t rest = ticks % per_day;
  at = write_date(at, days);
  *at++ = 'T';
  at = write_time(at, rest < 0 ? rest + per_day : rest, digits);
  *at++ = 'Z';
  return at;
}

std::string interval_text(int32_t months, int32_t days, int64_t micros) {
  std::string text;
  const auto add = [&text](const std::string& part) { text += text.empty() ? part : " " + part; };
  if (months / 12 != 0) {
    add(plural(months / 12, "year"));
  }
  if (months % 12 != 0) {
    add(plural(months % 12, "month"));
  }
  if (days != 0) {
    add(plural(days, "day"));
  }
  if (micros != 0 || text.empty()) {
    const uint64_t bits = static_cast<uint64_t>(micros);
    const uint64_t magnitude = micros < 0 ? ~bits + 1 : bits;
    const uint64_t seconds = magnitude / 1'000'000;
    std::string part = fmt::format("{}{:02}:{:02}:{:02}", micros < 0 ? "-" : "", seconds / 3600,
                                   seconds / 60 % 60, seconds % 60);
    if (magnitude % 1'000'000 != 0) {
      part += fmt::format(".{:06}", magnitude % 1'000'000);
      part.erase(part.find_last_not_of('0') + 1);
    }
    add(part);
  }
  return text;
}

}  // namespace millrace::query
