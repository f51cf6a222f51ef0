// The body of a query: {"sql": "text"}.
#pragma once

#include "base/result.h"

#include <string>
#include <string_view>

namespace millrace::http {

/// The statement, in UTF-8. Takes memory for that text alone, whatever the body nests. Errors:
/// kInvalid (not JSON, another key or kind of value, "sql" missing or twice).
Result<std::string> parse_sql_body(std::string_view body);

}  // namespace millrace::http
