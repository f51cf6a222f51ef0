#include "net/http_client.h"

#include "net/http_message.h"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include <limits>
#include <span>
#include <utility>

namespace millrace::net {
namespace {

namespace http = boost::beast::http;
using runtime::Deadline;

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
    : socket_(std::move(server)), options_(options) {}

void HttpClient::close() {
  socket_.close();
  received_.clear();
}

Status HttpClient::connect() {
  received_.clear();
  return socket_.connect(Deadline::after(options_.connect));
}

Status HttpClient::send_all(std::string_view bytes, Deadline deadline) {
  return socket_.send_all(std::as_bytes(std::span(bytes)), deadline);
}

Result<size_t> HttpClient::receive(Deadline deadline) {
  constexpr size_t kAtOnce = size_t{64} << 10;
  const size_t before = received_.size();
  received_.resize(before + kAtOnce);
  const auto bytes =
      socket_.receive(std::as_writable_bytes(std::span(received_)).subspan(before), deadline);
  received_.resize(before + (bytes.ok() ? *bytes : 0));
  return bytes;
}

Status HttpClient::send_raw(std::string_view bytes) {
  if (!socket_.is_open()) {
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
      return make_error(Code::kOverloaded, "answer of {}: over {} bytes", server().to_string(),
                        options_.max_body_bytes);
    }
    if (error && error != http::error::need_more) {
      return make_error(Code::kCorrupt, "answer of {}: {}", server().to_string(), error.message());
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
                          server().to_string());
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
  if (socket_.is_open() && socket_.is_stale()) {
    close();
  }
  if (!socket_.is_open()) {
    MILLRACE_TRY_STATUS(connect());
  }
  std::string message =
      fmt::format("{} {} HTTP/1.1\r\nHost: {}\r\n", method, target, server().to_string());
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
