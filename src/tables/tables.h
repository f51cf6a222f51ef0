// All tables of this server: opened, rebuilt from the log, looked up, flushed, dropped.
#pragma once

#include "base/clock.h"
#include "base/memory_budget.h"
#include "base/mutex.h"
#include "base/result.h"
#include "catalog/catalog.h"
#include "io/disk_reserve.h"
#include "journal/commit_log.h"
#include "objects/local_store.h"
#include "runtime/shard.h"
#include "runtime/task.h"
#include "tables/databases.h"
#include "tables/flusher.h"
#include "tables/schema_frame.h"
#include "tables/snapshot.h"
#include "tables/table.h"

#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace millrace::tables {

struct TablesOptions {
  size_t hot_bytes = size_t{460} << 20;  // budget of rows in memory
  FlushOptions flush;
  std::string quarantine;                      // directory for files that nothing explains
  std::set<std::string, std::less<>> deleted;  // folders of tables that were deleted, still known
};

/// What tables stand on; all of it outlives them.
struct TablesParts {
  journal::JournalLog& log;
  catalog::Catalog& catalog;
  objects::LocalStore& store;
  io::DiskReserve& reserve;  // of the store's disk: queries begin with a small file
  runtime::Shard& shard;     // reads of the log resume here
  const Clock& clock;
};

/// Thread-safe. Outlives its snapshots.
class Tables final : public SnapshotSource {
 public:
  /// Takes the tables that journal and catalog name, after the trust check and the catalog's
  /// begin(). Deletes or quarantines files that the catalog does not name. Nothing is replayed yet.
  /// Errors: kCorrupt (a schema frame that makes no sense), kIo.
  static Result<std::unique_ptr<Tables>> open(TablesParts parts, TablesOptions options);
  ~Tables() override;

  /// Starts a thread that applies what the log holds above the table offsets, table by table.
  void start_replay();
  /// Ends replay and flushes. Blocks; not from a shard. A second call does nothing.
  void stop();

  /// nullptr when there is none.
  TablePtr find(const TableName& name) const;
  /// The table of a new topic, or the one that is there for it.
  TablePtr add(const TableName& name, const TopicId& topic);
  std::vector<TablePtr> all() const;

  /// Those that were created and those with tables; the default one is always there.
  std::set<std::string> databases() const;

  /// Databases::create().
  runtime::Task<Status> create_database(std::string name) {
    return databases_.create(std::move(name));
  }

  /// Frames that must go with a topic's end; none if it is no table's.
  std::vector<record::SystemFrame> frames_of_removal(const TopicId& topic) const;
  /// The topic is gone: so are rows and, once no snapshot needs them, files and catalog entries; a
  /// start does what is left of it. Blocks.
  void drop(const TopicId& topic);
  /// The table is there, or files of it may be.
  bool holds(const TopicId& topic) const;

  /// Room for hot rows. kOverloaded when there is none: flushing falls behind.
  Result<MemoryBudget::Reservation> reserve(size_t bytes);

  /// To be called after rows were applied.
  void applied(const TablePtr& table) { flusher_->consider(table); }

  /// Now and then, by the server.
  void look_after();
  /// Holds the journal from its first file with rows that are in no file yet; the newest without
  /// such. A flush moves it; so must somebody after each rotation, or idle tables pin the journal.
  void update_hold();

  /// The topic's table has rows below `end` that are in no file yet.
  bool has_unflushed(const TopicId& topic, Offset end) const;
  /// Queues these topics' tables: the journal is short of room and keeps its oldest file for them.
  void flush_for_journal(const std::vector<TopicId>& topics);

  /// Returns once all rows applied so far are in files and in the catalog.
  runtime::Task<Status> flush(TablePtr table);

  std::vector<TableInfo> list() const override;
  Result<Snapshot> snapshot(const TableName& name, runtime::Deadline deadline) override;
  Status recheck(const TopicId& topic, runtime::Deadline deadline) override;

  const FlushCounters& flush_counters() const { return flusher_->counters(); }

  const MemoryBudget& hot_budget() const { return budget_; }

  size_t replaying() const;
  /// Tables whose queries are an error: a file of theirs, or rows in the journal, are damaged or
  /// gone.
  size_t damaged() const;

 private:
  Tables(TablesParts parts, TablesOptions options);

  Status take_tables();
  Status take_files(const TablePtr& table, const catalog::Contents& contents);
  Status drop_forgotten(const catalog::Contents& contents);
  Status judge_leftovers(const catalog::Contents& contents);
  Status judge_leftover(const std::string& path, const catalog::Contents& contents);
  void replay_all();
  bool is_stopping() const;
  bool make_room(const TablePtr& table);
  Status replay(const TablePtr& table);
  Status remove_files(const TableName& name, const TopicId& topic);
  Status prove(const TablePtr& table, runtime::Deadline deadline);
  Status check_files(Table& table, const std::vector<TableFile>& files, runtime::Deadline deadline);
  Result<std::string> empty_file(const Table& table, const SchemaVersion& schema);
  Status renew_empty_files(const TopicId& topic);

  TablesParts parts_;
  const TablesOptions options_;
  MemoryBudget budget_;
  Databases databases_;
  std::unique_ptr<Flusher> flusher_;
  std::thread replayer_;

  mutable Mutex mutex_;
  Condition stopping_;
  bool is_stopping_ MILLRACE_GUARDED_BY(mutex_) = false;
  std::map<TableName, TablePtr> by_name_ MILLRACE_GUARDED_BY(mutex_);
  std::map<TopicId, TablePtr> by_topic_ MILLRACE_GUARDED_BY(mutex_);
  std::set<TopicId> dropping_ MILLRACE_GUARDED_BY(mutex_);  // their files are not all gone yet
  Mutex files_mutex_;                                       // held while an empty file is made
  std::map<std::pair<TopicId, uint64_t>, std::string> empty_files_  // names in the store
      MILLRACE_GUARDED_BY(files_mutex_);
  Mutex proofs_mutex_;
  Condition proven_;
  std::set<TopicId> being_proven_ MILLRACE_GUARDED_BY(proofs_mutex_);
};

}  // namespace millrace::tables
