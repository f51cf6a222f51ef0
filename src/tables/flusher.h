// Turns hot rows into Parquet files: when there are enough, when they are old, when memory is
// short, or when somebody asks.
#pragma once

#include "base/clock.h"
#include "base/distribution.h"
#include "base/memory_budget.h"
#include "base/mutex.h"
#include "base/result.h"
#include "catalog/catalog.h"
#include "objects/object_store.h"
#include "pipeline/channel.h"
#include "tables/table.h"
#include "tables/unit_writer.h"

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <thread>
#include <vector>

namespace millrace::tables {

enum class FlushReason : uint8_t { kRows, kBytes, kAge, kMemory, kRequest, kJournal };

constexpr size_t kFlushReasons = 6;

/// "rows", "bytes", "age", "memory", "request", "journal".
std::string_view name_of(FlushReason reason);

struct FlushOptions {
  uint64_t bytes = uint64_t{64} << 20;  // of hot rows, in memory
  uint64_t rows = uint64_t{1} << 20;
  std::chrono::milliseconds age{600'000};
  double memory_share = 0.8;  // of the budget of hot rows, from which the largest tables go
  size_t threads = 1;
  SplitRule split;
};

/// Bounds for how long a stage of a flush takes, in seconds.
inline constexpr std::array kFlushSecondsBounds{0.0001, 0.001, 0.01, 0.02, 0.05, 0.1,
                                                0.2,    0.5,   1.0,  2.0,  5.0,  20.0};

/// Counters since the process started. Read by any thread.
struct FlushCounters {
  std::array<std::atomic<uint64_t>, kFlushReasons> flushes{};  // by FlushReason
  std::atomic<uint64_t> failures{0};
  std::atomic<uint64_t> rows{0};
  std::atomic<uint64_t> files{0};
  std::atomic<uint64_t> bytes{0};  // of files
  // Seconds of each flush that was committed, by stage; the first four are those of UnitTimes.
  Distribution sort{kFlushSecondsBounds};
  Distribution gather{kFlushSecondsBounds};
  Distribution encode{kFlushSecondsBounds};
  Distribution write{kFlushSecondsBounds};
  Distribution sync{kFlushSecondsBounds};    // the files to the disk, and their names
  Distribution commit{kFlushSecondsBounds};  // to the catalog
};

/// What a flush needs of others.
struct FlushParts {
  catalog::Catalog& catalog;
  objects::ObjectStore& store;
  MemoryBudget& budget;                 // of hot rows
  std::function<JournalPlace()> place;  // a durable run, not older than any applied row
  std::function<void()> committed;      // a table offset moved: holds may
  const Clock& clock;
};

/// Threads of its own. A table is queued or worked on at most once. A failed flush changes nothing,
/// is logged, and is tried again after a pause that doubles up to a minute; the rows stay readable.
class Flusher {
 public:
  using Done = std::function<void(Status)>;

  Flusher(FlushParts parts, FlushOptions options);
  ~Flusher();
  Flusher(const Flusher&) = delete;
  Flusher& operator=(const Flusher&) = delete;

  /// After rows were applied: queues the table if there are enough.
  void consider(const TablePtr& table);

  /// Whatever there is: the journal keeps files for its rows alone.
  void flush_for_journal(const TablePtr& table) { enqueue(table, FlushReason::kJournal); }

  /// Now and then: old rows, and the largest tables while memory is short.
  void look_at(const std::vector<TablePtr>& tables);
  /// Calls `done` on a flusher thread once everything applied before the call is in files, or with
  /// the error of the attempt. kCancelled after stop().
  void request(const TablePtr& table, Done done);
  /// The same for a thread that may block.
  Status flush(const TablePtr& table);

  /// Ends after the flush each thread is at; what is queued is dropped. A second call does nothing.
  void stop();

  const FlushCounters& counters() const { return counters_; }

 private:
  struct Job {
    TablePtr table;
    FlushReason reason{};
  };

  struct Waiter {
    Offset until;
    Done done;
  };

  /// Of a table that is queued, worked on, waited for or to be tried again later.
  struct Entry {
    bool is_queued = false;
    uint32_t failures = 0;
    std::chrono::steady_clock::time_point not_before;
    std::vector<Waiter> waiters;
  };

  void enqueue(const TablePtr& table, FlushReason reason);
  void work();
  void run(const Job& job);
  Status flush_once(const TablePtr& table, FlushReason reason);
  void settle(const TablePtr& table, const Status& status);
  void count(const UnitTimes& times, double sync, double commit);

  FlushParts parts_;
  const FlushOptions options_;
  FlushCounters counters_;
  pipeline::Channel<Job> jobs_;
  std::atomic<bool> is_stopping_{false};
  Mutex mutex_;
  std::map<TopicId, Entry> entries_ MILLRACE_GUARDED_BY(mutex_);
  std::vector<std::thread> threads_;
};

}  // namespace millrace::tables
