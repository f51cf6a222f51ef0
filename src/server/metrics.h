// Which numbers /metrics shows. docs/metrics.md is made from what it says.
#pragma once

#include "base/memory_budget.h"
#include "base/metrics.h"
#include "broker/broker.h"
#include "broker/scrub.h"
#include "broker/segments.h"
#include "http/context.h"
#include "ingest/ingestor.h"
#include "journal/commit_log.h"
#include "net/listener.h"
#include "server/segment_store.h"
#include "tables/tables.h"

namespace millrace::server {

/// Whose numbers they are; all of it outlives the metrics' last text().
struct Measured {
  const journal::JournalLog& log;
  const broker::Broker& broker;
  const broker::Segments& segments;
  const broker::History& history;
  const broker::Scrub& scrub;
  const SegmentStore& segment_store;
  const tables::Tables& tables;
  const ingest::Ingestor& ingestor;
  const MemoryBudget& bodies;
  const MemoryBudget& buffers;
  const MemoryBudget& reads;
  const http::HttpCounters& http;
  const net::Listener& kafka;
};

void add_metrics(Metrics& metrics, const Measured& of);

}  // namespace millrace::server
