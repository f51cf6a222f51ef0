#include "net/http_head.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

namespace millrace::net {
namespace {

using Refused = std::optional<HttpRefusal>;

Refused refuse(int status, std::string reason) {
  return HttpRefusal{status, std::move(reason)};
}

std::string_view trim(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) {
    return {};
  }
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

/// Calls `each` for the elements of a comma-separated list.
template <typename Each>
void for_each_token(std::string_view list, Each each) {
  while (!list.empty()) {
    const std::string_view token = list.substr(0, list.find(','));
    list.remove_prefix(std::min(token.size() + 1, list.size()));
    each(trim(token));
  }
}

std::optional<HttpMethod> method_named(std::string_view name) {
  for (const HttpMethod method :
       {HttpMethod::kGet, HttpMethod::kHead, HttpMethod::kPost, HttpMethod::kPut,
        HttpMethod::kDelete, HttpMethod::kPatch, HttpMethod::kOptions}) {
    if (name == name_of(method)) {
      return method;
    }
  }
  return std::nullopt;
}

bool has_valid_escapes(std::string_view text) {
  for (size_t at = text.find('%'); at != std::string_view::npos; at = text.find('%', at + 1)) {
    if (!percent_decode(text.substr(at, 3)).ok()) {
      return false;
    }
  }
  return true;
}

/// RFC 9112 section 3.2: origin-form, absolute-form (its authority is dropped) or "*".
Refused read_target(std::string_view target, HttpRequest& request) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (equals_ignoring_case(target.substr(0, scheme.size()), scheme)) {
      target.remove_prefix(std::min(target.find_first_of("/?", scheme.size()), target.size()));
      target = target.empty() ? "/" : target;
      break;
    }
  }
  const bool is_asterisk = target == "*" && request.method == HttpMethod::kOptions;
  if (!is_asterisk && !target.starts_with('/')) {
    return refuse(400, "the target is not a path");
  }
  if (!has_valid_escapes(target)) {
    return refuse(400, "the target has a percent sign without two hex digits");
  }
  const size_t mark = target.find('?');
  request.path = target.substr(0, mark);
  request.query = mark == std::string_view::npos ? std::string_view() : target.substr(mark + 1);
  return std::nullopt;
}

/// What the fields say that decide where the message ends and what follows.
struct Framing {
  int hosts = 0;
  int lengths = 0;
  int codings = 0;
  std::string_view length;
  std::string_view coding;
  bool closes = false;
  bool keeps_alive = false;
  std::optional<std::string_view> expect;
};

Framing framing_of(const HttpRequest& request) {
  Framing framing;
  for (const HttpHeader& field : request.headers) {
    const auto is = [&field](std::string_view name) {
      return equals_ignoring_case(field.name, name);
    };
    if (is("Host")) {
      ++framing.hosts;
    } else if (is("Content-Length")) {
      ++framing.lengths;
      framing.length = field.value;
    } else if (is("Transfer-Encoding")) {
      ++framing.codings;
      framing.coding = field.value;
    } else if (is("Expect")) {
      framing.expect = field.value;
    } else if (is("Connection")) {
      for_each_token(field.value, [&framing](std::string_view token) {
        framing.closes = framing.closes || equals_ignoring_case(token, "close");
        framing.keeps_alive = framing.keeps_alive || equals_ignoring_case(token, "keep-alive");
      });
    }
  }
  return framing;
}

/// RFC 9112 section 6.3; stricter, as section 11.2 advises: nothing that has two readings passes.
Refused read_length(const Framing& framing, int version, HttpRequest& request) {
  request.content_length.reset();
  request.is_chunked = false;
  if (framing.codings > 0) {
    if (framing.codings > 1 || framing.lengths > 0 || version < 11) {
      return refuse(400, "Transfer-Encoding stands twice, beside Content-Length or in HTTP/1.0");
    }
    std::string_view last;
    for_each_token(framing.coding, [&last](std::string_view token) { last = token; });
    if (!equals_ignoring_case(last, "chunked")) {
      return refuse(400, "the last transfer coding is not chunked");
    }
    if (!equals_ignoring_case(trim(framing.coding), "chunked")) {
      return refuse(501, "the only transfer coding understood is chunked");
    }
    request.is_chunked = true;
    return std::nullopt;
  }
  if (framing.lengths == 0) {
    return std::nullopt;
  }
  uint64_t length = 0;
  const char* end = framing.length.data() + framing.length.size();
  // NOLINTNEXTLINE(bugprone-suspicious-stringview-data-usage): from_chars takes both ends.
  const auto parsed = std::from_chars(framing.length.data(), end, length);
  if (framing.lengths > 1 || framing.length.empty() || parsed.ec != std::errc() ||
      parsed.ptr != end) {
    return refuse(400, "Content-Length is not one number");
  }
  request.content_length = length;
  return std::nullopt;
}

}  // namespace

HeadScan scan_head(std::string_view bytes, size_t from) {
  size_t at = from;
  while (true) {
    const size_t feed = bytes.find('\n', at);
    if (feed == std::string_view::npos) {
      return {0, at, std::nullopt};
    }
    if (feed == 0 || bytes[feed - 1] != '\r') {
      return {0, feed, HttpRefusal{400, "a line ends without CR"}};
    }
    if (feed >= 3 && bytes[feed - 2] == '\n') {
      return {feed + 1, feed + 1, std::nullopt};
    }
    if (feed + 1 == bytes.size()) {
      return {0, feed, std::nullopt};  // what follows this line end must be seen
    }
    if (bytes[feed + 1] == ' ' || bytes[feed + 1] == '\t') {
      return {0, feed, HttpRefusal{400, "a field is folded over two lines"}};
    }
    at = feed + 1;
  }
}

std::optional<HttpRefusal> understand_head(const HeadLine& line, HttpRequest& request) {
  const auto method = method_named(line.method);
  if (!method.has_value()) {
    return refuse(501, "the method is none of GET HEAD POST PUT DELETE PATCH OPTIONS");
  }
  request.method = *method;
  if (auto refused = read_target(line.target, request); refused.has_value()) {
    return refused;
  }
  const Framing framing = framing_of(request);
  if (framing.hosts > 1 || (framing.hosts == 0 && line.version >= 11)) {
    return refuse(400, "Host must stand once");  // RFC 9112 section 3.2
  }
  if (auto refused = read_length(framing, line.version, request); refused.has_value()) {
    return refused;
  }
  request.expects_continue = false;
  if (framing.expect.has_value()) {
    if (!equals_ignoring_case(*framing.expect, "100-continue")) {
      return refuse(417, "the only expectation understood is 100-continue");
    }
    const bool has_body = request.is_chunked || request.content_length.value_or(0) > 0;
    request.expects_continue = has_body && line.version >= 11;  // RFC 9110 section 10.1.1
  }
  // RFC 9112 section 9.3
  request.keeps_alive = !framing.closes && (line.version >= 11 || framing.keeps_alive);
  return std::nullopt;
}

bool has_http_version(std::string_view head) {
  const std::string_view line = head.substr(0, head.find('\r'));
  if (std::count(line.begin(), line.end(), ' ') != 2) {
    return false;
  }
  constexpr size_t kLength = 8;  // HTTP/1.1
  if (line.size() < kLength) {
    return false;
  }
  const std::string_view version = line.substr(line.size() - kLength);
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  return version.starts_with("HTTP/") && is_digit(version[5]) && version[6] == '.' &&
         is_digit(version[7]);
}

}  // namespace millrace::net
