// An HTTP/1.1 server without routes: framing, limits, deadlines and order (RFC 9110, RFC 9112).
#pragma once

#include "base/memory_budget.h"
#include "base/result.h"
#include "net/http_message.h"
#include "net/listener.h"
#include "runtime/task.h"

#include <chrono>
#include <cstddef>
#include <memory>
#include <string_view>
#include <variant>

namespace millrace::net {

struct HttpLimits {
  size_t head_bytes = size_t{16} << 10;         // start line and fields; beyond: 431
  size_t target_bytes = size_t{8} << 10;        // beyond: 414
  size_t body_bytes = size_t{32} << 20;         // what admit() grants unless it says otherwise; 413
  std::chrono::milliseconds head_read{10'000};  // from the request's first byte; 408
  std::chrono::milliseconds request{30'000};    // from the first byte to the body's end; 408
  std::chrono::milliseconds response{30'000};   // for the client to take the answer
  std::chrono::milliseconds idle{60'000};       // between requests; closed without a word
};

/// Leave to read a body.
struct HttpAdmission {
  size_t body_bytes = 0;                  // at most this many
  MemoryBudget::Reservation memory = {};  // held until the answer is written
  /// Cancels the request's token once the client has gone, or has ended its side of the connection:
  /// for long work that nobody else wants. Costs two system calls.
  bool ends_with_client = false;
};

/// What the server is for. Outlives it; called on all shards at once.
class HttpHandler {
 public:
  virtual ~HttpHandler() = default;

  /// Called with the head, before any of the body is read: refuse early (413, 503 with Retry-After)
  /// or reserve memory. A refusal closes the connection if there is a body. `body` is empty yet.
  virtual std::variant<HttpAdmission, HttpResponse> admit(const HttpRequest& head,
                                                          const HttpLimits& limits);

  /// Answers. `request` lives until the task has ended. An exception ends the process.
  virtual runtime::Task<HttpResponse> handle(const HttpRequest& request) = 0;

  /// The answer to a request that cannot be read. `path` is empty when it is not known.
  virtual HttpResponse refusal(int status, std::string_view reason, std::string_view path);
};

struct HttpServerOptions {
  Address address;
  size_t max_connections = 4096;
  HttpLimits limits;
};

/// Any thread, but stop() needs a shard. One connection is served by one shard, its requests one
/// after the other, so pipelined answers come in order.
class HttpServer {
 public:
  /// Errors: as Listener::start. `shards` and `handler` outlive the server.
  static Result<std::unique_ptr<HttpServer>> start(runtime::ShardSet& shards,
                                                   const HttpServerOptions& options,
                                                   HttpHandler& handler);
  /// stop() must have returned (checked).
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  const Address& address() const;
  Listener::Counters counters() const;

  /// Ends idle connections, lets requests in progress finish until `drain` and answers them with
  /// `Connection: close`; then cancels the rest.
  runtime::Task<void> stop(runtime::Deadline drain);

 private:
  struct Impl;

  explicit HttpServer(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::net
