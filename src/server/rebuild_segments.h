// Which objects a catalog that is made again names.
#pragma once

#include "broker/found_objects.h"
#include "catalog/catalog.h"
#include "server/rebuild_journal.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace millrace::server {

/// What is in the objects that are named, of one partition.
struct History {
  Offset start;
  Offset end;
  size_t objects = 0;
};

/// Offsets [first, next) of a partition. Retention takes them as records of `time_ms`.
struct Gap {
  TopicPartition partition;
  Offset first;
  Offset next;
  int64_t time_ms = 0;
};

struct SegmentPlan {
  std::vector<catalog::SegmentRow> rows;
  std::map<TopicPartition, History> histories;  // of those that have one
  std::map<TopicPartition, Offset> ends;        // behind the last offset in any object
  std::map<TopicPartition, int64_t> newest_ms;  // greatest timestamp in any object
  std::vector<Gap> holes;                       // what no object has: before each is a named part
  std::vector<std::string> lost;                // what no object has, as far as others show it
  std::vector<broker::UnusedObject> unused;     // objects, and parts of objects
  std::vector<catalog::LeavingObject> covered;  // of `unused`: named ones have all their offsets
  std::vector<catalog::LeavingObject> deleted;  // all they have is of deleted topics
};

/// Of each partition a dense chain of parts (broker/segment_chain.h) that meets what the journal
/// keeps, and what lies in front of it. What is missing in between are holes: to be filled as
/// records as old as those before, so that retention takes them with these. What retention, or a
/// deletion of records, has taken by `now_ms` is not named.
SegmentPlan plan_segments(const broker::FoundObjects& found, const KnownJournal& journal,
                          int64_t now_ms);

/// Without a journal: of each partition the parts that have most of it, with holes as above. What
/// is expired is left to a server. `left`: of topics that are not there, why.
SegmentPlan plan_segments(const broker::FoundObjects& found, const Topics& topics,
                          const std::map<TopicId, std::string>& left);

/// Adds to `plan.lost` what objects had that `old`, the catalog that is replaced, names and nobody
/// finds, as far as neither the journal nor what is named now has it.
void add_missing(const catalog::Contents& old, const broker::FoundObjects& found,
                 const KnownJournal& journal, SegmentPlan& plan);

}  // namespace millrace::server
