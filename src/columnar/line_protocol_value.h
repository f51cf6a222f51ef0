// Values of line protocol: what stands behind a field's equals sign, and the timestamp.
#pragma once

#include "columnar/column_builder.h"
#include "columnar/line_protocol_parser.h"

#include <cstdint>
#include <optional>
#include <string_view>

namespace millrace::columnar {

/// An unquoted value: 1i, 1u, 1.5e3, t, false ... Returns what is wrong, as the end of a sentence.
/// Not taken, as in Influx: NaN, infinities, hexadecimal, numbers beyond their type.
std::optional<std::string_view> parse_field_value(std::string_view text, Value& value);

/// A timestamp in `precision`, as nanoseconds: 1677 to 2262.
std::optional<std::string_view> parse_timestamp(std::string_view text, Precision precision,
                                                int64_t& time_ns);

}  // namespace millrace::columnar
