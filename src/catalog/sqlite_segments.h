// Reading and writing of the rows of segment objects.
#pragma once

#include "catalog/catalog.h"
#include "catalog/sqlite_connection.h"

namespace millrace::catalog {

/// The format version from which there are segment objects.
constexpr int64_t kSegmentsVersion = 2;
/// And from which those that leave are remembered.
constexpr int64_t kLeavingVersion = 3;

/// All objects of a catalog of that version, each table in one scan. Errors: kCorrupt (a column
/// breaks a rule, a table is missing), kIo.
Status read_segments(Connection& connection, int64_t version, Contents& contents);

/// Inside a transaction of the caller's; `commit` was checked by rules.h. Errors: those of
/// Connection; kConflict and kInvalid as of Catalog, and nothing was written. The caller rolls back
/// after any.
Status write_segments(Connection& connection, const SegmentsCommit& commit);

}  // namespace millrace::catalog
