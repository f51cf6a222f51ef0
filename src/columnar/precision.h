// The units that integers may have which are times.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace millrace::columnar {

enum class Precision : uint8_t { kNs, kUs, kMs, kS, kMinute, kHour };

/// "ns" "n" "us" "u" "ms" "s" "m" "h", as Influx takes them; nullopt for others.
std::optional<Precision> parse_precision(std::string_view text);
/// "ns" "us" "ms" "s" "m" "h".
std::string_view name_of(Precision precision);

int64_t nanoseconds_in(Precision precision);

}  // namespace millrace::columnar
