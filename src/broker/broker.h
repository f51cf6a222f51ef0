// All topics of this server: created, found, deleted, kept as long as their retention says.
#pragma once

#include "base/clock.h"
#include "base/ids.h"
#include "base/mutex.h"
#include "base/result.h"
#include "broker/partition.h"
#include "broker/tail_cache.h"
#include "broker/topic.h"
#include "catalog/catalog.h"
#include "journal/commit_log.h"
#include "runtime/blocking_pool.h"
#include "runtime/task.h"

#include <map>
#include <memory>
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
};

struct NewTopic {
  std::string name;
  int32_t partitions = 1;
  std::map<std::string, std::string> configs;
  bool is_table = false;  // the log of a table: its rows wait there until they are in files
};

/// Thread-safe. Outlives every request; the log outlives it.
class Broker {
 public:
  /// Takes the topics that recovery found. Errors: kCorrupt (a topic frame that makes no sense).
  static Result<std::unique_ptr<Broker>> open(journal::JournalLog& log, size_t tail_cache_bytes,
                                              const Clock& clock);

  /// Set once, before the first request; nullptr: nobody. Outlives the requests.
  void observe(TopicObserver* observer) { observer_ = observer; }

  TopicPtr find(std::string_view name) const;
  TopicPtr find(const TopicId& id) const;
  /// By name.
  std::vector<TopicPtr> topics() const;

  /// Durable once it returns. Errors: kConflict (exists), kInvalid (name, partitions, configs), and
  /// those of CommitLog::commit. With `validate_only` nothing is created.
  runtime::Task<Result<TopicPtr>> create(NewTopic topic, bool validate_only = false);
  /// Errors: kNotFound, and those of CommitLog::commit.
  runtime::Task<Status> remove(std::string name);

  /// Frees journal files that no topic needs any more and ends tombstones. Called every few seconds
  /// by the server.
  runtime::Task<void> apply_retention();

  /// Writes its part of the catalog and moves its hold on the journal: after each rotation and at a
  /// clean stop. What fails is logged; the next call does it again.
  runtime::Task<void> write_catalog(catalog::Catalog& catalog, runtime::BlockingPool& pool);

  record::CommitLog& log() { return log_; }

  const journal::JournalLog& journal() const { return log_; }

 private:
  Broker(journal::JournalLog& log, size_t tail_cache_bytes, const Clock& clock);

  TopicPtr make_topic(TopicRecord record);
  catalog::BrokerPart catalog_part() const;
  /// Files below the answer hold nothing that a topic still wants.
  FileNumber first_wanted_file(const std::vector<journal::FileSummary>& files) const;
  runtime::Task<void> end_tombstones(const std::vector<journal::FileSummary>& files);

  journal::JournalLog& log_;
  TailCache cache_;
  const Clock& clock_;
  TopicObserver* observer_ = nullptr;
  mutable Mutex mutex_;
  std::map<std::string, TopicPtr, std::less<>> by_name_ MILLRACE_GUARDED_BY(mutex_);
  std::unordered_map<TopicId, TopicPtr> by_id_ MILLRACE_GUARDED_BY(mutex_);
  std::map<std::string, bool> changing_
      MILLRACE_GUARDED_BY(mutex_);  // names being created or deleted
  std::map<TopicId, TopicRecord> tombstones_ MILLRACE_GUARDED_BY(mutex_);
};

}  // namespace millrace::broker
