// All topics of this server: created, found, deleted, kept as long as their retention says.
#pragma once

#include "base/clock.h"
#include "base/ids.h"
#include "base/mutex.h"
#include "base/result.h"
#include "broker/object_uploader.h"
#include "broker/partition.h"
#include "broker/tail_cache.h"
#include "broker/topic.h"
#include "catalog/catalog.h"
#include "journal/commit_log.h"
#include "runtime/blocking_pool.h"
#include "runtime/task.h"
#include "runtime/turn.h"

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace millrace::broker {

/// Immutable; a change of settings makes a new one. Shared with whoever found it.
struct Topic {
  TopicRecord record;
  std::vector<std::shared_ptr<Partition>> partitions;

  const std::string& name() const { return record.name; }

  /// null when the topic has no such partition.
  std::shared_ptr<Partition> partition(PartitionId id) const;
};

using TopicPtr = std::shared_ptr<const Topic>;

/// Whoever keeps more of a topic than the broker does: its table.
class TopicObserver {
 public:
  virtual ~TopicObserver() = default;

  /// Frames that must become durable together with the topic's end.
  virtual std::vector<record::SystemFrame> frames_of_removal(const TopicId& topic) = 0;
  /// The topic's end is durable.
  virtual runtime::Task<void> removed(TopicId topic) = 0;

  /// It has, or may have, files of the topic: that it was deleted is not forgotten before.
  virtual bool holds(const TopicId& topic) const = 0;

  /// Records of the topic below `end` are nowhere but in the journal.
  virtual bool needs(const TopicId& topic, Offset end) const = 0;
  /// The journal is short of room, and its oldest file is kept for nothing but what these topics
  /// need: it should not be needed soon. Returns at once.
  virtual void let_go(const std::vector<TopicId>& topics) = 0;
};

struct NewTopic {
  std::string name;
  int32_t partitions = 1;
  std::map<std::string, std::string> configs;
  bool is_table = false;  // the log of a table: its rows wait there until they are in files
};

/// A topic for which the oldest journal file that somebody wants is kept.
struct Pin {
  TopicPtr topic;
  uint64_t bytes = 0;      // of its records in that file
  bool is_needed = false;  // by the observer alone: the topic's own retention is over
};

/// Records of a partition that somebody wants deleted: those below an offset.
struct RecordsToDelete {
  static constexpr Offset kAll{-1};  // that are readable now

  std::string topic;
  PartitionId partition;
  Offset before;
};

/// As the catalog keeps it.
catalog::TopicRow row_of(const TopicRecord& record);

/// Thread-safe. Outlives every request; the log outlives it.
class Broker {
 public:
  /// Of the journal's budget, from which on it is told what keeps the oldest file.
  static constexpr double kShortOfRoom = 0.8;

  /// Takes the topics that recovery found. Errors: kCorrupt (a topic frame that makes no sense).
  static Result<std::unique_ptr<Broker>> open(journal::JournalLog& log, size_t tail_cache_bytes,
                                              const Clock& clock);

  /// Set once, before the first request; nullptr: nobody. Outlives the requests.
  void observe(TopicObserver* observer) { observer_ = observer; }

  /// Set once, before the first request: records before what the journal keeps are found there, by
  /// reads on `cold`. Both outlive the requests.
  void read_history(History& history, runtime::BlockingPool& cold) {
    sources_.history = &history;
    sources_.cold = &cold;
  }

  /// Set once, before the first request: makes objects of what durability=object topics are sent.
  /// It is given what the journal has of them and no object has yet. `catalog`: ranges of
  /// partitions as the catalog was opened. Outlives the requests.
  void upload_objects(ObjectUploader& uploader, const std::vector<catalog::PartitionRow>& catalog);

  /// Why writes to durability=object topics wait; nullopt: they do not. Any thread.
  std::optional<Error> object_failure() const;

  TopicPtr find(std::string_view name) const;
  TopicPtr find(const TopicId& id) const;
  /// By name.
  std::vector<TopicPtr> topics() const;

  /// Durable once it returns. Errors: kConflict (exists), kInvalid (name, partitions, configs), and
  /// those of CommitLog::commit. With `validate_only` nothing is created.
  runtime::Task<Result<TopicPtr>> create(NewTopic topic, bool validate_only = false);
  /// Errors: kNotFound, and those of CommitLog::commit.
  runtime::Task<Status> remove(std::string name);

  /// Moves the starts of partitions up: nothing below is read any more, retention takes it, and no
  /// crash brings it back once this returns. Needs no room in the journal. Returns for each where
  /// its partition starts, or its error: kNotFound (topic or partition), kForbidden (a table's),
  /// kInvalid (negative, or above the high watermark), and those of CommitLog::commit. Where it
  /// starts as high already, nothing is done.
  runtime::Task<std::vector<Result<Offset>>> delete_records(std::vector<RecordsToDelete> records);

  /// 0: nothing was deleted, or there is no such partition.
  Offset deleted_below(TopicPartition partition) const;

  /// Frees journal files that no topic needs any more and ends tombstones; when the journal is
  /// short of room, asks the observer to let go, and logs what keeps the oldest file. Called by one
  /// loop of the server, whenever the journal asks for a round; on the shard of
  /// SegmentMaker::make().
  runtime::Task<void> apply_retention();

  /// There was a topic of this id, and something of it may be left.
  bool was_deleted(const TopicId& id) const;
  /// Topics that were deleted, as long as that is not forgotten.
  std::vector<TopicRecord> tombstones() const;

  /// The journal takes more than kShortOfRoom of its budget.
  bool is_short_of_room() const { return is_short_of_room(log_.total_bytes()); }

  /// By name; empty while the journal is not short of room, or when no topic wants any file but the
  /// newest.
  std::vector<Pin> pins() const;

  /// Writes its part of the catalog and moves its hold on the journal: after each rotation and at a
  /// clean stop. false: it failed and was logged; the next call does it again.
  runtime::Task<bool> write_catalog(catalog::Catalog& catalog, runtime::BlockingPool& pool);

  record::CommitLog& log() { return log_; }

  const journal::JournalLog& journal() const { return log_; }

 private:
  Broker(journal::JournalLog& log, size_t tail_cache_bytes, const Clock& clock);

  TopicPtr make_topic(TopicRecord record);
  Status take_starts();
  catalog::BrokerPart catalog_part() const;

  /// A file, and why it is wanted.
  struct Wanted {
    FileNumber file;
    std::vector<Pin> pins;  // none: it is the newest
  };

  /// What is in segments of a partition whose records in a file end at an offset.
  enum class InSegments : uint8_t { kNothing, kBefore, kIt };

  InSegments in_segments(TopicPartition partition, Offset end) const;
  /// Files below it hold nothing that a topic still wants.
  Wanted first_wanted(const std::vector<journal::FileSummary>& files) const;
  bool is_short_of_room(uint64_t bytes) const;
  void warn(const std::vector<Pin>& pins, uint64_t bytes);
  void tell_freed(const std::vector<journal::FileSummary>& files, FileNumber first);
  runtime::Task<void> end_tombstones(const std::vector<journal::FileSummary>& files);

  journal::JournalLog& log_;
  TailCache cache_;
  PartitionSources sources_{log_, cache_};
  const Clock& clock_;
  TopicObserver* observer_ = nullptr;
  mutable Mutex mutex_;
  std::map<std::string, TopicPtr, std::less<>> by_name_ MILLRACE_GUARDED_BY(mutex_);
  std::unordered_map<TopicId, TopicPtr> by_id_ MILLRACE_GUARDED_BY(mutex_);
  std::map<std::string, bool> changing_
      MILLRACE_GUARDED_BY(mutex_);  // names being created or deleted
  std::map<TopicId, TopicRecord> tombstones_ MILLRACE_GUARDED_BY(mutex_);
  runtime::Turn deleting_;
  std::string warned_of_;  // used by apply_retention(), as the next
  std::optional<std::chrono::steady_clock::time_point> warned_at_;
  FileNumber told_freed_below_;
};

}  // namespace millrace::broker
