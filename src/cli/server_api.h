// The server's HTTP interface, as verbs use it.
#pragma once

#include "base/result.h"
#include "net/http_client.h"

#include <chrono>
#include <string>
#include <string_view>

namespace millrace::cli {

/// One server. Blocks; one thread.
class ServerApi {
 public:
  /// `address`: as add_http_flag() checked it. Errors: kInvalid (none).
  static Result<ServerApi> open(const std::string& address,
                                std::chrono::milliseconds timeout = std::chrono::minutes(10));

  /// The body of a 2xx answer.
  /// Errors: kTimeout (nobody answers at the address: report() says what to do), the kinds of
  /// refusal() (the server's own words), kOutcomeUnknown (it ended the connection), kCorrupt (no
  /// HTTP).
  Result<std::string> get(std::string_view target) { return call("GET", target, {}); }

  Result<std::string> post(std::string_view target, std::string_view body) {
    return call("POST", target, body);
  }

 private:
  explicit ServerApi(net::HttpClient client) : client_(std::move(client)) {}

  Result<std::string> call(std::string_view method, std::string_view target, std::string_view body);

  net::HttpClient client_;
};

/// What an answer that is not 2xx says: kNotFound (404), kConflict (409), kOverloaded (503, 504),
/// kForbidden (any other 4xx), kInternal, with the message of its JSON in each of the three forms
/// that the server has, or its first bytes.
Error refusal(int status, std::string_view body);

/// An HttpClient's error for report(): kTimeout when it could not connect.
Error unreachable_if_io(Error error);

}  // namespace millrace::cli
