// What every Kafka handler may use.
#pragma once

#include "base/memory_budget.h"
#include "broker/broker.h"
#include "kafka/protocol/error_code.h"
#include "kafka/protocol/versions.h"
#include "net/address.h"
#include "runtime/cancel_token.h"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

namespace millrace::kafka {

inline constexpr std::chrono::milliseconds kMemoryRetry{2};  // between looks at a spent budget

struct ServiceOptions {
  net::Address advertised;  // where clients are told to connect
  int32_t node_id = 1;
  int32_t default_partitions = 4;  // of a topic made by Metadata or CreateTopics(-1)
  bool auto_create_topics = true;
  /// Of one connection's requests in work, but one always: some runs of the journal. A flood by one
  /// leaves the memory for requests to others and does not stand before them.
  size_t max_bytes_in_flight = size_t{16} << 20;
  size_t max_frame_bytes = kMaxProduceFrame;  // of any request; an API may have a smaller limit
};

/// Lives as long as the service; shared by all connections.
struct Context {
  broker::Broker& broker;
  MemoryBudget& reads;  // what responses hold of batches that were read from files
  const ServiceOptions& options;
  std::string cluster_id;
  std::atomic<uint16_t> advertised_port{0};  // 0: not known yet, nobody is served
};

}  // namespace millrace::kafka
