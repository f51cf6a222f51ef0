// What the fields of a request head mean together: where smuggling is refused (RFC 9112 11.2).
#pragma once

#include "net/http_message.h"
#include "net/http_parser.h"

#include <cstddef>
#include <optional>
#include <string_view>

namespace millrace::net {

struct HeadScan {
  size_t head_bytes = 0;  // with the empty line; 0: it has not come yet
  size_t scanned = 0;     // where to go on, when called with more
  std::optional<HttpRefusal> refusal;
};

/// Looks for the empty line from `from` on. Every line must end in CR LF, and none but the first
/// may start with a space or tab (an obs-fold, RFC 9112 section 5.2): others read these
/// differently.
HeadScan scan_head(std::string_view bytes, size_t from);

struct HeadLine {
  std::string_view method;
  std::string_view target;
  int version = 11;  // 10 or 11
};

/// Fills method, path, query, length, expectation and persistence from the line and the fields.
std::optional<HttpRefusal> understand_head(const HeadLine& line, HttpRequest& request);

/// Whether the first line has three words, the last of which is HTTP/<digit>.<digit>.
bool has_http_version(std::string_view head);

}  // namespace millrace::net
