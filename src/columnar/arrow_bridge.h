// Columns as Arrow arrays over the same memory. For .cc files that include Arrow anyway.
#pragma once

#include "columnar/column_batch.h"
#include "columnar/schema.h"

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <memory>
#include <span>

namespace millrace::columnar {

/// The field of a column; a tag's is a dictionary of strings.
std::shared_ptr<arrow::Field> arrow_field(const SchemaColumn& column);

/// Column `place` of all batches, whose memory must outlive the result. Every batch's column must
/// be of the type of `column`.
arrow::Result<std::shared_ptr<arrow::ChunkedArray>> arrow_column(
    std::span<const ColumnBatch* const> batches, const SchemaColumn& column, size_t place);

}  // namespace millrace::columnar
