// Rewrites small segment objects into larger ones, so that a partition is read out of few.
#pragma once

#include "broker/merge_plan.h"
#include "broker/segment_maker.h"
#include "broker/segment_retention.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <set>
#include <utility>
#include <vector>

namespace millrace::broker {

/// Counters since the process started. Read by any thread.
struct MergeCounters {
  std::atomic<uint64_t> merges{0};
  std::atomic<uint64_t> replaced{0};  // objects that were merged
  std::atomic<uint64_t> objects{0};   // that they became
  std::atomic<uint64_t> bytes{0};     // of those
  std::atomic<uint64_t> failures{0};  // merges that the store or the catalog ended
};

/// New objects are in the store before one commit of the catalog puts them in place of the old
/// ones, and readers are told after that: whatever ends the process in between, at most objects are
/// left that nothing names. Parts that were appended behind meanwhile do not matter: only offsets
/// that are there are replaced.
class Merger {
 public:
  /// `wishes`: made anew for each merge, by a thread of the pool.
  Merger(SegmentMakerParts parts, MergeRules rules, std::function<SegmentWishes()> wishes)
      : parts_(std::move(parts)), rules_(rules), wishes_(std::move(wishes)) {}

  struct Merged {
    bool is_more = false;                       // may be due
    std::vector<History::SegmentPtr> replaced;  // to be removed once nobody reads them
  };

  /// Merges one group, if one is due. What has expired is not written again when nothing is before
  /// it. An object that is damaged or missing is told to the log once and left alone until the next
  /// start. Once `stop` is cancelled no other object is begun, and the merge is given up.
  /// Errors: those of the store and the catalog; nothing is lost, and another call tries again.
  /// After a commit of unknown outcome nothing more is merged until the next start. One call at a
  /// time, and nothing else removes objects meanwhile.
  runtime::Task<Result<Merged>> merge(runtime::CancelToken stop = {});

  const MergeCounters& counters() const { return counters_; }

 private:
  struct Work;

  runtime::Task<Status> carry_out(Work& work, runtime::CancelToken stop);
  Status plan(Work& work) const;
  Status open(Work& work, size_t object) const;
  Status write(Work& work, const std::vector<MergedPart>& content) const;
  Status write_part(Work& work, const MergedPart& part, segment::SegmentWriter& writer) const;
  Status commit(Work& work);
  Status undo(const Work& work) const;

  const SegmentMakerParts parts_;
  const MergeRules rules_;
  const std::function<SegmentWishes()> wishes_;
  MergeCounters counters_;
  std::set<Uuid> left_alone_;  // until the next start
  bool is_over_ = false;       // the catalog takes nothing more
};

}  // namespace millrace::broker
