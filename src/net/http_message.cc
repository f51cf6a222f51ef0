#include "net/http_message.h"

#include <algorithm>
#include <array>
#include <ctime>
#include <iterator>

namespace millrace::net {
namespace {

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  const char l = lower(c);
  return l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

/// The value of the escape at `at`, or -1.
int escape_at(std::string_view text, size_t at) {
  if (at + 2 >= text.size()) {
    return -1;
  }
  const int high = hex_value(text[at + 1]);
  const int low = hex_value(text[at + 2]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

std::string form_decode(std::string_view text) {
  std::string plain(text);
  std::replace(plain.begin(), plain.end(), '+', ' ');
  auto decoded = percent_decode(plain);
  return decoded.ok() ? std::move(decoded).value() : plain;
}

bool is_one_line(std::string_view text) {
  return text.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos;
}

}  // namespace

std::string_view name_of(HttpMethod method) {
  constexpr std::array<std::string_view, 7> kNames = {"GET",    "HEAD",  "POST",   "PUT",
                                                      "DELETE", "PATCH", "OPTIONS"};
  return kNames[static_cast<size_t>(method)];
}

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

std::optional<std::string_view> HttpRequest::header(std::string_view name) const {
  for (const HttpHeader& field : headers) {
    if (equals_ignoring_case(field.name, name)) {
      return field.value;
    }
  }
  return std::nullopt;
}

namespace {

/// Calls `visit(name, value)`, neither decoded, until it answers true.
template <typename Visit>
void for_each_param(std::string_view query, Visit&& visit) {
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(pair.size() + 1, query.size()));
    const size_t equals = std::min(pair.find('='), pair.size());
    if (!pair.empty() &&
        visit(pair.substr(0, equals), pair.substr(std::min(equals + 1, pair.size())))) {
      return;
    }
  }
}

}  // namespace

std::optional<std::string> HttpRequest::param(std::string_view name) const {
  std::optional<std::string> found;
  for_each_param(query, [&](std::string_view key, std::string_view value) {
    if (form_decode(key) != name) {
      return false;
    }
    found = form_decode(value);
    return true;
  });
  return found;
}

std::vector<std::string> HttpRequest::param_names() const {
  std::vector<std::string> names;
  for_each_param(query, [&](std::string_view key, std::string_view) {
    names.push_back(form_decode(key));
    return false;
  });
  return names;
}

Result<std::string> percent_decode(std::string_view text) {
  std::string plain;
  plain.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      plain.push_back(text[i]);
      continue;
    }
    const int value = escape_at(text, i);
    if (value < 0) {
      return make_error(Code::kInvalid, "percent sign at byte {} without two hex digits", i);
    }
    plain.push_back(static_cast<char>(value));
    i += 2;
  }
  return plain;
}

HttpResponse HttpResponse::text(int status, std::string message) {
  HttpResponse response{status, {}, std::move(message), {}};
  response.headers.emplace_back("Content-Type", "text/plain; charset=utf-8");
  return response;
}

HttpResponse HttpResponse::json(int status, std::string document) {
  HttpResponse response{status, {}, std::move(document), {}};
  response.headers.emplace_back("Content-Type", "application/json");
  return response;
}

HttpResponse& HttpResponse::with(std::string name, std::string value) {
  headers.emplace_back(std::move(name), std::move(value));
  return *this;
}

std::string_view reason_of(int status) {
  static constexpr std::array<std::pair<int, std::string_view>, 29> kReasons = {{
      {100, "Continue"},
      {200, "OK"},
      {201, "Created"},
      {202, "Accepted"},
      {204, "No Content"},
      {206, "Partial Content"},
      {301, "Moved Permanently"},
      {302, "Found"},
      {304, "Not Modified"},
      {400, "Bad Request"},
      {401, "Unauthorized"},
      {403, "Forbidden"},
      {404, "Not Found"},
      {405, "Method Not Allowed"},
      {408, "Request Timeout"},
      {409, "Conflict"},
      {413, "Content Too Large"},
      {414, "URI Too Long"},
      {415, "Unsupported Media Type"},
      {417, "Expectation Failed"},
      {422, "Unprocessable Content"},
      {429, "Too Many Requests"},
      {431, "Request Header Fields Too Large"},
      {500, "Internal Server Error"},
      {501, "Not Implemented"},
      {503, "Service Unavailable"},
      {504, "Gateway Timeout"},
      {505, "HTTP Version Not Supported"},
      {507, "Insufficient Storage"},
  }};
  for (const auto& [number, reason] : kReasons) {
    if (number == status) {
      return reason;
    }
  }
  return "";
}

void format_head(const HttpResponse& response, bool keeps_alive, std::string_view date,
                 std::string& out) {
  auto to = std::back_inserter(out);
  fmt::format_to(to, "HTTP/1.1 {} {}\r\nDate: {}\r\n", response.status, reason_of(response.status),
                 date);
  for (const auto& [name, value] : response.headers) {
    if (is_one_line(name) && is_one_line(value)) {
      out.append(name).append(": ").append(value).append("\r\n");
    }
  }
  // RFC 9110 section 8.6: none of these has a body, and 204 must not claim a length.
  if (response.status >= 200 && response.status != 204 && response.status != 304) {
    size_t length = response.body.size();
    for (const std::string& part : response.more) {
      length += part.size();
    }
    fmt::format_to(to, "Content-Length: {}\r\n", length);
  }
  out.append(keeps_alive ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n");
}

std::string format_http_date(int64_t unix_seconds) {
  constexpr std::array<std::string_view, 7> kDays = {"Sun", "Mon", "Tue", "Wed",
                                                     "Thu", "Fri", "Sat"};
  constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::time_t time = unix_seconds;
  std::tm utc{};
  gmtime_r(&time, &utc);
  return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT",
                     kDays[static_cast<size_t>(utc.tm_wday)], utc.tm_mday,
                     kMonths[static_cast<size_t>(utc.tm_mon)], utc.tm_year + 1900, utc.tm_hour,
                     utc.tm_min, utc.tm_sec);
}

}  // namespace millrace::net
