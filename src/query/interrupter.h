// Stops a query from another thread, and remembers why.
#pragma once

#include "base/mutex.h"
#include "base/result.h"
#include "query/duck.h"

#include <optional>

namespace millrace::query {

/// Thread-safe. DuckDB forgets an interruption that comes before a statement starts, so look at
/// reason() right after that.
class Interrupter {
 public:
  explicit Interrupter(duckdb_connection connection) : connection_(connection) {}

  /// The first reason counts.
  void stop(Code reason) {
    const MutexLock lock(mutex_);
    if (!reason_) {
      reason_ = reason;
    }
    duckdb_interrupt(connection_);
  }

  std::optional<Code> reason() const {
    const MutexLock lock(mutex_);
    return reason_;
  }

 private:
  const duckdb_connection connection_;
  mutable Mutex mutex_;
  std::optional<Code> reason_ MILLRACE_GUARDED_BY(mutex_);
};

}  // namespace millrace::query
