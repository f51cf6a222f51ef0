// A TCP connection of a client that waits for each step.
#pragma once

#include "base/result.h"
#include "net/address.h"
#include "net/bound_socket.h"
#include "runtime/deadline.h"

#include <cstddef>
#include <span>

namespace millrace::net {

/// One thread; blocks, so never on a shard.
class BlockingSocket {
 public:
  explicit BlockingSocket(Address server) : server_(std::move(server)) {}

  const Address& server() const { return server_; }

  bool is_open() const { return socket_.get() >= 0; }

  /// Errors: io (could not connect, with what to do), timeout.
  Status connect(runtime::Deadline deadline);

  /// Errors: io, timeout; then a part of it may have been sent.
  Status send_all(std::span<const std::byte> bytes, runtime::Deadline deadline);

  /// What is there, at least one byte; 0 when the server has ended its side. Errors: io, timeout.
  Result<size_t> receive(std::span<std::byte> into, runtime::Deadline deadline);

  /// Whether the server has ended the connection, or sent what nobody asked for.
  bool is_stale() const;

  void close() { socket_ = Descriptor(); }

 private:
  Status wait_for(short events, runtime::Deadline deadline) const;

  Address server_;
  Descriptor socket_;
};

}  // namespace millrace::net
