#include "net/http_client.h"

#include "net/http_message.h"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <memory>
#include <system_error>
#include <utility>

namespace millrace::net {
namespace {

namespace http = boost::beast::http;
using runtime::Deadline;

Error connect_error(const Address& server, int number) {
  const std::string_view hint = number == ECONNREFUSED ? "; nothing listens there" : "";
  return make_error(Code::kIo, "connect to {}: {}{}", server.to_string(),
                    std::generic_category().message(number), hint);
}

HttpClientResponse response_of(http::response<http::string_body> message) {
  HttpClientResponse response;
  response.status = static_cast<int>(message.result_int());
  for (const auto& field : message) {
    response.headers.emplace_back(std::string(field.name_string()), std::string(field.value()));
  }
  response.body = std::move(message.body());
  return response;
}

}  // namespace

std::optional<std::string_view> HttpClientResponse::header(std::string_view name) const {
  for (const auto& [field, value] : headers) {
    if (equals_ignoring_case(field, name)) {
      return value;
    }
  }
  return std::nullopt;
}

HttpClient::HttpClient(Address server, HttpClientOptions options)
    : server_(std::move(server)), options_(options) {}

void HttpClient::close() {
  socket_ = Descriptor();
  received_.clear();
}

Status HttpClient::wait_for(short events, Deadline deadline) const {
  pollfd entry{socket_.get(), events, 0};
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline.remaining()).count();
    const int ready = ::poll(
        &entry, 1, static_cast<int>(std::min<int64_t>(left, std::numeric_limits<int>::max())));
    if (ready > 0) {
      return {};
    }
    if (ready == 0) {
      return make_error(Code::kTimeout, "{} did not answer in time", server_.to_string());
    }
    if (errno != EINTR) {
      return errno_error("poll(2)", server_.to_string(), errno);
    }
  }
}

Status HttpClient::connect() {
  received_.clear();
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int failure =
      getaddrinfo(server_.host.c_str(), std::to_string(server_.port).c_str(), &hints, &found);
  if (failure != 0) {
    return make_error(Code::kIo, "connect to {}: {}", server_.to_string(), gai_strerror(failure));
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, &freeaddrinfo);
  int number = ECONNREFUSED;
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    socket_ = Descriptor(
        ::socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP));
    if (socket_.get() < 0) {
      number = errno;
      continue;
    }
    if (::connect(socket_.get(), at->ai_addr, at->ai_addrlen) != 0 && errno != EINPROGRESS) {
      number = errno;
      continue;
    }
    MILLRACE_TRY_STATUS(wait_for(POLLOUT, Deadline::after(options_.connect)));
    socklen_t length = sizeof(number);
    getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &number, &length);
    if (number == 0) {
      const int on = 1;
      setsockopt(socket_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
      return {};
    }
  }
  close();
  return connect_error(server_, number);
}

/// Whether the server has ended the connection since the last answer.
bool HttpClient::is_stale() const {
  char byte = 0;
  const ssize_t peeked = ::recv(socket_.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return peeked >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
}

Status HttpClient::send_all(std::string_view bytes, Deadline deadline) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      bytes.remove_prefix(static_cast<size_t>(sent));
      continue;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
      MILLRACE_TRY_STATUS(wait_for(POLLOUT, deadline));
    } else if (errno != EINTR) {
      return errno_error("send(2)", server_.to_string(), errno);
    }
  }
  return {};
}

Result<size_t> HttpClient::receive(Deadline deadline) {
  constexpr size_t kAtOnce = size_t{64} << 10;
  const size_t before = received_.size();
  received_.resize(before + kAtOnce);
  while (true) {
    const ssize_t bytes = ::recv(socket_.get(), received_.data() + before, kAtOnce, 0);
    const int number = errno;
    if (bytes >= 0) {
      received_.resize(before + static_cast<size_t>(bytes));
      return static_cast<size_t>(bytes);
    }
    Status waited;
    if (number == EAGAIN || number == EWOULDBLOCK) {
      waited = wait_for(POLLIN, deadline);
    } else if (number != EINTR) {
      waited = errno_error("recv(2)", server_.to_string(), number);
    }
    if (!waited.ok()) {
      received_.resize(before);
      return std::move(waited).error();
    }
  }
}

Status HttpClient::send_raw(std::string_view bytes) {
  if (socket_.get() < 0) {
    MILLRACE_TRY_STATUS(connect());
  }
  return send_all(bytes, Deadline::after(options_.request));
}

Result<std::string> HttpClient::read_to_end() {
  const auto deadline = Deadline::after(options_.request);
  while (true) {
    MILLRACE_TRY(const size_t bytes, receive(deadline));
    if (bytes == 0) {
      return std::exchange(received_, {});
    }
  }
}

Result<HttpClientResponse> HttpClient::read_response(bool is_head) {
  const auto deadline = Deadline::after(options_.request);
  http::response_parser<http::string_body> parser;
  parser.body_limit(options_.max_body_bytes);
  parser.header_limit(std::numeric_limits<std::uint32_t>::max());
  parser.eager(true);
  parser.skip(is_head);
  while (!parser.is_done()) {
    boost::system::error_code error = http::error::need_more;
    if (!received_.empty()) {
      const size_t taken = parser.put(boost::asio::buffer(received_), error);
      received_.erase(0, taken);
    }
    if (error == http::error::body_limit) {
      return make_error(Code::kOverloaded, "answer of {}: over {} bytes", server_.to_string(),
                        options_.max_body_bytes);
    }
    if (error && error != http::error::need_more) {
      return make_error(Code::kCorrupt, "answer of {}: {}", server_.to_string(), error.message());
    }
    if (parser.is_done()) {
      break;
    }
    MILLRACE_TRY(const size_t bytes, receive(deadline));
    if (bytes == 0) {
      error = http::error::end_of_stream;
      if (parser.got_some()) {
        parser.put_eof(error);
      }
      if (error) {
        return make_error(Code::kIo, "{} ended the connection before its answer was whole",
                          server_.to_string());
      }
    }
  }
  const bool keeps = parser.keep_alive();
  auto response = response_of(parser.release());
  if (!keeps) {
    close();
  }
  return response;
}

Result<HttpClientResponse> HttpClient::request(std::string_view method, std::string_view target,
                                               const HttpFields& headers, std::string_view body) {
  if (socket_.get() >= 0 && is_stale()) {
    close();
  }
  if (socket_.get() < 0) {
    MILLRACE_TRY_STATUS(connect());
  }
  std::string message =
      fmt::format("{} {} HTTP/1.1\r\nHost: {}\r\n", method, target, server_.to_string());
  for (const auto& [name, value] : headers) {
    message.append(name).append(": ").append(value).append("\r\n");
  }
  if (!body.empty() || method == "POST" || method == "PUT") {
    message += fmt::format("Content-Length: {}\r\n", body.size());
  }
  message.append("\r\n").append(body);
  // A server may answer before it has taken the whole body (413): the answer is what counts.
  const Status sent = send_all(message, Deadline::after(options_.request));
  auto response = read_response(method == "HEAD");
  if (response.ok() || response.error().code == Code::kCorrupt ||
      response.error().code == Code::kOverloaded) {
    return response;
  }
  close();
  const Error& error = sent.ok() ? response.error() : sent.error();
  return make_error(Code::kOutcomeUnknown, "{} {}: {}", method, target, error.message);
}

}  // namespace millrace::net
