// One connection to a server by the Kafka protocol, for requests that no client library has.
#pragma once

#include "base/result.h"
#include "kafka/protocol/frame.h"
#include "net/blocking_socket.h"

#include <atomic>
#include <chrono>
#include <span>
#include <vector>

namespace millrace::verify {

/// One request at a time. One thread; blocks.
class Connection {
 public:
  /// Errors: kTimeout (nobody answers at the address).
  static Result<Connection> open(const net::Address& server, std::chrono::milliseconds timeout);

  /// Sends a request and waits for its response. `stop`: null, or looked at ten times a second.
  /// Errors: kIo (the connection ended), kTimeout, kCorrupt (no Kafka protocol), kCancelled.
  template <typename Response, typename Request>
  Result<Response> call(int16_t version, const Request& request, const std::atomic<bool>* stop) {
    MILLRACE_TRY_STATUS(
        send(kafka::request_frame(version, ++correlation_, "millrace-verify", request), stop));
    MILLRACE_TRY(const auto body, receive(*kafka::find_api(Response::kApiKey), version, stop));
    Response response;
    if (Status decoded = kafka::decode_message(body, version, response); !decoded.ok()) {
      return make_error(Code::kCorrupt, "answer of {}: {}", socket_.server().to_string(),
                        decoded.error().message);
    }
    return response;
  }

 private:
  Connection(net::BlockingSocket socket, std::chrono::milliseconds timeout)
      : socket_(std::move(socket)), timeout_(timeout) {}

  Status send(const std::vector<bytes::Buffer>& frame, const std::atomic<bool>* stop);
  /// What stands behind the header of the response.
  Result<std::span<const std::byte>> receive(const kafka::ApiRange& api, int16_t version,
                                             const std::atomic<bool>* stop);
  Status read_exactly(std::span<std::byte> into, const std::atomic<bool>* stop);

  net::BlockingSocket socket_;
  std::chrono::milliseconds timeout_;
  int32_t correlation_ = 0;
  std::vector<std::byte> frame_;
};

}  // namespace millrace::verify
