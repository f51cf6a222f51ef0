// What SQLite's quick_check leaves out, at a fraction of what its integrity_check takes.
#pragma once

#include "catalog/catalog.h"
#include "catalog/sqlite_connection.h"

#include <cstdint>

namespace millrace::catalog {

/// Whether each index of a catalog of that version has the entries of its table's rows, which are
/// in `contents`, no more and no less. Errors: kCorrupt (names both), kIo.
Status check_indexes(Connection& connection, int64_t version, const Contents& contents);

}  // namespace millrace::catalog
