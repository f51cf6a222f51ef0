// What every Kafka handler may use.
#pragma once

#include "broker/broker.h"
#include "kafka/protocol/error_code.h"
#include "net/address.h"
#include "runtime/cancel_token.h"

#include <atomic>
#include <cstdint>
#include <string>

namespace millrace::kafka {

struct ServiceOptions {
  net::Address advertised;  // where clients are told to connect
  int32_t node_id = 1;
  int32_t default_partitions = 4;  // of a topic made by Metadata or CreateTopics(-1)
  bool auto_create_topics = true;
};

/// Lives as long as the service; shared by all connections.
struct Context {
  broker::Broker& broker;
  const ServiceOptions& options;
  std::string cluster_id;
  std::atomic<uint16_t> advertised_port{0};  // 0: not known yet, nobody is served
};

}  // namespace millrace::kafka
