// What the rows of a catalog must satisfy, checked before they are written and after they are read.
#pragma once

#include "catalog/catalog.h"

namespace millrace::catalog {

/// All answer kInvalid and name the row and the rule.
Status check(const JournalPlace& place);
Status check(const BrokerPart& part);
/// Without what the catalog already holds: that is kConflict, and the catalog's own business.
Status check(const FlushCommit& flush);

/// Every row, and the rows against one another. kCorrupt, without a path.
Status check(const Contents& contents);

/// kCorrupt, naming both, unless the catalog is new or of this directory. kInvalid for no id.
Status check_owner(const Contents& contents, const DirectoryId& directory);

// Conflicts of a flush with what is there, as every catalog words them.
Error offset_conflict(const FlushCommit& flush, Offset table_offset);
Error path_conflict(const std::string& path);

}  // namespace millrace::catalog
