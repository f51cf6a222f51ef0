// What of the journal goes into segment objects, and when.
#pragma once

#include "broker/cut_plan.h"
#include "broker/segment_maker.h"

#include <chrono>
#include <cstdint>
#include <deque>
#include <unordered_map>
#include <vector>

namespace millrace::broker {

/// Takes the plan from the journal's files. One round at a time.
class Archiver {
 public:
  Archiver(SegmentMakerParts parts, CutRules rules)
      : maker_(std::move(parts), rules.bytes), rules_(rules) {}

  /// Of each partition of which something is due cuts one part. `is_pressing`: the journal is short
  /// of room, so that what its oldest file is kept for does not wait. What is expired or deleted is
  /// not cut unless something before it is in segments. Returns how many objects were made; unless
  /// it is 0, more may be due. Errors, shard, `stop`: as SegmentMaker::make().
  runtime::Task<Result<size_t>> round(bool is_pressing, runtime::CancelToken stop = {});

  const SegmentMakerCounters& counters() const { return maker_.counters(); }

 private:
  /// Until when a partition's records were there.
  struct Mark {
    Offset next;
    std::chrono::steady_clock::time_point at;
  };

  std::vector<Uncut> collect(const std::vector<journal::FileSummary>& files, bool is_pressing);
  std::chrono::steady_clock::duration age_of(const Uncut& uncut);

  SegmentMaker maker_;
  const CutRules rules_;
  std::unordered_map<TopicPartition, std::deque<Mark>> marks_;  // of what is not cut, oldest first
};

}  // namespace millrace::broker
