// The catalog made again out of what describes itself: segment objects, Parquet files, the journal;
// and a data directory out of a bucket alone.
#pragma once

#include "base/ids.h"
#include "base/result.h"
#include "io/disk.h"
#include "server/options.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::server {

struct RebuildOptions {
  Options server;        // its data directory and bucket
  bool replace = false;  // a catalog that is there goes to quarantine/
  bool dry_run = false;  // the report alone; nothing is made or moved
  /// In a directory made out of a bucket: offsets behind the last one in an object that no record
  /// gets, since the lost journal may have given them. A partition with durability=interval leaves
  /// out those too that it reserves ahead.
  int64_t gap = 1'000'000;
  /// Told what is read ("objects", "files"), and how many of how many are. May be called often.
  std::function<void(std::string_view, size_t, size_t)> progress = [](auto, auto, auto) {};
};

struct RebuiltPartition {
  PartitionId partition;
  Offset start;
  Offset next;         // of the next record
  Offset objects_end;  // what is below it, from `start` on, is in objects
  size_t objects = 0;
};

struct RebuiltTopic {
  TopicId id;
  std::string name;
  std::vector<RebuiltPartition> partitions;
};

struct RebuiltTable {
  std::string name;
  size_t files = 0;
  uint64_t rows = 0;  // of files
  Offset files_end;   // rows from here on are replayed
  Offset next;
};

/// Something that is there, stays as it is, and is not used.
struct LeftAlone {
  std::string path;
  std::string why;
};

struct RebuildReport {
  DirectoryId directory;
  bool is_new_directory = false;     // made out of a bucket
  std::vector<RebuiltTopic> topics;  // by name; without those of tables
  std::vector<RebuiltTable> tables;  // by name
  size_t objects = 0;
  uint64_t object_bytes = 0;
  size_t files = 0;
  std::vector<LeftAlone> left_alone;
  std::vector<std::string> lost;
  std::vector<std::string> moved;  // to quarantine/
};

/// With a journal in the data directory: makes catalog.db again. Without, where the directory is
/// missing or empty and a bucket is named: makes a directory that serves what the bucket has. Takes
/// the directory's lock. What it makes gets its name when it is whole; nothing is deleted. Errors:
/// kConflict (catalog.db is there; a server runs), kNotFound (no journal and no bucket; nothing in
/// the bucket), kCorrupt (the journal is damaged), those of objects::ObjectStore and
/// catalog::Catalog.
Result<RebuildReport> rebuild(const RebuildOptions& options);

}  // namespace millrace::server
