// The Kafka front end: one object behind a listener, one coroutine pair a connection.
#pragma once

#include "broker/broker.h"
#include "bytes/buffer.h"
#include "kafka/context.h"
#include "net/listener.h"

#include <memory>

namespace millrace::kafka {

/// Serves connections on every shard. Outlives its listener.
///
/// A connection's requests are answered in order (Kafka protocol guide, "Network"). Produce
/// requests behind one another are committed together; any other request waits until those before
/// it are answered. A malformed frame ends its connection, and no other.
class Service final : public net::ConnectionHandler {
 public:
  /// `broker`, `pool` and `reads` outlive this. `pool` gives the memory requests are read into:
  /// when it is spent a connection stops reading until some comes back. `reads` is for responses
  /// that come from files: when it is spent a Fetch finds nothing yet.
  Service(broker::Broker& broker, bytes::BufferPool& pool, MemoryBudget& reads,
          ServiceOptions options);

  /// The listener's port, once it is known; connections that come before are closed at once.
  void listening_on(uint16_t port);

  runtime::Task<void> serve(net::Stream& stream, runtime::CancelToken stop) override;

 private:
  const ServiceOptions options_;
  Context context_;
  bytes::BufferPool& pool_;
};

}  // namespace millrace::kafka
