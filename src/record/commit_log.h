// The interface by which batches become durable and get offsets. Local: the journal.
#pragma once

#include "base/ids.h"
#include "base/result.h"
#include "bytes/buffer.h"
#include "record/read_limit.h"
#include "record/system_frame.h"
#include "runtime/task.h"

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

namespace millrace::record {

/// One record batch, checked by the front end that took it; kept byte for byte.
struct BatchToCommit {
  TopicPartition partition;
  bytes::Buffer payload;
  uint32_t payload_crc = 0;      // CRC32C of payload
  uint32_t records = 0;          // offsets it takes, at least 1
  int64_t max_timestamp_ms = 0;  // greatest record timestamp, since 1970 UTC
};

/// A client's name for a write that it may send again: a hash of database and id.
struct BatchId {
  std::array<uint8_t, 16> hash{};
  auto operator<=>(const BatchId&) const = default;
};

/// When a commit returns: after the sync behind it, or once it is written to the operating system,
/// to be synced at most the log's interval later. What is then lost with the power leaves its
/// offsets unused.
enum class Durability : uint8_t { kFsync, kInterval };

/// What becomes durable together: all of it survives a crash, or none.
struct CommitRequest {
  std::vector<BatchToCommit> batches;
  std::vector<SystemFrame> system;
  std::optional<BatchId> batch_id;  // only with batches
  bool makes_room = false;          // a delete or its like: may use the room kept for such
  Durability durability = Durability::kFsync;  // kInterval: of batches alone
};

struct CommitOutcome {
  std::vector<Offset> base_offsets;  // one a batch, in order
  bool is_duplicate =
      false;  // the batch id was known: base_offsets has that of its first batch alone
  std::optional<TopicPartition> first_went_to = {};  // of a duplicate: where that batch went
};

/// A batch as it lies in the log.
struct StoredBatch {
  Offset base_offset;
  uint32_t records = 0;
  int64_t max_timestamp_ms = 0;
  bytes::Buffer payload;  // as the producer sent it: its own base offset field does not count
};

/// What a partition holds. [start, end): end is the high watermark, readable below, and there as
/// durable as was asked for.
struct PartitionRange {
  Offset start;
  Offset end;
};

class CommitLog {
 public:
  virtual ~CommitLog() = default;

  /// Returns once everything in `request` is as durable as it asks for, or more.
  /// Errors: kInvalid (no batch and no frame, too large, system frames with kInterval), kNotFound
  /// (a batch of a topic whose table ended meanwhile), kOverloaded (disk or budget full: nothing
  /// was written, try later), kReadOnly (the log was poisoned before: nothing was written),
  /// kOutcomeUnknown (it was poisoned meanwhile). Any shard; resumes on the caller's. Order per
  /// partition is the order of calls on one shard.
  virtual runtime::Task<Result<CommitOutcome>> commit(CommitRequest request) = 0;

  /// Returns once all that was readable at the call is durable. Errors: kReadOnly, kOutcomeUnknown.
  virtual runtime::Task<Status> sync() = 0;

  /// Whole batches from the one that holds `from`, at least one if there is one, until `limit`.
  /// Empty at the end of the partition. Errors: kNotFound (`from` outside [start, end]), kCorrupt
  /// (names file and position; the batch at `from` is damaged), kIo, kOverloaded (not let by
  /// `limit`). Any shard.
  virtual runtime::Task<Result<std::vector<StoredBatch>>> read(TopicPartition partition,
                                                               Offset from, ReadLimit limit) = 0;

  /// {0, 0} for a partition that never had a record. Any thread.
  virtual PartitionRange range(TopicPartition partition) const = 0;

  /// The first batch that ends behind `from` and whose greatest timestamp is at least
  /// `timestamp_ms`; nullopt when there is none.
  virtual runtime::Task<Result<std::optional<StoredBatch>>> find_timestamp(
      TopicPartition partition, Offset from, int64_t timestamp_ms) = 0;
};

}  // namespace millrace::record
