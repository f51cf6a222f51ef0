#include "net/address.h"

#include <charconv>

namespace millrace::net {

Result<Address> Address::parse(std::string_view text) {
  const auto wrong = [text](std::string_view what) {
    return make_error(Code::kInvalid,
                      "address \"{}\": {}; expected HOST:PORT, as 127.0.0.1:9092 or [::1]:9092",
                      text, what);
  };
  if (const size_t scheme = text.find("://"); scheme != std::string_view::npos) {
    return wrong(fmt::format("leave out {}", text.substr(0, scheme + 3)));
  }
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) {
    return wrong("there is no port");
  }
  std::string_view host = text.substr(0, colon);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return wrong("an IPv6 host stands in brackets");
  }
  if (host.empty()) {
    return wrong("there is no host");
  }
  const std::string_view digits = text.substr(colon + 1);
  Address address{std::string(host), 0};
  const char* end = digits.data() + digits.size();
  // NOLINTNEXTLINE(bugprone-suspicious-stringview-data-usage): from_chars takes both ends.
  const auto parsed = std::from_chars(digits.data(), end, address.port);
  if (digits.empty() || parsed.ec != std::errc() || parsed.ptr != end) {
    return wrong("the port is not a number from 0 to 65535");
  }
  return address;
}

bool Address::is_loopback() const {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

std::string Address::to_string() const {
  const bool is_v6 = host.find(':') != std::string::npos;
  return is_v6 ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

}  // namespace millrace::net
