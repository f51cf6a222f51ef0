#include "net/bound_socket.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <system_error>
#include <utility>

namespace millrace::net {
namespace {

Descriptor open_spare() {
  return Descriptor(::open("/dev/null", O_RDONLY | O_CLOEXEC));
}

Error listen_error(const Address& address, int number) {
  const std::string where = address.to_string();
  const std::string reason = std::generic_category().message(number);
  switch (number) {
    case EADDRINUSE:
      return make_error(
          Code::kConflict,
          "listen on {}: {}: another program has this port; stop it, or choose another "
          "(port 0 takes any free one)",
          where, reason);
    case EACCES:
    case EPERM:
      return make_error(
          Code::kForbidden,
          "listen on {}: {}: ports below 1024 need root or CAP_NET_BIND_SERVICE; choose "
          "a higher one",
          where, reason);
    case EADDRNOTAVAIL:
      return make_error(
          Code::kInvalid,
          "listen on {}: {}: no interface of this machine has this address; 0.0.0.0 or "
          "[::] listens on all",
          where, reason);
    default:
      return errno_error("listen on", where, number);
  }
}

}  // namespace

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  if (this != &other) {
    const Descriptor old(std::exchange(number_, other.release()));
  }
  return *this;
}

Descriptor::~Descriptor() {
  if (number_ >= 0) {
    ::close(number_);
  }
}

int Descriptor::release() {
  return std::exchange(number_, -1);
}

BoundSocket::BoundSocket(Descriptor socket, Address address)
    : socket_(std::move(socket)), spare_(open_spare()), address_(std::move(address)) {}

Result<BoundSocket> BoundSocket::open(const Address& address) {
  addrinfo hints{};
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV | (address.host == "localhost" ? 0 : AI_NUMERICHOST);
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int failure =
      getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &found);
  if (failure != 0) {
    return make_error(Code::kInvalid, "listen on {}: {}; give a numeric address or localhost",
                      address.to_string(), gai_strerror(failure));
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, &freeaddrinfo);
  Descriptor socket(
      ::socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP));
  const int on = 1;
  if (socket.get() < 0 ||
      setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
      bind(socket.get(), found->ai_addr, found->ai_addrlen) != 0 ||
      listen(socket.get(), SOMAXCONN) != 0) {
    return listen_error(address, errno);
  }
  sockaddr_storage bound{};
  socklen_t length = sizeof(bound);
  if (getsockname(socket.get(), reinterpret_cast<sockaddr*>(&bound), &length) != 0) {
    return listen_error(address, errno);
  }
  Address real = address;
  // The port stands at the same place in sockaddr_in and sockaddr_in6 (ip(7), ipv6(7)).
  real.port = ntohs(reinterpret_cast<const sockaddr_in*>(&bound)->sin_port);
  return BoundSocket(std::move(socket), std::move(real));
}

AcceptOutcome BoundSocket::accept(Descriptor& into) {
  const auto take = [this] {
    return ::accept4(socket_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  };
  const int descriptor = take();
  if (descriptor >= 0) {
    into = Descriptor(descriptor);
    return AcceptOutcome::kAccepted;
  }
  switch (errno) {
    case EAGAIN:
      return AcceptOutcome::kNothing;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
      break;
    default:
      return AcceptOutcome::kTryAgain;  // accept(2): network errors of the new connection
  }
  if (spare_.get() < 0) {
    spare_ = open_spare();
    return AcceptOutcome::kNoDescriptors;
  }
  spare_ = Descriptor();
  Descriptor refused(take());
  const bool was_refused = refused.get() >= 0;
  refused = Descriptor();
  spare_ = open_spare();
  return was_refused ? AcceptOutcome::kRefused : AcceptOutcome::kNoDescriptors;
}

int BoundSocket::duplicate() const {
  return ::fcntl(socket_.get(), F_DUPFD_CLOEXEC, 0);
}

void BoundSocket::close() {
  socket_ = Descriptor();
  spare_ = Descriptor();
}

}  // namespace millrace::net
