// A small blocking HTTP/1.1 client, for the command line's verbs and for tests.
#pragma once

#include "base/result.h"
#include "net/address.h"
#include "net/blocking_socket.h"
#include "runtime/deadline.h"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::net {

using HttpFields = std::vector<std::pair<std::string, std::string>>;

struct HttpClientResponse {
  int status = 0;
  HttpFields headers;
  std::string body;

  /// First value of the field, whatever the case of its name.
  std::optional<std::string_view> header(std::string_view name) const;
};

struct HttpClientOptions {
  std::chrono::milliseconds connect{3'000};
  std::chrono::milliseconds request{30'000};  // from the first byte sent to the answer's last
  size_t max_body_bytes = size_t{1} << 30;
};

/// One connection, kept alive and opened again when the server has ended it. One thread; blocks, so
/// never on a shard.
class HttpClient {
 public:
  explicit HttpClient(Address server, HttpClientOptions options = {});

  /// Sends a request and waits for the answer. `target`: path and query, encoded. Host and
  /// Content-Length are added.
  /// Errors: io (could not connect, with what to do; nothing was sent), outcome unknown (sent, in
  /// part at least, and no answer), timeout (connecting), corrupt (what came is no HTTP response),
  /// overloaded (the answer is over max_body_bytes).
  Result<HttpClientResponse> request(std::string_view method, std::string_view target,
                                     const HttpFields& headers = {}, std::string_view body = {});

  Result<HttpClientResponse> get(std::string_view target) { return request("GET", target); }

  /// Sends bytes as they are, connecting first if needed; for tests of servers.
  Status send_raw(std::string_view bytes);
  /// Reads one response, to its end. `is_head`: it has no body, whatever its length says.
  Result<HttpClientResponse> read_response(bool is_head = false);
  /// Reads what comes until the server ends the connection.
  Result<std::string> read_to_end();

  void close();

  const Address& server() const { return socket_.server(); }

 private:
  Status connect();
  Status send_all(std::string_view bytes, runtime::Deadline deadline);
  Result<size_t> receive(runtime::Deadline deadline);

  BlockingSocket socket_;
  HttpClientOptions options_;
  std::string received_;  // and not yet used
};

}  // namespace millrace::net
