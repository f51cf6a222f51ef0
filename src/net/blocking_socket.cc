#include "net/blocking_socket.h"

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
#include <string_view>
#include <system_error>

namespace millrace::net {
namespace {

using runtime::Deadline;

Error connect_error(const Address& server, int number) {
  const std::string_view hint = number == ECONNREFUSED ? "; nothing listens there" : "";
  return make_error(Code::kIo, "connect to {}: {}{}", server.to_string(),
                    std::generic_category().message(number), hint);
}

}  // namespace

Status BlockingSocket::wait_for(short events, Deadline deadline) const {
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

Status BlockingSocket::connect(Deadline deadline) {
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
    MILLRACE_TRY_STATUS(wait_for(POLLOUT, deadline));
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

bool BlockingSocket::is_stale() const {
  char byte = 0;
  const ssize_t peeked = ::recv(socket_.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return peeked >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
}

Status BlockingSocket::send_all(std::span<const std::byte> bytes, Deadline deadline) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      bytes = bytes.subspan(static_cast<size_t>(sent));
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

Result<size_t> BlockingSocket::receive(std::span<std::byte> into, Deadline deadline) {
  while (true) {
    const ssize_t bytes = ::recv(socket_.get(), into.data(), into.size(), 0);
    if (bytes >= 0) {
      return static_cast<size_t>(bytes);
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
      MILLRACE_TRY_STATUS(wait_for(POLLIN, deadline));
    } else if (errno != EINTR) {
      return errno_error("recv(2)", server_.to_string(), errno);
    }
  }
}

}  // namespace millrace::net
