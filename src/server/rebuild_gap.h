// Offsets that no object has, taken out of use in the bucket itself.
#pragma once

#include "base/ids.h"
#include "base/result.h"
#include "catalog/catalog.h"
#include "objects/object_store.h"
#include "server/rebuild_journal.h"
#include "server/rebuild_segments.h"

#include <cstdint>
#include <string>
#include <vector>

namespace millrace::server {

/// What comes behind the objects of each partition, since the journal is lost.
struct Continuation {
  std::vector<Gap> gaps;          // by partition: from where its objects end to where it goes on
  std::vector<std::string> lost;  // what may have been there, and what no object shows
};

/// `gap`: offsets behind the last one of a partition. Of one with an expired part in an object that
/// others keep, all behind that may be gone: it goes on behind its topic's others, and far behind
/// where that may be so for all of them.
Continuation plan_gaps(const Topics& topics, const SegmentPlan& plan, int64_t gap, int64_t now_ms);

/// Writes objects that have nothing but fillers (docs/decisions/009) over all gaps, which are in
/// order of partition and offset, at least one: as many objects as a partition has gaps at most.
/// With them in the store the next rebuild out of it begins behind them, also when no object
/// follows. Errors: the store's.
Result<std::vector<catalog::SegmentRow>> write_gaps(objects::ObjectStore& store,
                                                    const DirectoryId& directory,
                                                    const Topics& topics,
                                                    const std::vector<Gap>& gaps, int64_t now_ms);

}  // namespace millrace::server
