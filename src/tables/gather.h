// Rows of hot chunks in another order, as column batches of one schema.
#pragma once

#include "columnar/column_batch.h"
#include "tables/table.h"

#include <cstdint>
#include <span>
#include <vector>

namespace millrace::tables {

/// Rows [row, row + count) of chunks[chunk].
struct RowRun {
  uint32_t chunk = 0;
  uint32_t row = 0;
  uint32_t count = 0;
};

/// Rows in ascending time; equal times in the order of the log.
struct SortedRows {
  std::vector<RowRun> runs;
  uint64_t rows = 0;
};

/// Sorts only what is not sorted.
SortedRows sort_by_time(const FlushUnit& unit);

/// The time of a row in microseconds, nanoseconds rounded down or up.
enum class Rounding : uint8_t { kDown, kUp };
int64_t time_us_of(const FlushUnit& unit, uint32_t chunk, uint32_t row,
                   Rounding rounding = Rounding::kDown);

/// The rows of `runs`, in the form of the unit's schema: columns that a chunk does not have yet are
/// null, narrower types are widened.
columnar::ColumnBatch gather(const FlushUnit& unit, std::span<const RowRun> runs);

}  // namespace millrace::tables
