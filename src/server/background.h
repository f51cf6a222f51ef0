// The loops of a server that look after what it holds. They run on one shard, until `stop`.
#pragma once

#include "broker/broker.h"
#include "broker/segments.h"
#include "catalog/catalog.h"
#include "io/disk_reserve.h"
#include "journal/commit_log.h"
#include "runtime/blocking_pool.h"
#include "runtime/cancel_token.h"
#include "runtime/deadline.h"
#include "runtime/task.h"
#include "runtime/waiters.h"
#include "tables/tables.h"

#include <chrono>

namespace millrace::server {

/// What the loops work on; all outlives them.
struct LookedAfter {
  broker::Broker& broker;
  tables::Tables& tables;
  broker::Segments& segments;
  journal::JournalLog& log;
  catalog::Catalog& catalog;
  io::DiskReserve& reserve;
  runtime::BlockingPool& pool;       // catalog commits of the broker's part, the reserve
  runtime::WaitList& short_of_room;  // of the loops' shard: the journal was, after a round
};

/// Writes the broker's part of the catalog, moves the tables' hold, applies retention and takes the
/// reserve back if it was given up: soon after the start, after each rotation, when something ended
/// or has no room, and at least every `interval`.
runtime::Task<void> retention_loop(LookedAfter of, std::chrono::milliseconds interval,
                                   runtime::CancelToken stop);

/// Cuts segments and takes out expired ones: at least every `interval`, and at once when the
/// journal is short of room. After a failure, which is logged, with a pause that grows to half a
/// minute.
runtime::Task<void> segments_loop(LookedAfter of, std::chrono::milliseconds interval,
                                  runtime::CancelToken stop);

/// Cancels `what` at `deadline`, unless `stop` comes first.
runtime::Task<void> cancel_at(runtime::Deadline deadline, runtime::CancelSource& what,
                              runtime::CancelToken stop);

/// Flushes what is old or too much.
runtime::Task<void> tables_loop(LookedAfter of, std::chrono::milliseconds age,
                                runtime::CancelToken stop);

}  // namespace millrace::server
