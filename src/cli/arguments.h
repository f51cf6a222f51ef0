// What verbs read from their arguments, apart from the command line parser.
#pragma once

#include "base/result.h"
#include "client/consumer.h"
#include "tables/table_name.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::cli {

/// "earliest", "latest", "1000" (an offset), "@1700000000000" (ms since 1970) or
/// "2026-01-31T12:00:00Z" (UTC; also without a time of day, or with milliseconds). Errors:
/// kInvalid.
Result<client::StartAt> parse_start(std::string_view text);

/// "NAME=VALUE" in two; the value may be empty and hold more of '='. Errors: kInvalid, naming
/// `flag`.
Result<std::pair<std::string, std::string>> parse_pair(std::string_view flag,
                                                       std::string_view text);

/// "cpu" (of the database main) or "telemetry.cpu" in one word, or database and measurement in two,
/// which may then hold dots. Errors: kInvalid (more than one dot in one word, a name that is none).
Result<tables::TableName> parse_table(const std::vector<std::string>& words);

/// "1 row", "2 rows".
std::string count_of(uint64_t count, std::string_view noun);

/// As RFC 3629 has it: no overlong forms, no surrogates.
bool is_utf8(std::string_view bytes);

/// RFC 4648, section 4, with padding.
std::string to_base64(std::string_view bytes);
/// nullopt for what to_base64() does not write.
std::optional<std::string> from_base64(std::string_view text);

}  // namespace millrace::cli
