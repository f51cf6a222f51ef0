// One TCP connection: bytes in, bytes out, each with a deadline.
#pragma once

#include "base/result.h"
#include "runtime/deadline.h"
#include "runtime/task.h"

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>

namespace millrace::net {

using ConstSpan = std::span<const std::byte>;

/// What a read waits for, which says what a drain does to it.
enum class ReadKind : unsigned char {
  kRequest,  // the rest of something begun: a drain lets it finish
  kIdle,     // the next request: a drain ends it at once
};

/// Lives on the shard that made it; every call is from there. One read and one write at a time.
/// After an error other than a timeout of an idle read the connection is of no more use.
/// A deadline costs a store per call, no timer operation (runtime::Timer).
class Stream {
 public:
  /// Takes the connected, non-blocking socket `descriptor` over; needs a shard. TCP_NODELAY and
  /// keepalive (after 60 s of silence) are set.
  /// Errors: io (the descriptor is closed).
  static Result<std::unique_ptr<Stream>> adopt(int descriptor);
  /// Closes.
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  /// Reads what is there, at least one byte. Returns: 0 when the peer has ended its side.
  /// Errors: timeout, cancelled (cancel(), or drain() during an idle read), io (reset by the peer).
  runtime::Task<Result<size_t>> read_some(std::span<std::byte> into, runtime::Deadline deadline,
                                          ReadKind kind = ReadKind::kRequest);

  /// Fills `into`. Errors: as read_some; io when the peer ends before.
  runtime::Task<Status> read_exactly(std::span<std::byte> into, runtime::Deadline deadline);

  /// Writes all parts, gathered; what they point to lives until this returned.
  /// Errors: timeout, cancelled, io; then a part of it may have been sent.
  runtime::Task<Status> write_all(std::span<const ConstSpan> parts, runtime::Deadline deadline);

  /// Calls `gone` once when the peer ends its side or resets the connection, until unwatch_peer():
  /// for the time in between, in which nothing is read or written. What a peer that ended its side
  /// still reads is not known. Bytes that come end the watch: they are its next request.
  void watch_peer(std::function<void()> gone);
  void unwatch_peer();

  /// Ends our side and reads what the peer still sends, at most 256 KiB and 1 s, so that the last
  /// answer is not lost to a reset (RFC 9112 section 9.6). Then closes.
  runtime::Task<void> close_gently();

  void close();
  /// Fails the read and write in progress and all later ones with kCancelled.
  void cancel();
  /// Ends an idle read, now or when it begins, with kCancelled.
  void drain();

  bool is_draining() const;
  /// "127.0.0.1:40000", for logs.
  const std::string& peer() const;

 private:
  struct Impl;

  explicit Stream(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::net
