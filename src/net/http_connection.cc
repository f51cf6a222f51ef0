#include "net/http_connection.h"

#include "runtime/coroutine.h"
#include "runtime/shard.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace millrace::net {
namespace {

using runtime::Deadline;
using runtime::Task;

constexpr size_t kFirstBuffer = size_t{8} << 10;
constexpr size_t kChunkBuffer = size_t{16} << 10;

/// The shard's current Date; made once a second.
std::string_view date_now() {
  thread_local std::string text;
  thread_local int64_t second = -1;
  const auto now = std::chrono::floor<std::chrono::seconds>(runtime::Shard::here().clock().wall());
  if (now.time_since_epoch().count() != second) {
    second = now.time_since_epoch().count();
    text = format_http_date(second);
  }
  return text;
}

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

}  // namespace

HttpConnection::HttpConnection(Stream& stream, runtime::CancelToken stop, const HttpLimits& limits,
                               HttpHandler& handler)
    : stream_(stream),
      stop_(std::move(stop)),
      limits_(limits),
      handler_(handler),
      buffer_(kFirstBuffer),
      parser_(limits.head_bytes, limits.target_bytes) {}

Task<void> HttpConnection::run() {
  while (co_await serve_one() == Next::kGoOn) {
    forget_request();
  }
}

std::string_view HttpConnection::received() const {
  return {reinterpret_cast<const char*>(buffer_.data()) + begin_, end_ - begin_};
}

Deadline HttpConnection::in(std::chrono::milliseconds time) const {
  return Deadline::after(time, runtime::Shard::here().clock());
}

void HttpConnection::forget_request() {
  begin_ += request_bytes_;
  if (begin_ == end_) {
    begin_ = end_ = 0;
  }
  if (!next_.empty()) {  // then nothing is left in buffer_
    if (buffer_.size() < next_.size()) {
      buffer_.resize(next_.size());
    }
    std::memcpy(buffer_.data(), next_.data(), next_.size());
    end_ = next_.size();
    next_.clear();
  }
  request_bytes_ = 0;
  head_bytes_ = 0;
  request_.headers.clear();
  body_ = HttpBody();
}

std::span<std::byte> HttpConnection::make_room() {
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (end_ == buffer_.size()) {
    buffer_.resize(buffer_.size() * 2);
  }
  return std::span(buffer_).subspan(end_);
}

Task<HttpConnection::Next> HttpConnection::serve_one() {
  if (co_await read_head() == Next::kEnd) {
    co_return Next::kEnd;
  }
  auto admitted = handler_.admit(request_, limits_);
  const bool has_body = request_.is_chunked || request_.content_length.value_or(0) > 0;
  if (auto* response = std::get_if<HttpResponse>(&admitted)) {
    co_return co_await respond(std::move(*response), request_.keeps_alive && !has_body);
  }
  const HttpAdmission& admission = std::get<HttpAdmission>(admitted);
  if (has_body && co_await read_body(admission.body_bytes) == Next::kEnd) {
    co_return Next::kEnd;
  }
  // A request behind this one says that the client is there, and hides that it goes.
  const bool is_last = next_.empty() && begin_ + request_bytes_ == end_;
  HttpResponse response = admission.ends_with_client && is_last
                              ? co_await handle_while_connected()
                              : co_await handler_.handle(request_);
  co_return co_await respond(std::move(response), request_.keeps_alive);
}

Task<HttpResponse> HttpConnection::handle_while_connected() {
  runtime::CancelSource gone;
  const runtime::CancelCallback on_stop(stop_, [&gone] { gone.cancel(); });
  request_.cancel = gone.token();
  stream_.watch_peer([&gone] { gone.cancel(); });
  HttpResponse response = co_await handler_.handle(request_);
  stream_.unwatch_peer();
  co_return response;
}

Task<HttpConnection::Next> HttpConnection::read_head() {
  bool has_begun = begin_ < end_;
  Deadline head_by = in(limits_.head_read);
  if (has_begun) {
    request_.deadline = in(limits_.request);
  }
  while (true) {
    if (has_begun) {
      auto head = parser_.parse_head(received(), request_);
      if (head.refusal.has_value()) {
        co_return co_await refuse(std::move(*head.refusal));
      }
      if (head.bytes > 0) {
        head_bytes_ = request_bytes_ = head.bytes;
        request_.peer = stream_.peer();
        request_.cancel = stop_;
        request_.body = {};
        co_return Next::kGoOn;
      }
    }
    const auto kind = has_begun ? ReadKind::kRequest : ReadKind::kIdle;
    const auto bytes =
        co_await stream_.read_some(make_room(), has_begun ? head_by : in(limits_.idle), kind);
    if (!bytes.ok()) {
      co_return co_await end_unread(bytes.error(), has_begun);
    }
    if (*bytes == 0) {
      co_return Next::kEnd;
    }
    end_ += *bytes;
    if (!has_begun) {
      has_begun = true;
      head_by = in(limits_.head_read);
      request_.deadline = in(limits_.request);
    }
  }
}

Task<HttpConnection::Next> HttpConnection::end_unread(const Error& error, bool has_begun) {
  if (error.code == Code::kTimeout && has_begun) {
    co_return co_await refuse(HttpRefusal{408, "the request did not come in time"});
  }
  co_return Next::kEnd;
}

Task<HttpConnection::Next> HttpConnection::read_body(size_t limit) {
  const uint64_t length = request_.content_length.value_or(0);
  if (length > limit) {
    co_return co_await refuse(
        HttpRefusal{413, fmt::format("the body is {} bytes, {} are allowed", length, limit)});
  }
  const bool has_come = end_ - begin_ > head_bytes_;
  if (request_.expects_continue && !has_come) {
    const auto written = co_await write_continue();
    if (!written.ok()) {
      co_return Next::kEnd;
    }
  }
  if (request_.is_chunked) {
    co_return co_await read_chunks(limit);
  }
  co_return co_await read_known_body(static_cast<size_t>(length));
}

Task<Status> HttpConnection::write_continue() {
  const std::span<const std::byte> line = bytes_of("HTTP/1.1 100 Continue\r\n\r\n");
  co_return co_await stream_.write_all(std::span(&line, 1), request_.deadline);
}

Task<HttpConnection::Next> HttpConnection::read_known_body(size_t length) {
  const size_t body_at = begin_ + head_bytes_;
  if (length <= buffer_.size() - body_at) {  // fits behind the head: it stays where it was received
    while (end_ - body_at < length) {
      const auto bytes =
          co_await stream_.read_some(std::span(buffer_).subspan(end_), request_.deadline);
      if (!bytes.ok()) {
        co_return co_await end_unread(bytes.error(), true);
      }
      if (*bytes == 0) {
        co_return Next::kEnd;
      }
      end_ += *bytes;
    }
    request_.body = std::span<const std::byte>(buffer_).subspan(body_at, length);
    request_bytes_ = head_bytes_ + length;
    co_return Next::kGoOn;
  }
  body_.reserve(length);
  body_.append(received().substr(head_bytes_));
  end_ = body_at;
  const auto rest =
      co_await stream_.read_exactly(body_.room().first(length - body_.size()), request_.deadline);
  if (!rest.ok()) {
    co_return co_await end_unread(rest.error(), true);
  }
  body_.commit(length - body_.size());
  request_.body = body_.bytes();
  co_return Next::kGoOn;
}

Task<HttpConnection::Next> HttpConnection::read_chunks(size_t limit) {
  // A buffer of its own, since the request points into buffer_. One line of framing must fit.
  std::vector<std::byte> raw(std::max(kChunkBuffer, end_ - begin_ - head_bytes_));
  const std::string_view first = received().substr(head_bytes_);
  size_t filled = first.size();
  std::memcpy(raw.data(), first.data(), filled);
  end_ = begin_ + head_bytes_;
  ChunkDecoder decoder;
  while (true) {
    const std::string_view unread(reinterpret_cast<const char*>(raw.data()), filled);
    auto chunks = decoder.decode(unread, limit, body_);
    if (chunks.refusal.has_value()) {
      co_return co_await refuse(std::move(*chunks.refusal));
    }
    filled -= chunks.bytes;
    std::memmove(raw.data(), raw.data() + chunks.bytes, filled);
    if (chunks.is_done) {
      break;
    }
    if (filled == raw.size()) {
      co_return co_await refuse(HttpRefusal{400, "a chunk's size line or the trailer is too long"});
    }
    const auto bytes =
        co_await stream_.read_some(std::span(raw).subspan(filled), request_.deadline);
    if (!bytes.ok()) {
      co_return co_await end_unread(bytes.error(), true);
    }
    if (*bytes == 0) {
      co_return Next::kEnd;
    }
    filled += *bytes;
  }
  request_.body = body_.bytes();
  raw.resize(filled);
  next_.swap(raw);
  co_return Next::kGoOn;
}

Task<HttpConnection::Next> HttpConnection::refuse(HttpRefusal refusal) {
  const std::string_view path = head_bytes_ > 0 ? request_.path : std::string_view();
  co_return co_await respond(handler_.refusal(refusal.status, refusal.reason, path), false);
}

Task<HttpConnection::Next> HttpConnection::respond(HttpResponse response, bool keeps_alive) {
  keeps_alive = keeps_alive && !stream_.is_draining();
  out_.clear();
  format_head(response, keeps_alive, date_now(), out_);
  const bool is_head = head_bytes_ > 0 && request_.method == HttpMethod::kHead;
  const bool has_body =
      !is_head && response.status >= 200 && response.status != 204 && response.status != 304;
  parts_.assign(1, bytes_of(out_));
  if (has_body) {
    parts_.push_back(bytes_of(response.body));
    for (const std::string& part : response.more) {
      parts_.push_back(bytes_of(part));
    }
  }
  const auto written = co_await stream_.write_all(parts_, in(limits_.response));
  if (!written.ok()) {
    co_return Next::kEnd;
  }
  if (!keeps_alive) {
    co_await stream_.close_gently();
    co_return Next::kEnd;
  }
  co_return Next::kGoOn;
}

}  // namespace millrace::net
