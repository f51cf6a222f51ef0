// One Kafka connection: frames in, requests dispatched, responses out in order.
#pragma once

#include "base/memory_budget.h"
#include "bytes/buffer.h"
#include "kafka/context.h"
#include "kafka/protocol/frame.h"
#include "net/stream.h"
#include "runtime/cancel_token.h"
#include "runtime/gate.h"
#include "runtime/task.h"
#include "runtime/waiters.h"

#include <cstddef>
#include <deque>
#include <memory>
#include <vector>

namespace millrace::kafka {

/// Lives on its shard, inside Service::serve(). The reading coroutine starts a handler for each
/// request; the writing one sends what is finished, first request first.
class Connection {
 public:
  Connection(Context& context, bytes::BufferPool& pool, net::Stream& stream,
             runtime::CancelToken stop);

  /// Returns when the connection has ended and nothing of it runs any more.
  runtime::Task<void> run();

 private:
  /// A request whose response is not sent yet.
  struct InFlight {
    std::vector<bytes::Buffer> response;  // empty: none is sent (acks=0)
    MemoryBudget::Reservation held;       // for the response
    size_t bytes = 0;                     // of the request
    bool is_done = false;
  };

  using InFlightPtr = std::shared_ptr<InFlight>;

  runtime::Task<void> read_loop();
  runtime::Task<void> write_loop();
  /// The next frame without its length. Errors: those of Stream; kInvalid (a length that no request
  /// has).
  runtime::Task<Result<bytes::Buffer>> read_frame();
  runtime::Task<bytes::MutableBuffer> allocate(size_t size);
  runtime::Task<void> handle(bytes::Buffer frame, RequestHeader header, size_t body_at,
                             InFlightPtr in_flight);
  runtime::Task<Result<std::vector<bytes::Buffer>>> dispatch(bytes::Buffer frame,
                                                             RequestHeader header, size_t body_at,
                                                             MemoryBudget::Reservation& held);
  runtime::Task<void> wait_until_at_most(size_t in_flight);
  void fail(const Error& error);

  Context& context_;
  bytes::BufferPool& pool_;
  net::Stream& stream_;
  const runtime::CancelToken stop_;
  runtime::Gate gate_;
  std::deque<InFlightPtr> in_flight_;
  size_t bytes_in_flight_ = 0;  // of requests that are not done
  runtime::WaitList changed_;   // a request came, was answered, or reading has ended
  bool is_reading_ = true;
  bool has_failed_ = false;
};

}  // namespace millrace::kafka
