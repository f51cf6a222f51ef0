// A database that was created by its name, as a system frame of the journal.
// Format: docs/formats/journal.md, `database`.
#pragma once

#include "base/result.h"
#include "record/system_frame.h"

#include <cstdint>
#include <string>

namespace millrace::tables {

struct DatabaseFact {
  std::string name;
  int64_t created_ms = 0;
};

/// The put; its key is the name.
record::SystemFrame to_frame(const DatabaseFact& fact);
/// Errors: kCorrupt (not a database frame), kUnsupported (of a newer version).
Result<DatabaseFact> database_fact_from(const record::SystemFrame& frame);

}  // namespace millrace::tables
