#include "net/stream.h"

#include "net/address.h"
#include "runtime/coroutine.h"
#include "runtime/shard.h"
#include "runtime/timer.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

namespace millrace::net {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using runtime::Deadline;
using runtime::Task;
using Socket = asio::basic_stream_socket<tcp, asio::io_context::executor_type>;

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);
constexpr size_t kPartsAtOnce = 64;

/// The parts still to be written, from an offset in the first.
class Gather {
 public:
  explicit Gather(std::span<const ConstSpan> parts) : parts_(parts) { skip_written(0); }

  bool is_empty() const { return parts_.empty(); }

  /// send(2) of up to kPartsAtOnce parts. Returns bytes, or -1 with errno.
  ssize_t send(int descriptor) const {
    std::array<iovec, kPartsAtOnce> vectors;
    const size_t count = std::min(parts_.size(), vectors.size());
    for (size_t i = 0; i < count; ++i) {
      const ConstSpan part = parts_[i].subspan(i == 0 ? offset_ : 0);
      vectors[i] = iovec{const_cast<std::byte*>(part.data()), part.size()};
    }
    msghdr message{};
    message.msg_iov = vectors.data();
    message.msg_iovlen = count;
    return ::sendmsg(descriptor, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  }

  void skip_written(size_t bytes) {
    while (!parts_.empty() && bytes >= parts_.front().size() - offset_) {
      bytes -= parts_.front().size() - offset_;
      offset_ = 0;
      parts_ = parts_.subspan(1);
    }
    offset_ += bytes;
  }

 private:
  std::span<const ConstSpan> parts_;
  size_t offset_ = 0;
};

std::string peer_of(int descriptor) {
  sockaddr_storage storage{};
  socklen_t length = sizeof(storage);
  tcp::endpoint endpoint;
  if (getpeername(descriptor, reinterpret_cast<sockaddr*>(&storage), &length) != 0 ||
      length > endpoint.capacity()) {
    return "unknown";
  }
  std::memcpy(endpoint.data(), &storage, length);
  endpoint.resize(length);
  return Address{endpoint.address().to_string(), endpoint.port()}.to_string();
}

void set_options(int descriptor) {
  const int on = 1;
  const int idle_seconds = 60;
  // Losing one of these costs latency or a late notice of a dead peer, not the connection.
  setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  setsockopt(descriptor, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
  setsockopt(descriptor, IPPROTO_TCP, TCP_KEEPIDLE, &idle_seconds, sizeof(idle_seconds));
}

}  // namespace

struct Stream::Impl {
  explicit Impl(asio::io_context& context) : socket(context) {}

  static void expired_read(void* self) {
    auto* impl = static_cast<Impl*>(self);
    impl->read_expired = true;
    impl->stop_waiting();
  }

  static void expired_write(void* self) {
    auto* impl = static_cast<Impl*>(self);
    impl->write_expired = true;
    impl->stop_waiting();
  }

  void stop_waiting() {
    boost::system::error_code ignored;  // closed already: nothing waits
    socket.cancel(ignored);
  }

  Error error(std::string_view what, const boost::system::error_code& code) const {
    if (is_cancelled || code == asio::error::operation_aborted) {
      return make_error(Code::kCancelled, "{} {}: stopped", what, peer);
    }
    return make_error(Code::kIo, "{} {}: {}", what, peer, code.message());
  }

  Socket socket;
  std::string peer;
  runtime::Timer read_timer{&Impl::expired_read, this};
  runtime::Timer write_timer{&Impl::expired_write, this};
  std::shared_ptr<const std::function<void()>> peer_gone;  // while the peer is watched
  bool read_expired = false;
  bool write_expired = false;
  bool is_cancelled = false;
  bool is_draining = false;
  bool is_idle = false;
};

Stream::Stream(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Stream::~Stream() {
  close();
}

Result<std::unique_ptr<Stream>> Stream::adopt(int descriptor) {
  auto impl = std::make_unique<Impl>(runtime::Shard::here().context());
  impl->peer = peer_of(descriptor);
  set_options(descriptor);
  boost::system::error_code error;
  impl->socket.assign(tcp::v4(), descriptor, error);  // the family is used by open() alone
  if (error) {
    ::close(descriptor);
    return impl->error("connection of", error);
  }
  impl->socket.native_non_blocking(true, error);
  if (error) {
    return impl->error("connection of", error);
  }
  return std::unique_ptr<Stream>(new Stream(std::move(impl)));
}

Task<Result<size_t>> Stream::read_some(std::span<std::byte> into, Deadline deadline,
                                       ReadKind kind) {
  Impl& impl = *impl_;
  if (impl.is_cancelled || (impl.is_draining && kind == ReadKind::kIdle)) {
    co_return make_error(Code::kCancelled, "read from {}: stopped", impl.peer);
  }
  if (into.empty()) {
    co_return size_t{0};
  }
  impl.read_expired = false;
  impl.is_idle = kind == ReadKind::kIdle;
  impl.read_timer.arm(deadline);
  const auto [error, bytes] =
      co_await impl.socket.async_read_some(asio::buffer(into.data(), into.size()), kAwait);
  impl.read_timer.disarm();
  impl.is_idle = false;
  if (!error) {
    co_return bytes;
  }
  if (error == asio::error::eof) {
    co_return size_t{0};
  }
  if (impl.read_expired && !impl.is_cancelled) {
    co_return make_error(Code::kTimeout, "read from {}: the deadline passed", impl.peer);
  }
  co_return impl.error("read from", error);
}

Task<Status> Stream::read_exactly(std::span<std::byte> into, Deadline deadline) {
  while (!into.empty()) {
    MILLRACE_CO_TRY(const size_t bytes, co_await read_some(into, deadline));
    if (bytes == 0) {
      co_return make_error(Code::kIo, "read from {}: it ended the connection, {} bytes missing",
                           impl_->peer, into.size());
    }
    into = into.subspan(bytes);
  }
  co_return Status();
}

Task<Status> Stream::write_all(std::span<const ConstSpan> parts, Deadline deadline) {
  Impl& impl = *impl_;
  impl.write_expired = false;
  Gather gather(parts);
  // The socket's buffer nearly always has room: asking the system first saves a turn of the loop.
  while (!gather.is_empty()) {
    if (impl.is_cancelled) {
      co_return make_error(Code::kCancelled, "write to {}: stopped", impl.peer);
    }
    const ssize_t sent = gather.send(impl.socket.native_handle());
    if (sent >= 0) {
      gather.skip_written(static_cast<size_t>(sent));
      continue;
    }
    if (errno == EINTR) {
      continue;
    }
    if (errno != EAGAIN && errno != EWOULDBLOCK) {
      co_return impl.error("write to", {errno, boost::system::system_category()});
    }
    impl.write_timer.arm(deadline);
    const auto [error] = co_await impl.socket.async_wait(Socket::wait_write, kAwait);
    impl.write_timer.disarm();
    if (error) {
      if (impl.write_expired && !impl.is_cancelled) {
        co_return make_error(Code::kTimeout, "write to {}: the deadline passed", impl.peer);
      }
      co_return impl.error("write to", error);
    }
  }
  co_return Status();
}

void Stream::watch_peer(std::function<void()> gone) {
  impl_->peer_gone = std::make_shared<const std::function<void()>>(std::move(gone));
  const std::weak_ptr watched(impl_->peer_gone);
  const int descriptor = impl_->socket.native_handle();
  impl_->socket.async_wait(
      Socket::wait_read, [watched, descriptor](const boost::system::error_code& error) {
        const auto call = watched.lock();
        if (error || !call) {
          return;  // stopped, or not watched any more: then the descriptor may be another's
        }
        std::byte next{};
        const ssize_t bytes = ::recv(descriptor, &next, 1, MSG_PEEK | MSG_DONTWAIT);
        if (bytes == 0 || (bytes < 0 && errno == ECONNRESET)) {
          (*call)();
        }
      });
}

void Stream::unwatch_peer() {
  impl_->peer_gone.reset();
  impl_->stop_waiting();
}

Task<void> Stream::close_gently() {
  constexpr size_t kMostBytes = size_t{256} << 10;
  boost::system::error_code ignored;  // a peer that is gone needs no gentleness
  impl_->socket.shutdown(Socket::shutdown_send, ignored);
  const auto deadline = Deadline::after(std::chrono::seconds(1), runtime::Shard::here().clock());
  std::vector<std::byte> waste(size_t{16} << 10);
  for (size_t total = 0; total < kMostBytes;) {
    const auto bytes = co_await read_some(waste, deadline);
    if (!bytes.ok() || *bytes == 0) {
      break;
    }
    total += *bytes;
  }
  close();
}

void Stream::close() {
  boost::system::error_code ignored;  // Asio gives the descriptor back either way
  impl_->is_cancelled = true;
  impl_->socket.close(ignored);
}

void Stream::cancel() {
  impl_->is_cancelled = true;
  impl_->stop_waiting();
}

void Stream::drain() {
  impl_->is_draining = true;
  if (impl_->is_idle) {
    impl_->stop_waiting();
  }
}

bool Stream::is_draining() const {
  return impl_->is_draining;
}

const std::string& Stream::peer() const {
  return impl_->peer;
}

}  // namespace millrace::net
