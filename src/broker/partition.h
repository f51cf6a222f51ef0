// One partition: append, read, wait for more.
#pragma once

#include "base/ids.h"
#include "base/mutex.h"
#include "base/result.h"
#include "broker/history.h"
#include "broker/tail_cache.h"
#include "broker/topic.h"
#include "record/commit_log.h"
#include "runtime/blocking_pool.h"
#include "runtime/deadline.h"
#include "runtime/signal.h"
#include "runtime/task.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace millrace::broker {

class ObjectUploader;
class Partition;

/// One checked batch on its way to its partition.
struct PartitionAppend {
  std::shared_ptr<Partition> partition;
  bytes::Buffer payload;
  uint32_t payload_crc = 0;
  uint32_t records = 0;
  int64_t max_timestamp_ms = 0;
};

/// What goes into one commit besides the batches.
struct AppendExtras {
  std::vector<record::SystemFrame> system;
  std::optional<record::BatchId> batch_id;
};

/// Wakes one reader that waits for any of several partitions. Shared with the partitions it waits
/// at, so that a late wake-up finds it alive.
struct ReadWaiter {
  runtime::Signal more;
};

/// A record found by time.
struct TimestampOffset {
  Offset offset;
  int64_t timestamp_ms = 0;
};

/// Where records lie. All outlive the partitions.
struct PartitionSources {
  record::CommitLog& log;
  TailCache& cache;
  History* history = nullptr;             // null: nothing is in segments
  runtime::BlockingPool* cold = nullptr;  // reads of history run on it; there when history is
  ObjectUploader* uploader = nullptr;     // null: no topic is durability=object
};

/// The only caller of CommitLog::commit for records. Thread-safe: the commit log gives the order,
/// so nothing here belongs to one shard (docs/decisions/002-partition-has-no-shard.md).
class Partition {
 public:
  /// `sources` outlives it.
  Partition(TopicPartition id, Durability durability, const PartitionSources& sources)
      : id_(id), durability_(durability), sources_(sources) {}

  TopicPartition id() const { return id_; }

  /// Commits the batches of one request together; each may be of another partition. When it returns
  /// the records are readable and as durable as the most careful of their topics promises, and
  /// waiting readers are woken. Errors:
  /// CommitLog::commit's, ObjectUploader::await's.
  static runtime::Task<Result<record::CommitOutcome>> append(record::CommitLog& log,
                                                             std::vector<PartitionAppend> batches,
                                                             AppendExtras extras);

  /// [start, end); end is the high watermark. What was deleted is before the start.
  record::PartitionRange range() const;

  /// Offsets below it were given out. Behind range() it is where records wait for their object.
  Offset assigned_end() const;

  /// Records below it are deleted, whatever still has them; 0: none are.
  Offset deleted_below() const { return Offset{deleted_below_.load()}; }

  /// Never moves back. For the broker, which has made it durable.
  void delete_below(Offset start);

  /// What read() would find in memory; empty when it would look into files.
  std::vector<record::StoredBatch> read_tail(Offset from, size_t max_bytes) const;

  /// Whole batches from the one that holds `from`; empty at the end. Those before what the log
  /// keeps come out of segments, where fewer than `limit` do not mean the end. Errors: those of
  /// CommitLog::read and History::read; kNotFound also below the start.
  runtime::Task<Result<std::vector<record::StoredBatch>>> read(Offset from,
                                                               record::ReadLimit limit);

  /// The first record from the start on with a timestamp of at least `timestamp_ms`; nullopt when
  /// there is none.
  /// Errors: those of CommitLog::find_timestamp and History::find_timestamp.
  runtime::Task<Result<std::optional<TimestampOffset>>> find_timestamp(int64_t timestamp_ms);

  /// durability=object: records below `end` are in objects, and readable; does nothing when they
  /// were already. For the uploader, and for who opens the topics.
  void advance(Offset end);

  /// durability=object: records below `end` are not all in objects yet.
  bool waits_for_objects(Offset end) const {
    return durability_ == Durability::kObject && Offset{in_objects_.load()} < end;
  }

  /// Its topic was deleted: nothing more comes, and who waits is woken. For the broker.
  void end();

  bool has_ended() const { return has_ended_.load(); }

  /// `waiter` is woken by the next append or the end, once. Look at range() and has_ended() after
  /// this and before waiting.
  void add_waiter(std::shared_ptr<ReadWaiter> waiter);
  void remove_waiter(const std::shared_ptr<ReadWaiter>& waiter);

 private:
  bool is_in_history(Offset offset) const;
  Offset end_for_readers(Offset log_end) const;
  void hide_behind_end(std::vector<record::StoredBatch>& batches) const;
  runtime::Task<Result<std::vector<record::StoredBatch>>> read_any(Offset from,
                                                                   const record::ReadLimit& limit);
  runtime::Task<Result<std::optional<record::StoredBatch>>> find_batch(Offset from,
                                                                       int64_t timestamp_ms);
  void committed(record::StoredBatch batch);
  void wake_waiters();

  const TopicPartition id_;
  const Durability durability_;
  std::atomic<int64_t> in_objects_{0};  // durability=object: the offset below which all is
  std::atomic<int64_t> deleted_below_{0};
  const PartitionSources& sources_;
  std::atomic<bool> has_ended_{false};
  Mutex mutex_;
  std::vector<std::shared_ptr<ReadWaiter>> waiters_ MILLRACE_GUARDED_BY(mutex_);
};

}  // namespace millrace::broker
