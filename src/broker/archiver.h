// Moves what lies in the journal into segment objects.
#pragma once

#include "base/clock.h"
#include "broker/cut_plan.h"
#include "broker/history.h"
#include "broker/topic.h"
#include "catalog/catalog.h"
#include "journal/commit_log.h"
#include "objects/object_store.h"
#include "runtime/blocking_pool.h"
#include "runtime/cancel_token.h"
#include "runtime/task.h"

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <unordered_map>
#include <vector>

namespace millrace::broker {

/// A topic whose records go into segments.
struct ArchivedTopic {
  segment::TopicEntry entry;
  TopicSettings settings;
};

/// All outlive the archiver. `topic`: nullopt for one whose records are not for segments: it is not
/// there, or a table's. Any thread.
struct ArchiverParts {
  journal::JournalLog& log;
  catalog::Catalog& catalog;
  objects::ObjectStore& store;
  History& history;
  runtime::BlockingPool& pool;  // cuts run on it
  const Clock& clock;
  std::function<std::optional<ArchivedTopic>(const TopicId&)> topic;
};

/// Of a span's bytes those behind `first`, by the share of its offsets.
uint64_t bytes_behind(const journal::PartitionSpan& span, Offset first);

/// Counters since the process started. Read by any thread.
struct ArchiverCounters {
  std::atomic<uint64_t> objects{0};
  std::atomic<uint64_t> bytes{0};     // of objects
  std::atomic<uint64_t> failures{0};  // rounds that the store or the catalog ended
};

/// An object is in the store before the catalog names it, and the catalog names it before readers
/// and the journal's retention know: whatever ends the process in between, the records are in the
/// journal still, and at most an object is left that nothing names. What is expired is not cut
/// unless something before it is in segments. One round at a time.
class Archiver {
 public:
  Archiver(ArchiverParts parts, CutRules rules) : parts_(std::move(parts)), rules_(rules) {}

  /// Of each partition of which something is due cuts one part, of synced records alone.
  /// `is_pressing`: the journal is short of room, so that what its oldest file is kept for does not
  /// wait. Returns how many objects were made; unless it is 0, more may be due. Errors: those of
  /// the store, the catalog and JournalLog::sync; nothing is lost, and the next round tries again,
  /// under other names. A partition whose next batch is damaged is told to the log once, and waits
  /// until the next start; the others go on. Once `stop` is cancelled, no other object is begun. On
  /// the shard of Broker::apply_retention(): that frees nothing behind what is being cut, else
  /// segments and journal would not meet.
  runtime::Task<Result<size_t>> round(bool is_pressing, runtime::CancelToken stop = {});

  const ArchiverCounters& counters() const { return counters_; }

 private:
  /// Until when a partition's records were there.
  struct Mark {
    Offset next;
    std::chrono::steady_clock::time_point at;
  };

  runtime::Task<Result<size_t>> cut_due(bool is_pressing, runtime::CancelToken stop);
  bool is_there(const std::vector<segment::CutPart>& parts) const;
  std::vector<Uncut> collect(const std::vector<journal::FileSummary>& files, bool is_pressing);
  Offset cut_until(TopicPartition partition) const;
  std::chrono::steady_clock::duration age_of(const Uncut& uncut);
  Result<bool> make(const std::vector<segment::CutPart>& parts, const JournalPlace& place);
  void note_unread(const segment::Cut& cut, const std::vector<segment::CutPart>& parts);

  const ArchiverParts parts_;
  const CutRules rules_;
  ArchiverCounters counters_;
  std::unordered_map<TopicPartition, std::deque<Mark>> marks_;  // of what is not cut, oldest first
  std::unordered_map<TopicPartition, Offset> cut_;  // up to where, though it may be expired since
  std::unordered_map<TopicPartition, Offset> damaged_;  // the batch that cannot be read
};

}  // namespace millrace::broker
