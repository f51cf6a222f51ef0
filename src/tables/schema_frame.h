// A table's name and columns as a system frame of the journal. Format: docs/formats/table.md.
#pragma once

#include "base/ids.h"
#include "base/result.h"
#include "record/system_frame.h"
#include "tables/hot_chunk.h"
#include "tables/table_name.h"

namespace millrace::tables {

struct SchemaFact {
  TopicId topic;
  TableName name;
  SchemaPtr schema;  // at least version 1
};

/// The put of a table's newest schema; its key is the topic's id.
record::SystemFrame to_frame(const SchemaFact& fact);
/// The table is gone.
record::SystemFrame removal_of(const TopicId& topic);
/// Errors: kCorrupt (not a schema frame), kUnsupported (of a newer version).
Result<SchemaFact> schema_fact_from(const record::SystemFrame& frame);

}  // namespace millrace::tables
