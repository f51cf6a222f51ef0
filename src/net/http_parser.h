// Reads the heads of HTTP/1.1 requests from bytes, without a socket (RFC 9112): can be fuzzed.
#pragma once

#include "net/http_message.h"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::net {

/// A request that is answered with an error and whose connection is closed, since what follows it
/// cannot be told apart from its rest (RFC 9112 section 11.2).
struct HttpRefusal {
  int status = 400;
  std::string reason;  // one line, for people
};

/// One request after another. One thread.
class HttpParser {
 public:
  HttpParser(size_t max_head_bytes, size_t max_target_bytes)
      : max_head_bytes_(max_head_bytes), max_target_bytes_(max_target_bytes) {}

  HttpParser(const HttpParser&) = delete;
  HttpParser& operator=(const HttpParser&) = delete;

  /// `bytes`: everything received from the request's first byte on. Call again with more until it
  /// says how long the head is. `into` then points into `bytes`.
  /// Returns: bytes of the head with its empty line; 0 when more is needed.
  /// Refuses: 400 (syntax, a bare LF, a folded line, ambiguous length, no or two Hosts), 414, 417,
  /// 431, 501 (method, transfer coding), 505.
  struct Head {
    size_t bytes = 0;
    std::optional<HttpRefusal> refusal;
  };

  Head parse_head(std::string_view bytes, HttpRequest& into);

 private:
  std::optional<HttpRefusal> read_head(std::string_view head, HttpRequest& into) const;

  const size_t max_head_bytes_;
  const size_t max_target_bytes_;
  size_t scanned_ = 0;  // of the head: before it there is no end
};

}  // namespace millrace::net
