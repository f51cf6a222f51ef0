// Offsets that a lost journal may have given, taken out of use in the bucket itself.
#pragma once

#include "base/ids.h"
#include "base/result.h"
#include "catalog/catalog.h"
#include "objects/object_store.h"
#include "server/rebuild_journal.h"

#include <cstdint>
#include <vector>

namespace millrace::server {

/// Offsets [first, next) of a partition.
struct Gap {
  TopicPartition partition;
  Offset first;
  Offset next;
};

/// Writes an object that has nothing but fillers (docs/decisions/009) over all gaps, in order of
/// partition, at least one. With it in the store the next rebuild out of it begins behind them,
/// also when no object follows. Retention takes it as records of `now_ms`. Errors: the store's.
Result<catalog::SegmentRow> write_gaps(objects::ObjectStore& store, const DirectoryId& directory,
                                       const Topics& topics, const std::vector<Gap>& gaps,
                                       int64_t now_ms);

}  // namespace millrace::server
