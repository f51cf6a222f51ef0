#include "kafka/service.h"

#include "kafka/connection.h"
#include "runtime/coroutine.h"

namespace millrace::kafka {

Service::Service(broker::Broker& broker, bytes::BufferPool& pool, MemoryBudget& reads,
                 ServiceOptions options)
    : options_(std::move(options)),
      context_{broker, reads, options_, broker.journal().directory_id().to_string(),
               options_.advertised.port},
      pool_(pool) {}

void Service::listening_on(uint16_t port) {
  uint16_t unknown = 0;
  context_.advertised_port.compare_exchange_strong(unknown, port);
}

runtime::Task<void> Service::serve(net::Stream& stream, runtime::CancelToken stop) {
  if (context_.advertised_port.load() == 0) {
    co_return;
  }
  Connection connection(context_, pool_, stream, std::move(stop));
  co_await connection.run();
}

}  // namespace millrace::kafka
