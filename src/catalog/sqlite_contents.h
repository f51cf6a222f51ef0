// Reading and writing of the catalog's rows.
#pragma once

#include "catalog/catalog.h"
#include "catalog/sqlite_connection.h"

namespace millrace::catalog {

/// Everything, validated; of an older version what it has. Errors: kCorrupt (a row breaks a rule, a
/// table is missing), kIo.
Result<Contents> read_contents(Connection& connection);
/// The same without a check of the rules between rows. Errors: kCorrupt (a table is missing, a
/// value of the wrong kind), kIo.
Result<Contents> read_rows(Connection& connection);

// Inside a transaction of the caller's; `part` and `flush` were checked by rules.h. Errors: those
// of Connection, and of write_flush kConflict; the caller rolls back after any.
Status write_broker(Connection& connection, const BrokerPart& part);
Status write_flush(Connection& connection, const FlushCommit& flush);
Status drop_table(Connection& connection, const TopicId& topic, const JournalPlace& place);

}  // namespace millrace::catalog
