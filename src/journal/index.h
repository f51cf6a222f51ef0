// Where each partition's batches lie: sparse places in every file, derived from the frame headers
// and never evidence. What stands here is durable: a run enters after its sync.
#pragma once

#include "base/ids.h"
#include "base/mutex.h"
#include "base/result.h"
#include "journal/scan.h"
#include "record/commit_log.h"

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

namespace millrace::journal {

/// A place every kIndexSpacing bytes of one partition's payloads in one file.
struct IndexEntry {
  Offset offset;                 // base of the first batch from here on
  uint64_t position = 0;         // of the run that holds it
  int64_t max_timestamp_ms = 0;  // greatest of the batches from here up to the next entry
};

struct PartitionSpan {
  Offset first;
  Offset end;
  int64_t max_timestamp_ms = 0;
  uint64_t bytes = 0;
  std::vector<IndexEntry> entries;
  uint64_t bytes_since_entry = 0;
};

/// One file's part of the index.
struct FileIndex {
  static constexpr uint64_t kSpacing = uint64_t{64} << 10;

  /// Of runs that are read at once; a little less than a power of two with the run that passes it.
  static constexpr uint64_t kChunkBytes = (uint64_t{1} << 20) - (uint64_t{64} << 10);

  RunNumber first_run;
  RunNumber last_run;
  uint64_t end_position = 0;    // where the next run starts
  std::vector<uint64_t> marks;  // where chunks begin: the first run kChunkBytes behind the last
  uint32_t last_crc = 0;        // header CRC of last_run: ties a stored index to the file's content
  std::unordered_map<TopicPartition, PartitionSpan> partitions;

  void add(const RunHead& run);

  /// The derived file beside a sealed journal file. Format: magic, version, CRC32C over the rest.
  bytes::Buffer encode(FileNumber number) const;
  /// kCorrupt when it is not a whole index of file `number`: build it again from the file.
  static Result<FileIndex> decode(FileNumber number, std::span<const std::byte> stored);
};

/// Whole runs of a file, [begin, end), that readers read at once.
struct Chunk {
  uint64_t begin = 0;
  uint64_t end = 0;
};

/// Sum of one file, for retention and for `topic describe`.
struct FileSummary {
  FileNumber number;
  uint64_t bytes = 0;
  std::unordered_map<TopicPartition, PartitionSpan> partitions;  // without entries
};

/// All files, oldest first. Thread-safe: one writer, many readers.
class Index {
 public:
  /// Where to go on reading.
  struct Place {
    std::shared_ptr<JournalFile> file;
    uint64_t position = 0;      // of a run at or before the batch
    uint64_t end_position = 0;  // runs of this file end here
    Offset end;                 // of the partition in this file
  };

  void add_file(std::shared_ptr<JournalFile> file, FileIndex index);
  /// A run of the newest file became durable.
  void add_run(const RunHead& run);
  /// For partitions that no kept file mentions.
  void set_range(TopicPartition partition, record::PartitionRange range);

  record::PartitionRange range(TopicPartition partition) const;
  /// The place to find the batch that holds `offset`; nullopt outside [start, end).
  std::optional<Place> find(TopicPartition partition, Offset offset) const;
  /// The place from which the first batch with a timestamp >= `timestamp_ms` is reached first.
  std::optional<Place> find_timestamp(TopicPartition partition, Offset from,
                                      int64_t timestamp_ms) const;

  /// The chunk with the run at `position`, and the one behind it: empty at the end of the file.
  /// Both empty when the file has gone.
  std::pair<Chunk, Chunk> chunks(FileNumber file, uint64_t position) const;

  /// A file that is no longer written: its runs, all durable, stand in [0, end_position).
  struct Sealed {
    FileNumber number;
    uint64_t end_position = 0;
  };

  std::vector<Sealed> sealed() const;
  /// false: it was freed.
  bool has(FileNumber number) const;
  std::vector<FileSummary> summaries() const;
  uint64_t total_bytes() const;
  /// The files take more than `max_bytes` and the newest, not the only one, has no batch: it was
  /// begun to make room.
  bool is_newest_beyond(uint64_t max_bytes) const;
  /// Sealed files whose index is not stored yet.
  std::vector<std::pair<std::shared_ptr<JournalFile>, bytes::Buffer>> encode_unstored();

  /// Takes the files below `number` out and moves the starts of their partitions up; what is taken
  /// out is listed with the new starts. Never the newest file.
  struct Dropped {
    std::vector<std::shared_ptr<JournalFile>> files;
    std::vector<std::pair<TopicPartition, Offset>> starts;
  };

  Dropped drop_below(FileNumber number);

 private:
  struct Entry {
    std::shared_ptr<JournalFile> file;
    FileIndex index;
    bool is_stored = false;
  };

  uint64_t bytes_locked() const MILLRACE_REQUIRES(mutex_);
  Place place_in(const Entry& entry, const PartitionSpan& span, const IndexEntry& at) const;

  mutable Mutex mutex_;
  std::deque<Entry> files_ MILLRACE_GUARDED_BY(mutex_);
  std::unordered_map<TopicPartition, record::PartitionRange> ranges_ MILLRACE_GUARDED_BY(mutex_);
};

}  // namespace millrace::journal
