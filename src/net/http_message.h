// An HTTP/1.1 request as a handler sees it, and the response it answers with (RFC 9110).
#pragma once

#include "base/result.h"
#include "runtime/cancel_token.h"
#include "runtime/deadline.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::net {

enum class HttpMethod : uint8_t { kGet, kHead, kPost, kPut, kDelete, kPatch, kOptions };

std::string_view name_of(HttpMethod method);

struct HttpHeader {
  std::string_view name;
  std::string_view value;  // without the spaces around it
};

/// Points into its connection's buffers: valid until the handler's task has ended, not after.
/// HttpServer refuses what is ambiguous before a handler sees it, so there is one reading of it.
struct HttpRequest {
  HttpMethod method = HttpMethod::kGet;
  std::string_view path;   // starts with '/' ("*" for OPTIONS); escapes are valid but not decoded
  std::string_view query;  // after '?', not decoded
  std::vector<HttpHeader> headers;
  std::span<const std::byte> body;
  std::string_view peer;
  std::optional<uint64_t> content_length;  // nullopt: chunked, or no body
  bool is_chunked = false;
  bool expects_continue = false;
  bool keeps_alive = true;
  runtime::Deadline deadline = runtime::Deadline::never();  // of the request as a whole
  /// The server stops and will not wait, or the client is gone (HttpAdmission).
  runtime::CancelToken cancel;

  /// First value of the field, whatever the case of its name.
  std::optional<std::string_view> header(std::string_view name) const;
  /// First value of a query parameter, decoded; '+' is a space. "" for `?name` alone.
  std::optional<std::string> param(std::string_view name) const;
  /// Of every query parameter, decoded, in order.
  std::vector<std::string> param_names() const;
};

/// "a%20b" → "a b". Errors: invalid, with the place of a '%' that two hex digits do not follow.
Result<std::string> percent_decode(std::string_view text);

struct HttpResponse {
  int status = 200;
  /// Names and values without CR and LF (others are left out). Content-Length, Connection and Date
  /// are the server's.
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::vector<std::string> more;  // written after `body`: large answers need not be joined

  static HttpResponse text(int status, std::string message);
  static HttpResponse json(int status, std::string document);

  HttpResponse& with(std::string name, std::string value);
};

/// "Not Found"; "" for a status without a name.
std::string_view reason_of(int status);

/// Status line and fields, to the empty line. `keeps_alive`: whether another request may follow.
/// Appends to `out`.
void format_head(const HttpResponse& response, bool keeps_alive, std::string_view date,
                 std::string& out);

/// "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 section 5.6.7), of a second since 1970.
std::string format_http_date(int64_t unix_seconds);

bool equals_ignoring_case(std::string_view a, std::string_view b);

}  // namespace millrace::net
