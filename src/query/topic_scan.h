// The table function topic('NAME').
#pragma once

#include "base/result.h"
#include "query/duck.h"
#include "query/query_context.h"

namespace millrace::query {

/// Registers topic(NAME [, partition := P] [, from_offset := A] [, to_offset := B]): all records of
/// the topic as of the query's start, or those of one partition, or with offsets in [A, B), which
/// is the way to look up a few without reading the rest. Columns: partition, offset, timestamp
/// (null when the producer gave none), key, value, headers. `contexts` outlives the database.
Status register_topic_scan(duckdb_connection connection, QueryContexts& contexts);

}  // namespace millrace::query
