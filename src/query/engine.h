// SQL over tables and topics, read-only.
#pragma once

#include "base/result.h"
#include "query/engine_options.h"
#include "query/topic_source.h"
#include "runtime/cancel_token.h"
#include "runtime/deadline.h"
#include "tables/snapshot.h"

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::query {

/// Of one query.
struct QueryLimits {
  runtime::Deadline deadline = runtime::Deadline::never();
  size_t max_rows = 1'000'000;
  size_t max_bytes = size_t{256} << 20;  // of the encoded answer
  runtime::CancelToken cancel;           // the client is gone, or the server stops
};

struct QueryAnswer {
  std::vector<std::string> pieces;  // the JSON document: encode_json.h
  size_t rows = 0;
};

/// Runs one statement after the other on the callers' threads, any number of them at once. DuckDB
/// is loaded and started by the first query, and started anew after an error that it does not
/// survive.
///   MILLRACE_TRY(auto engine, Engine::open(options, tables, topics));
///   auto answer = engine->run("SELECT count(*) FROM cpu", {.deadline = in_30_s});
class Engine {
 public:
  /// `tables` and `topics` outlive it. Errors: kInvalid (options that make no sense).
  static Result<std::unique_ptr<Engine>> open(EngineOptions options, tables::SnapshotSource& tables,
                                              const TopicSource& topics);
  /// No query runs any more: BlockingPool::stop(deadline) says whether that is so.
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  /// Every row acknowledged before the call is seen, none that comes after the snapshot. Blocks:
  /// for a thread of a BlockingPool, whose nice value it has. Errors: kInvalid (the statement, with
  /// DuckDB's message; more rows or bytes than the limits), kNotFound (there is no such table or
  /// topic, or not any more), kForbidden (it is none that may run, with the reason), kTimeout,
  /// kCancelled, kOverloaded (out of memory or temporary space), kCorrupt (files or records are
  /// missing or damaged: names them; never another code for that), kUnsupported (a column's type
  /// has no JSON form), kInternal; SnapshotSource::snapshot's.
  Result<QueryAnswer> run(std::string_view sql, const QueryLimits& limits);

 private:
  struct Impl;

  explicit Engine(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::query
