// The one DuckDB database in memory: its settings, its threads, its table functions.
#pragma once

#include "base/result.h"
#include "query/duck.h"
#include "query/engine_options.h"
#include "query/query_context.h"
#include "runtime/blocking_pool.h"

#include <atomic>
#include <memory>
#include <string>

namespace millrace::query {

/// Statements run on connections made by connect(). Thread-safe. Locked down from the start: no
/// extensions, no settings changed, no files but below the tables' folder.
class Database {
 public:
  /// kInvalid: options that make no sense.
  static Status check(const EngineOptions& options);
  /// Takes some 30 ms and 30 MB. Errors: kInvalid (options), kInternal (DuckDB's message).
  static Result<std::unique_ptr<Database>> open(const EngineOptions& options);
  /// Connections are gone before.
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  Result<DuckConnection> connect();

  QueryContexts& contexts() { return contexts_; }

  /// DuckDB refuses everything from now on: open another one for the next query.
  void retire() { is_retired_ = true; }

  bool is_retired() const { return is_retired_; }

 private:
  Database() = default;

  Status configure(const EngineOptions& options);
  Status start_threads(const EngineOptions& options);

  QueryContexts contexts_;
  duckdb_database database_ = nullptr;
  duckdb_task_state tasks_ = nullptr;
  std::unique_ptr<runtime::BlockingPool> threads_;
  std::atomic<bool> is_retired_{false};
};

/// Runs a statement of ours that has no answer. Errors: error_of().
Status execute(duckdb_connection connection, const std::string& sql);

}  // namespace millrace::query
