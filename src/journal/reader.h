// Batches back out of the journal's files.
#pragma once

#include "base/result.h"
#include "journal/index.h"
#include "record/commit_log.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace millrace::journal {

/// Blocking reads; any thread, many at once. As record::CommitLog::read: whole batches from the one
/// that holds `from`, at least one if there is one. A damaged batch ends the answer before it, or
/// is the answer's error when it is the first.
Result<std::vector<record::StoredBatch>> read_batches(const Index& index, TopicPartition partition,
                                                      Offset from, size_t max_bytes);

/// As record::CommitLog::find_timestamp.
Result<std::optional<record::StoredBatch>> find_timestamp(const Index& index,
                                                          TopicPartition partition,
                                                          int64_t timestamp_ms);

}  // namespace millrace::journal
