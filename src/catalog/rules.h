// What the rows of a catalog must satisfy, checked before they are written and after they are read.
#pragma once

#include "catalog/catalog.h"

#include <map>
#include <optional>
#include <vector>

namespace millrace::catalog {

/// All answer kInvalid and name the row and the rule.
Status check(const JournalPlace& place);
Status check(const BrokerPart& part);
/// Without what the catalog already holds: that is kConflict, and the catalog's own business.
Status check(const FlushCommit& flush);
Status check(const SegmentsCommit& commit);

struct OffsetRange {
  Offset first;
  Offset next;
};

/// What a commit of segments does to the parts of one partition.
struct PartitionChange {
  std::optional<OffsetRange> before;  // what all its parts cover; nullopt: there are none
  std::vector<OffsetRange> removed;   // of parts that are there, in any order
  std::vector<OffsetRange> added;
};

/// Where the partition ended, if the change takes all parts that it had.
std::optional<Offset> end_of_last(const PartitionChange& change);

/// Of each partition that a commit of segments names.
using SegmentChanges = std::map<TopicPartition, PartitionChange>;

/// Whether the parts stay dense and none is removed but at the front, as long as they were dense.
Status check(const SegmentChanges& changes);

/// Every row, and the rows against one another. kCorrupt, without a path.
Status check(const Contents& contents);

/// kCorrupt, naming both, unless the catalog is new or of this directory. kInvalid for no id.
Status check_owner(const Contents& contents, const DirectoryId& directory);

// Conflicts of a commit with what is there, as every catalog words them.
Error offset_conflict(const FlushCommit& flush, Offset table_offset);
Error path_conflict(const std::string& path);
Error object_is_there(const Uuid& object);
Error object_is_missing(const Uuid& object);
Error part_is_missing(const TrimmedPart& part);
Error no_part_is_left(const Uuid& object);

}  // namespace millrace::catalog
