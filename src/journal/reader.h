// Batches back out of the journal's files.
#pragma once

#include "base/result.h"
#include "journal/chunk_cache.h"
#include "journal/index.h"
#include "journal/read_ahead.h"
#include "record/commit_log.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace millrace::journal {

/// Blocking reads; any thread, many at once.
class Reader {
 public:
  /// `chunks`: null, or what reads are shared by and done ahead with. Both outlive it, and the
  /// index `chunks`.
  explicit Reader(const Index& index, ChunkCache* chunks = nullptr);

  /// As record::CommitLog::read: whole batches from the one that holds `from`, at least one if
  /// there is one. A damaged batch ends the answer before it, or is the answer's error when it is
  /// the first.
  Result<std::vector<record::StoredBatch>> read(TopicPartition partition, Offset from,
                                                const record::ReadLimit& limit) const;

  /// As record::CommitLog::find_timestamp.
  Result<std::optional<record::StoredBatch>> find_timestamp(TopicPartition partition, Offset from,
                                                            int64_t timestamp_ms) const;

 private:
  const Index& index_;
  ChunkCache* const chunks_;
  const std::unique_ptr<ReadAhead> ahead_;  // null: without
};

}  // namespace millrace::journal
