// Accepts connections, spreads them over the shards, and ends them in good order.
#pragma once

#include "base/result.h"
#include "net/address.h"
#include "net/stream.h"
#include "runtime/cancel_token.h"
#include "runtime/deadline.h"
#include "runtime/task.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace millrace::runtime {
class ShardSet;
}

namespace millrace::net {

/// What a protocol does with a connection. Outlives the listener; called on all shards.
class ConnectionHandler {
 public:
  virtual ~ConnectionHandler() = default;

  /// Serves one connection to its end, on its shard; it is closed afterwards. Waits for the next
  /// request with ReadKind::kIdle, and ends after an answer once stream.is_draining().
  /// `stop` is cancelled when the drain deadline has passed.
  virtual runtime::Task<void> serve(Stream& stream, runtime::CancelToken stop) = 0;
};

struct ListenerOptions {
  std::string name;  // of the protocol, for logs: "http"
  Address address;
  size_t max_connections = 4096;
};

/// Any thread, but stop() needs a shard.
class Listener {
 public:
  struct Counters {
    uint64_t accepted = 0;
    uint64_t refused_at_limit = 0;    // closed at once: max_connections were open
    uint64_t out_of_descriptors = 0;  // closed at once: the last descriptors are for files
    size_t open = 0;
  };

  /// Binds (with SO_REUSEADDR) and starts accepting on the first shard of `shards`, which outlives
  /// this; connections go to the shards in turn.
  /// Errors: conflict (port taken), forbidden, invalid (no such address here), io. Each names the
  /// address, the reason and what to do.
  static Result<std::unique_ptr<Listener>> start(runtime::ShardSet& shards, ListenerOptions options,
                                                 ConnectionHandler& handler);
  /// stop() must have returned (checked).
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  /// With the port the system chose, if it was asked to.
  const Address& address() const;
  Counters counters() const;

  /// Closes the port, ends idle connections, lets requests in progress finish until `drain`; then
  /// cancels the others and waits for their handlers to return. A second call only waits.
  runtime::Task<void> stop(runtime::Deadline drain);

 private:
  struct Impl;

  explicit Listener(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::net
