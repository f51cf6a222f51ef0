// Parquet files as their footers say themselves, without a catalog.
#pragma once

#include "base/result.h"
#include "catalog/catalog.h"
#include "objects/object_store.h"
#include "record/commit_log.h"
#include "tables/schema_frame.h"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace millrace::tables {

/// What the journal says of a table.
struct JournalTable {
  SchemaFact fact;
  std::string schema;           // its frame's value
  record::PartitionRange kept;  // rows of these offsets are replayed where no file has them
};

struct UnusedFile {
  std::string path;  // under DIR/tables
  std::string why;
};

struct FoundFiles {
  /// One of each table of which the journal does not have all, from offset 0 to where the replay
  /// begins.
  std::vector<catalog::FlushCommit> flushes;
  std::vector<UnusedFile> unused;
  std::vector<std::string> lost;  // rows of offsets that are nowhere, in words
  uint64_t replayed = 0;          // files whose rows the journal has
};

/// Whether rows are in this file alone, and the catalog names it no longer: a file that
/// find_files() would take in, of offsets below `in_files`, which files hold, and of which none
/// that `catalog` names has rows but of other parts of the same commit. Blocks. Errors: the
/// store's; not for a file that is damaged.
Result<bool> lost_its_row(const std::string& path, const SchemaFact& table, Offset in_files,
                          const catalog::Contents& catalog, objects::ObjectStore& store);

/// Takes in the files that hold rows from before what the journal keeps. Those behind were maybe
/// made by a crash and never committed; their rows are in the journal, and each row must be in one
/// place alone. Reads footers, not all bytes: a file that is damaged in its pages is taken in, and
/// is damage of its table as ever. `progress` is told how many of how many are looked at. Blocking;
/// changes nothing. Errors: the store's.
Result<FoundFiles> find_files(objects::ObjectStore& store, const std::vector<JournalTable>& tables,
                              const JournalPlace& place,
                              const std::function<void(size_t, size_t)>& progress);

}  // namespace millrace::tables
