// Moments and spans of time as text, every digit kept.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace millrace::query {

/// A buffer of so many bytes holds any of them.
inline constexpr size_t kMostTimeText = 96;

/// "2013-01-01"; a year beyond 9999 has a sign and as many digits as it needs, one before year 0 a
/// minus ("-0043" is 44 BC), as ISO 8601 has it. Returns the end of the text.
char* write_date(char* at, int64_t days);

/// "05:00:00", and unless it is zero a fraction of `digits` digits. `ticks` of 10^-digits seconds.
char* write_time(char* at, int64_t ticks, unsigned digits);

/// "2013-01-01T05:00:00Z", "2013-01-01T05:00:00.000001Z": `ticks` since 1970 UTC.
char* write_timestamp(char* at, int64_t ticks, unsigned digits);

/// As DuckDB has it: "1 year 2 months 3 days 04:05:06.5".
std::string interval_text(int32_t months, int32_t days, int64_t micros);

}  // namespace millrace::query
