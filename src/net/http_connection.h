// The requests of one connection, one after the other.
#pragma once

#include "net/http_body.h"
#include "net/http_parser.h"
#include "net/http_server.h"
#include "net/stream.h"

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace millrace::net {

/// Lives on the shard of its stream, for as long as the connection.
class HttpConnection {
 public:
  HttpConnection(Stream& stream, runtime::CancelToken stop, const HttpLimits& limits,
                 HttpHandler& handler);

  /// Serves until the peer, a limit, an unclear request or the server's stop ends it.
  runtime::Task<void> run();

 private:
  /// What became of a step: go on, or the connection ends here (with or without an answer sent).
  enum class Next : unsigned char { kGoOn, kEnd };

  runtime::Task<Next> serve_one();
  runtime::Task<Next> read_head();
  runtime::Task<Next> read_body(size_t limit);
  runtime::Task<Next> read_known_body(size_t length);
  runtime::Task<Next> read_chunks(size_t limit);
  runtime::Task<HttpResponse> handle_while_connected();
  runtime::Task<Next> refuse(HttpRefusal refusal);
  runtime::Task<Next> end_unread(const Error& error, bool has_begun);
  runtime::Task<Next> respond(HttpResponse response, bool keeps_alive);
  runtime::Task<Status> write_continue();

  /// Room behind what was received; moves or grows the buffer. Not while request_ points into it.
  std::span<std::byte> make_room();
  void forget_request();
  std::string_view received() const;
  runtime::Deadline in(std::chrono::milliseconds time) const;

  Stream& stream_;
  const runtime::CancelToken stop_;
  const HttpLimits& limits_;
  HttpHandler& handler_;

  // [begin_, end_) was received and not yet used; head and, where it fits, body stay in place.
  std::vector<std::byte> buffer_;
  size_t begin_ = 0;
  size_t end_ = 0;

  std::vector<std::byte> next_;  // received behind a chunked body

  HttpParser parser_;
  HttpRequest request_;
  HttpBody body_;
  size_t head_bytes_ = 0;
  size_t request_bytes_ = 0;  // of [begin_, end_) that belong to the request once it is whole
  std::string out_;
  std::vector<std::span<const std::byte>> parts_;
};

}  // namespace millrace::net
