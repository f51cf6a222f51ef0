// The three statements of InfluxQL that clients send before they write.
// Source: InfluxDB 1.8, https://docs.influxdata.com/influxdb/v1/query_language/spec/
#pragma once

#include "base/result.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::http {

enum class InfluxqlKind : uint8_t { kShowDatabases, kShowMeasurements, kCreateDatabase };

struct InfluxqlStatement {
  InfluxqlKind kind{};
  std::string database;  // "" where a SHOW names none
  std::string text;      // as it was written
};

/// SHOW DATABASES, SHOW MEASUREMENTS [ON name] and CREATE DATABASE name, with semicolons between.
/// Keywords in any case; a name is a bare word or stands in double quotes. Errors: kInvalid, with
/// what was found, what was expected, line and character.
Result<std::vector<InfluxqlStatement>> parse_influxql(std::string_view text);

}  // namespace millrace::http
