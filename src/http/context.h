// What every route may use.
#pragma once

#include "base/clock.h"
#include "base/memory_budget.h"
#include "base/metrics.h"
#include "broker/broker.h"
#include "ingest/ingestor.h"
#include "query/engine.h"
#include "runtime/blocking_pool.h"
#include "tables/tables.h"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

namespace millrace::http {

struct ServiceOptions {
  size_t body_bytes = size_t{32} << 20;  // before decompression and after it
  std::chrono::milliseconds query{30'000};
  size_t query_rows = 1'000'000;
  std::string version;
};

/// Counters since the process started. Read by any thread.
struct HttpCounters {
  std::atomic<uint64_t> requests{0};
  std::atomic<uint64_t> refused_4xx{0};
  std::atomic<uint64_t> failed_5xx{0};
  std::atomic<uint64_t> queries{0};
};

/// Everything a route needs; all of it outlives the service.
struct Context {
  broker::Broker& broker;
  tables::Tables& tables;
  ingest::Ingestor& ingestor;
  query::Engine& engine;
  const Metrics& metrics;
  MemoryBudget& bodies;               // request bodies in memory
  runtime::BlockingPool& query_pool;  // one query a thread
  runtime::BlockingPool& pool;        // large bodies are decompressed there
  const Clock& clock;
  ServiceOptions options;
  HttpCounters& counters;
};

}  // namespace millrace::http
