// The part of topics that lies in segment objects: what goes in, what goes out, what a crash left.
#pragma once

#include "base/clock.h"
#include "broker/archiver.h"
#include "broker/broker.h"
#include "broker/cut_plan.h"
#include "broker/history.h"
#include "broker/merger.h"
#include "broker/object_uploader.h"
#include "broker/orphans.h"
#include "catalog/catalog.h"
#include "journal/commit_log.h"
#include "objects/object_store.h"
#include "runtime/blocking_pool.h"
#include "runtime/cancel_token.h"
#include "runtime/task.h"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace millrace::broker {

/// All outlive it.
struct SegmentsParts {
  Broker& broker;
  journal::JournalLog& log;
  catalog::Catalog& catalog;
  objects::ObjectStore& store;
  History& history;
  runtime::BlockingPool& pool;     // what blocks runs on it
  runtime::BlockingPool& uploads;  // but not objects of durability=object
  const Clock& clock;
};

struct SegmentsOptions {
  CutRules cut;
  std::chrono::milliseconds object_linger{250};       // of durability=object
  std::chrono::milliseconds object_patience{30'000};  // likewise
  std::chrono::milliseconds merge_age{300'000};       // after which few objects are merged too
  /// An object stays in the store so long after readers find it no longer.
  std::chrono::milliseconds grace{60'000};
};

/// One round at a time; counters by any thread.
class Segments {
 public:
  Segments(const SegmentsParts& parts, const SegmentsOptions& options);

  /// Removes what a crash left, once; takes out what is expired, cuts what is due and merges
  /// what is small, in turns until nothing is due. Errors: those of the store and the catalog.
  /// Nothing is lost by one; the next round tries again. Once `stop` is cancelled, it ends with the
  /// object that is being made.
  runtime::Task<Status> round(runtime::CancelToken stop = {});

  /// Nobody reads any more: what is expired or merged and waits for its readers goes now, not after
  /// the next start. Blocking.
  void finish();

  /// Of durability=object topics, which rounds do not cut.
  ObjectUploader& uploader() { return uploader_; }

  const ObjectUploader& uploader() const { return uploader_; }

  const SegmentMakerCounters& archived() const { return archiver_.counters(); }

  const MergeCounters& merged() const { return merger_.counters(); }

  uint64_t expired() const { return expired_.load(); }  // objects

  uint64_t trimmed() const { return trimmed_.load(); }  // parts of objects that stayed

 private:
  struct Leaving {
    catalog::LeavingObject object;
    /// nullopt: of an earlier process; nobody reads it.
    std::optional<std::chrono::steady_clock::time_point> since;
  };

  runtime::Task<Result<bool>> turn(runtime::CancelToken stop);
  Status sweep();
  Status expire();
  Status remove_left(std::chrono::milliseconds grace);
  Status forget_gone();
  /// Once there are deleted topics to be remembered: an earlier process alone knew which topics
  /// objects have that they are no longer named for.
  Status look_into_objects();
  Result<std::set<TopicId>> topics_in(const std::string& name) const;
  /// Of what an earlier process let go: keeps that for which nothing stands that can be read.
  Status keep_needed(const OrphanRules& rules);
  OrphanRules orphan_rules() const;
  Result<std::optional<std::string>> why_unreadable(TopicPartition partition, Offset first,
                                                    Offset next) const;
  SegmentWishes wishes() const;
  void tell_expired(std::span<const catalog::TrimmedPart> parts) const;

  const SegmentsParts parts_;
  const SegmentsOptions options_;
  Archiver archiver_;
  ObjectUploader uploader_;
  Merger merger_;
  bool is_swept_ = false;
  bool has_looked_ = false;      // into objects
  std::deque<Leaving> leaving_;  // oldest first
  std::vector<Uuid> gone_;       // the store has them no longer, the catalog still names them
  std::atomic<uint64_t> expired_{0};
  std::atomic<uint64_t> trimmed_{0};
};

}  // namespace millrace::broker
