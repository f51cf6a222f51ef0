// Databases that were created by their name: those with tables are there without it.
#pragma once

#include "base/clock.h"
#include "base/mutex.h"
#include "base/result.h"
#include "journal/commit_log.h"
#include "runtime/task.h"

#include <cstddef>
#include <set>
#include <string>

namespace millrace::tables {

/// Each is in every checkpoint of the journal.
inline constexpr size_t kMostDatabases = 10'000;

/// Thread-safe.
class Databases {
 public:
  /// `log` and `clock` outlive it.
  Databases(journal::JournalLog& log, const Clock& clock) : log_(log), clock_(clock) {}

  /// What the journal has, at a start. Errors: those of database_fact_from.
  Status take();

  /// Durable when the task has ended; one that is there stays as it is. Runs on its caller's shard.
  /// Errors: kInvalid (the name), kTooLarge (there are kMostDatabases), those of CommitLog::commit.
  runtime::Task<Status> create(std::string name);

  std::set<std::string> names() const;

 private:
  Status admit(const std::string& name) const;

  journal::JournalLog& log_;
  const Clock& clock_;
  mutable Mutex mutex_;
  std::set<std::string> names_ MILLRACE_GUARDED_BY(mutex_);
};

}  // namespace millrace::tables
