// A listening socket and its accept(2), with the answers to running out of descriptors.
#pragma once

#include "base/result.h"
#include "net/address.h"

namespace millrace::net {

/// A file descriptor that is closed when its owner goes. -1: none.
class Descriptor {
 public:
  explicit Descriptor(int number = -1) : number_(number) {}

  Descriptor(Descriptor&& other) noexcept : number_(other.release()) {}

  Descriptor& operator=(Descriptor&& other) noexcept;
  ~Descriptor();

  int get() const { return number_; }

  int release();

 private:
  int number_;
};

enum class AcceptOutcome : unsigned char {
  kAccepted,
  kNothing,        // nobody waits
  kTryAgain,       // that one was gone already
  kRefused,        // no descriptor for it; it was closed by means of the spare one
  kNoDescriptors,  // nor for closing it: wait a while
};

/// Non-blocking. One thread.
class BoundSocket {
 public:
  /// Binds and listens. `address`: host numeric or "localhost". Errors: see Listener::start.
  static Result<BoundSocket> open(const Address& address);

  int descriptor() const { return socket_.get(); }

  /// With the real port.
  const Address& address() const { return address_; }

  /// kAccepted puts the connection, non-blocking, into `into`.
  AcceptOutcome accept(Descriptor& into);
  /// A second descriptor for waiting; the caller owns it. -1 with errno: there is none left.
  int duplicate() const;
  void close();

 private:
  BoundSocket(Descriptor socket, Address address);

  Descriptor socket_;
  Descriptor spare_;  // given up to accept and close one connection when there is no other left
  Address address_;
};

}  // namespace millrace::net
