// What a query sees of a table: files and hot rows of one moment, in which every row is once.
#pragma once

#include "base/ids.h"
#include "base/result.h"
#include "runtime/deadline.h"
#include "tables/hot_chunk.h"
#include "tables/table_name.h"

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace millrace::tables {

struct HotRows {
  std::shared_ptr<const HotChunk> chunk;
  size_t rows = 0;  // of the chunk's, those that belong to the snapshot; at least 1
};

/// Holds its chunks and, by `folder`, its files: a table that is dropped meanwhile keeps them until
/// the last snapshot is gone.
struct Snapshot {
  TableName name;
  TopicId topic;
  SchemaPtr schema;                // at least one column; files and chunks are of it or older ones
  std::string empty_file;          // Parquet of the schema without rows: a path
  std::vector<std::string> files;  // paths
  std::vector<HotRows> hot;        // by offset
  std::shared_ptr<const void> folder = {};
};

/// A table as lists name it.
struct TableInfo {
  TableName name;
  TopicId topic;
  SchemaPtr schema;  // version 0 has no columns: nothing was written yet
};

/// Where queries get their tables from. Thread-safe.
class SnapshotSource {
 public:
  virtual ~SnapshotSource() = default;

  /// By name.
  virtual std::vector<TableInfo> list() const = 0;

  /// Waits until every row that was acknowledged before the call is in it; files that this process
  /// neither wrote nor read before are compared with the catalog. Blocks: for a thread of a pool,
  /// not for a shard. Errors: kNotFound (no such table, or nothing was ever written to it),
  /// kTimeout (still being rebuilt, behind, or being compared at `deadline`), kCorrupt (files of it
  /// are missing or damaged: names the table, the files and the offsets).
  virtual Result<Snapshot> snapshot(const TableName& name, runtime::Deadline deadline) = 0;

  /// After a query on a snapshot of the table failed: compares its files once more, as far as
  /// `deadline` allows. kCorrupt: some are missing or damaged, as snapshot() says from then on.
  virtual Status recheck(const TopicId& topic, runtime::Deadline deadline) = 0;
};

}  // namespace millrace::tables
