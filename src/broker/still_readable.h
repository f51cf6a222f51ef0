// Whether records can be read out of objects or the journal, whichever has them.
#pragma once

#include "base/ids.h"
#include "base/result.h"
#include "record/commit_log.h"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace millrace::broker {

/// One of the places that records lie in.
struct RecordSource {
  /// What it has of a partition; nullopt: nothing.
  std::function<std::optional<record::PartitionRange>(TopicPartition)> range;
  /// Some batches from an offset of its range on. Errors: kNotFound (it has them no longer), those
  /// of its files.
  std::function<Result<std::vector<record::StoredBatch>>(TopicPartition, Offset)> read;
};

/// Why offsets [first, next) cannot be read now, nullopt: they can. Where both have them, either
/// will do. What the journal frees meanwhile must be in objects, or below the partition's start by
/// then: retention took it. Blocking. Errors: those that are not of an object or a file.
Result<std::optional<std::string>> why_unreadable(const RecordSource& objects,
                                                  const RecordSource& journal,
                                                  TopicPartition partition, Offset first,
                                                  Offset next);

}  // namespace millrace::broker
