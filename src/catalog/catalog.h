// What must outlive the journal's files: which table files there are, up to which offsets they hold
// the rows, the topics, and which segment objects hold batches. The journal alone starts the log;
// this is needed for table files and segment objects only.
#pragma once

#include "base/ids.h"
#include "base/result.h"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace millrace::catalog {

/// broker/'s part.
struct TopicRow {
  TopicId id;
  std::string name;
  int32_t partitions = 1;
  bool is_deleted = false;  // a tombstone
  int64_t created_ms = 0;   // since 1970 UTC
  std::map<std::string, std::string> settings;

  bool operator==(const TopicRow&) const = default;
};

struct PartitionRow {
  TopicPartition partition;
  Offset start;
  Offset next;

  bool operator==(const PartitionRow&) const = default;
};

struct BrokerPart {
  std::vector<TopicRow> topics;
  std::vector<PartitionRow> partitions;
  JournalPlace place;
};

/// tables/'s part: a table is the columnar side of a topic.
struct TableRow {
  TopicId topic;
  std::string database;
  std::string measurement;
  uint64_t schema_version = 0;
  std::string schema;  // as in the schema's system frame

  bool operator==(const TableRow&) const = default;
};

/// One Parquet file: rows of one partition out of the offsets [first, next).
struct FileRow {
  std::string path;  // under DIR/tables
  TopicPartition partition;
  Offset first;
  Offset next;
  uint64_t rows = 0;
  uint64_t bytes = 0;
  int64_t min_time_us = 0;  // of its rows; ns rounded down
  int64_t max_time_us = 0;  // ns rounded up
  uint64_t schema_version = 0;
  Uuid commit;  // also in the file's own metadata

  bool operator==(const FileRow&) const = default;
};

/// One flush unit: all files of one contiguous offset range of one partition. Several files when it
/// was split by time; none when the range held no rows.
struct FlushCommit {
  TableRow table;
  TopicPartition partition;
  Offset first;  // must be the partition's table offset
  Offset next;   // becomes it
  std::vector<FileRow> files;
  JournalPlace place;
};

/// segments' part: offsets [first, next) of one partition in an object.
struct SegmentPartRow {
  TopicPartition partition;
  Offset first;
  Offset next;
  int64_t max_timestamp_ms = -1;  // greatest of its batches; -1: none has one
  uint64_t bytes = 0;             // of its batches

  bool operator==(const SegmentPartRow&) const = default;
};

struct SegmentRow {
  Uuid object;
  std::string name;                   // in the object store: docs/formats/segment.md "Names"
  uint64_t bytes = 0;                 // of the object
  int64_t created_ms = 0;             // since 1970 UTC
  std::vector<SegmentPartRow> parts;  // by partition, at least one

  bool operator==(const SegmentRow&) const = default;
};

/// An object that was removed and may still be in the object store.
struct LeavingObject {
  Uuid object;
  std::string name;

  bool operator==(const LeavingObject&) const = default;
};

/// A part that a row loses while others of its object stay: nobody wants it any more.
struct TrimmedPart {
  Uuid object;
  TopicPartition partition;

  auto operator<=>(const TrimmedPart&) const = default;
};

struct SegmentsCommit {
  std::vector<SegmentRow> added;
  std::vector<Uuid> removed;  // objects that are there; from then on they are leaving
  JournalPlace place;
  std::vector<Uuid> gone = {};  // objects that are leaving: the store has them no longer
  /// Objects that are neither added nor leaving, may be in the store, and that nothing needs: they
  /// are leaving from then on.
  std::vector<LeavingObject> leaving = {};
  std::vector<TrimmedPart> trimmed = {};  // of objects that are there and not removed
};

/// What there is when a catalog is opened.
struct Contents {
  bool is_new = false;  // there was none; all else is empty
  std::optional<DirectoryId> directory;
  std::optional<std::string> store;  // of the segment objects; nullopt: never said
  std::optional<JournalPlace> broker_place;
  std::optional<JournalPlace> tables_place;
  std::optional<JournalPlace> segments_place;
  std::vector<TopicRow> topics;                    // by id
  std::vector<PartitionRow> partitions;            // by partition
  std::vector<TableRow> tables;                    // by topic
  std::vector<FileRow> files;                      // by partition, then offset, then path
  std::map<TopicPartition, Offset> table_offsets;  // 0 where absent
  std::vector<SegmentRow> segments;                // by object
  std::vector<LeavingObject> leaving;              // by object

  bool operator==(const Contents&) const = default;
};

/// Blocking: call it on a BlockingPool. Thread-safe, one call at a time. A commit that returned is
/// durable; one that failed with kIo is of unknown outcome, and every later one is kReadOnly.
/// Errors of all commits: kOverloaded (disk full: nothing was written, try later), kIo, kReadOnly;
/// of the caller's making, and nothing was written: kInvalid (a row breaks a rule of
/// docs/formats/catalog.md; no begin(), or after close()). kCorrupt: damage met on the way, else as
/// kIo.
class Catalog {
 public:
  virtual ~Catalog() = default;

  /// As it was opened; commits since then are not in it.
  virtual const Contents& contents() const = 0;

  /// Must be called once, before the first commit and before anything relies on contents(): makes a
  /// new catalog of `directory`, or makes durable what an unclean end left only in the page cache,
  /// and brings one of an older format to the present one.
  /// Errors: kCorrupt (the catalog is another directory's), kIo, kOverloaded (disk full). It may be
  /// called again after an error.
  virtual Status begin(const DirectoryId& directory) = 0;

  /// Replaces broker/'s part. Names of topics that are not deleted are unique, ids are always.
  virtual Status commit_broker(const BrokerPart& part) = 0;

  /// Files, table offset and place in one transaction. kConflict: `first` is not the table offset,
  /// `next` is not above it, or a path is there already; nothing was written.
  virtual Status commit_flush(const FlushCommit& flush) = 0;

  /// Forgets a table, its files and its offsets. Nothing to do is success.
  virtual Status drop_table(const TopicId& topic, const JournalPlace& place) = 0;

  /// Adds and removes objects and parts in one transaction. Of each partition the parts stay dense,
  /// and the end of the last one does not move back: kInvalid otherwise, naming partition and
  /// offsets; also for an object that would have no part left. kConflict: an object that is added,
  /// or is to leave without that, is there already, one that is removed, or a part that is trimmed,
  /// is not, or one that is gone was not leaving. Nothing was written after either.
  virtual Status commit_segments(const SegmentsCommit& commit) = 0;

  /// Where segment objects are (docs/formats/catalog.md, `meta`); before the first
  /// commit_segments(). Errors: those of check_store() too.
  virtual Status commit_store(const std::string& name) = 0;

  /// Ends it in good order; a second call does nothing. Without it, or after an error (kIo,
  /// kOverloaded), the end counts as unclean: nothing is lost by that.
  virtual Status close() = 0;
};

/// Whether segment objects can be in the store of this name. Errors: kConflict, naming both and
/// what to do (objects of the catalog are in another one).
Status check_store(const Contents& contents, const std::string& name);

}  // namespace millrace::catalog
