// Makes segment objects of what lies in the journal, and tells the catalog and readers of them.
#pragma once

#include "base/clock.h"
#include "broker/history.h"
#include "broker/topic.h"
#include "catalog/catalog.h"
#include "journal/commit_log.h"
#include "objects/object_store.h"
#include "runtime/blocking_pool.h"
#include "runtime/cancel_token.h"
#include "runtime/task.h"
#include "segment/cut.h"

#include <atomic>
#include <cstdint>
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

/// All outlive the maker. `topic`: nullopt for one whose records it does not make objects of. Any
/// thread.
struct SegmentMakerParts {
  journal::JournalLog& log;
  catalog::Catalog& catalog;
  objects::ObjectStore& store;
  History& history;
  runtime::BlockingPool& pool;  // cuts run on it
  const Clock& clock;
  std::function<std::optional<ArchivedTopic>(const TopicId&)> topic;
  /// Records below it are deleted.
  std::function<Offset(TopicPartition)> deleted_below = [](TopicPartition) { return Offset{}; };
};

/// Counters since the process started. Read by any thread.
struct SegmentMakerCounters {
  std::atomic<uint64_t> objects{0};
  std::atomic<uint64_t> bytes{0};     // of objects
  std::atomic<uint64_t> failures{0};  // calls that the store or the catalog ended
};

/// An object is in the store before the catalog names it, and the catalog names it before readers
/// and the journal's retention know: whatever ends the process in between, the records are in the
/// journal still, and at most an object is left that nothing names.
class SegmentMaker {
 public:
  SegmentMaker(SegmentMakerParts parts, uint64_t segment_bytes)
      : parts_(std::move(parts)), segment_bytes_(segment_bytes) {}

  const SegmentMakerParts& parts() const { return parts_; }

  /// One object after the other, of synced records alone; of a partition as much as goes into one.
  /// Parts that retention has freed meanwhile are left out. Returns how many objects were made.
  /// Once `stop` is cancelled, no other is begun. A partition whose next batch is damaged is told
  /// to the log once, and is_damaged() until the next start; the others go on.
  /// Errors: those of the store, the catalog and JournalLog::sync; nothing is lost, and another
  /// call tries again, under other names. One call at a time, on the shard of
  /// Broker::apply_retention(): that frees nothing behind what is being cut, else segments and
  /// journal would not meet.
  runtime::Task<Result<size_t>> make(std::vector<std::vector<segment::CutPart>> plan,
                                     runtime::CancelToken stop = {});

  /// Where a partition goes on: behind what is in segments, and what was, though it is expired
  /// since.
  Offset made_until(TopicPartition partition) const;

  bool is_damaged(TopicPartition partition) const { return damaged_.contains(partition); }

  /// Partitions of which it remembers how far they are made.
  size_t remembered() const { return made_.size(); }

  /// Forgets all partitions but those for which it is true.
  void keep_only(const std::function<bool(TopicPartition)>& is_known);

  const SegmentMakerCounters& counters() const { return counters_; }

 private:
  runtime::Task<Result<size_t>> make_all(const std::vector<std::vector<segment::CutPart>>& plan,
                                         runtime::CancelToken stop);
  bool is_there(const std::vector<segment::CutPart>& parts) const;
  Result<bool> make_one(const std::vector<segment::CutPart>& parts, const JournalPlace& place);
  Result<bool> make_object(const segment::ObjectId& object,
                           const std::vector<segment::CutPart>& parts, const JournalPlace& place);
  void note_unread(const segment::Cut& cut, const std::vector<segment::CutPart>& parts);

  const SegmentMakerParts parts_;
  const uint64_t segment_bytes_;
  SegmentMakerCounters counters_;
  std::unordered_map<TopicPartition, Offset> made_;     // up to where
  std::unordered_map<TopicPartition, Offset> damaged_;  // the batch that cannot be read
};

}  // namespace millrace::broker
