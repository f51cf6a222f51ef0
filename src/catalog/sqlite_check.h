// What SQLite's quick_check leaves out, at a fraction of what its integrity_check takes.
#pragma once

#include "catalog/catalog.h"
#include "catalog/sqlite_connection.h"

#include <cstdint>

namespace millrace::catalog {

/// Whether the tables and indexes are those that the migrations up to that version make, by their
/// text, and none of a later one: SQLite passes over a CHECK that makes no sense as long as it may
/// only read. What no version has is no damage. Errors: kCorrupt (names the first that differs),
/// kIo.
Status check_schema(Connection& connection, SqliteVfs& vfs, int64_t version);

/// Whether each index of a catalog of that version has the entries of its table's rows, which are
/// in `contents`, no more and no less. Errors: kCorrupt (names both), kIo.
Status check_indexes(Connection& connection, int64_t version, const Contents& contents);

}  // namespace millrace::catalog
