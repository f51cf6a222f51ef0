// Offsets that no object has, taken out of use in the bucket itself.
#pragma once

#include "base/ids.h"
#include "base/result.h"
#include "catalog/catalog.h"
#include "objects/object_store.h"
#include "server/rebuild_journal.h"

#include <cstdint>
#include <vector>

namespace millrace::server {

/// Offsets [first, next) of a partition. Retention takes them as records of `time_ms`.
struct Gap {
  TopicPartition partition;
  Offset first;
  Offset next;
  int64_t time_ms = 0;
};

/// Writes objects that have nothing but fillers (docs/decisions/009) over all gaps, which are in
/// order of partition and offset, at least one: as many objects as a partition has gaps at most.
/// With them in the store the next rebuild out of it begins behind them, also when no object
/// follows. Errors: the store's.
Result<std::vector<catalog::SegmentRow>> write_gaps(objects::ObjectStore& store,
                                                    const DirectoryId& directory,
                                                    const Topics& topics,
                                                    const std::vector<Gap>& gaps, int64_t now_ms);

}  // namespace millrace::server
