// Where to listen, or what to connect to.
#pragma once

#include "base/result.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::net {

/// "127.0.0.1:9092", "[::1]:0" (port 0: any free one), "localhost:8086", "broker.example:9092".
struct Address {
  std::string host;  // without brackets
  uint16_t port = 0;

  /// Errors: invalid, with the text and what is expected of it.
  static Result<Address> parse(std::string_view text);

  /// Whether only this machine can reach it: 127.0.0.0/8, ::1 or localhost.
  bool is_loopback() const;
  std::string to_string() const;  // a form that parse() takes
  bool operator==(const Address&) const = default;
};

}  // namespace millrace::net
