// One table: its columns, its rows in memory, its files; every row in exactly one place.
#pragma once

#include "base/clock.h"
#include "base/ids.h"
#include "base/memory_budget.h"
#include "base/mutex.h"
#include "base/result.h"
#include "columnar/column_batch.h"
#include "runtime/deadline.h"
#include "runtime/signal.h"
#include "runtime/task.h"
#include "runtime/turn.h"
#include "tables/hot_chunk.h"
#include "tables/snapshot.h"
#include "tables/table_name.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace millrace::tables {

/// A Parquet file of the table, as the catalog has it.
struct TableFile {
  std::string name;  // in the store
  std::string path;  // where readers find it
  Offset first;
  Offset next;
  uint64_t rows = 0;
  uint64_t bytes = 0;
  uint64_t schema_version = 0;
  Uuid commit;
  /// This process wrote it, or compared it with the rest of this. All copies share it.
  std::shared_ptr<std::atomic<bool>> is_proven = std::make_shared<std::atomic<bool>>(false);
};

/// Rows on their way into files: those of the offsets [first, next), in their order.
struct FlushUnit {
  Offset first;
  Offset next;
  SchemaPtr schema;
  std::vector<std::shared_ptr<const HotChunk>> chunks;
  uint64_t rows = 0;
};

/// What is in memory.
struct HotSize {
  uint64_t rows = 0;
  uint64_t bytes = 0;
  std::chrono::steady_clock::time_point oldest;  // when the first of them came
};

/// Thread-safe. Rows enter by apply(), in the order of their offsets whatever the order of the
/// calls; snapshots take no longer than copying lists of pointers. A flush takes what is there when
/// it begins and puts files in its place when it ends; rows that come meanwhile stay hot.
class Table {
 public:
  /// `next`: the table offset, from which rows are still to come. `budget` outlives the table and
  /// every snapshot of it.
  Table(TableName name, TopicPartition partition, Offset next, MemoryBudget& budget,
        const Clock& clock);

  const TableName& name() const { return name_; }

  TopicPartition partition() const { return partition_; }

  // --- columns ---

  /// Version 0 before the first write.
  SchemaPtr schema() const;
  /// A schema that is durable, from the holder of the turn.
  void adopt(SchemaPtr schema);

  /// To be held from the check of a change of columns until it is durable and adopted.
  runtime::Turn& schema_turn() { return schema_turn_; }

  // --- rows ---

  /// Takes the rows of the record at `offset`, once those of all before it are there. `batch` was
  /// admitted to schema() or to one before it. `reserved` counts its memory until then.
  void apply(Offset offset, columnar::ColumnBatch batch, MemoryBudget::Reservation reserved);
  /// Suspends until everything below `end` was applied.
  runtime::Task<void> until_applied(Offset end);
  /// The same for a thread of a pool; false when `deadline` passed first.
  bool wait_applied(Offset end, runtime::Deadline deadline);
  Offset applied() const;

  HotSize hot() const;

  /// Memory and files of one moment: every row in one of them.
  struct Whole {
    HotSize hot;
    std::vector<TableFile> files;
  };

  Whole whole() const;

  /// Files and hot rows of this moment; without `empty_file`. Of a retired table: without `folder`,
  /// and nothing in it.
  Snapshot snapshot() const;

  // --- flush: one at a time ---

  /// nullopt: nothing to flush, or a flush is going on.
  std::optional<FlushUnit> begin_flush();
  /// Files take the place of the unit's rows, in one step.
  void end_flush(const FlushUnit& unit, std::vector<TableFile> files);
  /// The unit's rows stay where they are.
  void abort_flush();

  /// The table offset: everything below is in files.
  Offset flushed() const;

  std::vector<TableFile> files() const;
  /// Of files(), those that must be compared before they are read.
  std::vector<TableFile> unproven() const;
  /// At the start.
  void set_files(std::vector<TableFile> files);

  // --- being rebuilt, dropped ---

  /// Rows of the log are all applied: writes may come.
  void finish_replay();
  /// They never will be, before the next start: as set_damage().
  void fail_replay(Error damage);
  bool is_replayed() const;
  /// false when `deadline` passed or the replay failed first.
  runtime::Task<bool> until_replayed(runtime::Deadline deadline);

  /// The table is gone: its rows are forgotten, and no flush goes on or begins after this. Blocks
  /// while one goes on. `unused` is called once no snapshot needs the files any more: before this
  /// returns, or by whoever lets go of the last one.
  void retire(std::function<void()> unused);
  bool is_retired() const;

  /// Queries on it fail with this from now on: what was taken away, and where. The first one stays.
  void set_damage(Error damage);
  std::optional<Error> damage() const;

 private:
  /// Shared by the table and its snapshots; the last of them makes the call.
  struct Folder {
    Folder() = default;
    ~Folder();
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;

    std::function<void()> unused;
  };

  using ChunkPtr = std::shared_ptr<HotChunk>;

  struct Early {
    columnar::ColumnBatch batch;
    MemoryBudget::Reservation reserved;
  };

  struct Waiter {
    Offset end;
    runtime::Signal* signal;
  };

  void append(Offset offset, const columnar::ColumnBatch& batch) MILLRACE_REQUIRES(mutex_);
  ChunkPtr make_chunk(const columnar::ColumnBatch& batch, Offset first) MILLRACE_REQUIRES(mutex_);
  HotSize hot_locked() const MILLRACE_REQUIRES(mutex_);
  std::vector<runtime::Signal*> take_ready() MILLRACE_REQUIRES(mutex_);
  void wake_replay_waiters();

  const TableName name_;
  const TopicPartition partition_;
  MemoryBudget& budget_;
  const Clock& clock_;
  runtime::Turn schema_turn_;

  mutable Mutex mutex_;
  Condition moved_;  // applied_ grew, or a flush ended
  SchemaPtr schema_ MILLRACE_GUARDED_BY(mutex_);
  Offset applied_ MILLRACE_GUARDED_BY(mutex_);
  Offset flushed_ MILLRACE_GUARDED_BY(mutex_);
  std::map<Offset, Early> early_ MILLRACE_GUARDED_BY(mutex_);  // before their turn
  std::vector<Waiter> waiters_ MILLRACE_GUARDED_BY(mutex_);
  std::vector<ChunkPtr> chunks_ MILLRACE_GUARDED_BY(mutex_);  // by offset; the last may be open
  bool is_open_ MILLRACE_GUARDED_BY(mutex_) = false;          // the last chunk takes more rows
  // When the first row came: of all, and of those behind the unit under way.
  std::chrono::steady_clock::time_point oldest_ MILLRACE_GUARDED_BY(mutex_);
  std::chrono::steady_clock::time_point oldest_behind_ MILLRACE_GUARDED_BY(mutex_);
  std::vector<TableFile> files_ MILLRACE_GUARDED_BY(mutex_);
  std::shared_ptr<Folder> folder_ MILLRACE_GUARDED_BY(mutex_) = std::make_shared<Folder>();
  std::optional<size_t> flushing_ MILLRACE_GUARDED_BY(mutex_);  // chunks of the unit under way
  bool is_replayed_ MILLRACE_GUARDED_BY(mutex_) = false;
  bool has_replay_failed_ MILLRACE_GUARDED_BY(mutex_) = false;
  bool is_retired_ MILLRACE_GUARDED_BY(mutex_) = false;
  std::vector<std::shared_ptr<runtime::Signal>> replay_waiters_ MILLRACE_GUARDED_BY(mutex_);
  std::optional<Error> damage_ MILLRACE_GUARDED_BY(mutex_);
};

using TablePtr = std::shared_ptr<Table>;

}  // namespace millrace::tables
