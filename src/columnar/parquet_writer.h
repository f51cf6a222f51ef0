// Rows into a Parquet file, by Arrow. The only header between the columns and that library.
#pragma once

#include "base/result.h"
#include "columnar/schema.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace millrace::columnar {

/// Where a file's bytes go, from the first to the last.
class Sink {
 public:
  virtual ~Sink() = default;
  /// Takes all of `bytes`; after an error the file is of no use.
  virtual Status write(std::span<const std::byte> bytes) = 0;
};

/// The defaults are measured choices (docs/dependencies.md).
struct ParquetSettings {
  int zstd_level = 1;
  int64_t row_group_rows = 122'880;
  int64_t page_bytes = int64_t{1} << 20;
  /// Goes into the footer as it is.
  std::vector<std::pair<std::string, std::string>> metadata;
};

struct ParquetFile {
  uint64_t bytes = 0;
  uint64_t rows = 0;
  uint64_t row_groups = 0;
};

/// Writes the rows of `batches`, in this order (the caller has sorted them), each in the form
/// `convert` gives it for `schema`. No batch: a file of the schema without rows. A column of type
/// null is Parquet's INT32 of logical type Null, which DuckDB's union_by_name unites with any type.
///
/// Times are timestamps without a zone, in the column's unit, DELTA_BINARY_PACKED; doubles are
/// BYTE_STREAM_SPLIT; tags have a dictionary and no statistics; all else has statistics and a page
/// index, but for doubles of which one is NaN: they would make readers skip its rows. Every page
/// has its CRC32, and the footer a checksum of the whole file (parquet_footer.h). Blocks for as
/// long as it takes: call it on a BlockingPool. Values are not copied, but for the indexes of tags,
/// and bools. Errors: the sink's own; kInvalid (a batch not of the schema's form, a schema of no
/// columns); kInternal (Arrow's message).
Result<ParquetFile> write_parquet(std::span<const ColumnBatch* const> batches, const Schema& schema,
                                  const ParquetSettings& settings, Sink& sink);

}  // namespace millrace::columnar
