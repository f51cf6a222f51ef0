// Makes record batches: for clients, for HTTP ingest and for tests. Format: record_batch.h.
#pragma once

#include "bytes/buffer.h"
#include "bytes/cursor.h"
#include "record/record_batch.h"
#include "record/record_reader.h"

#include <span>

namespace millrace::record {

struct BatchOptions {
  bytes::Codec codec = bytes::Codec::kNone;
  int level = bytes::kDefaultLevel;
  Offset base_offset;  // 0 from producers; the log keeps its own beside the batch
  int32_t leader_epoch = -1;
  TimestampType timestamp_type = TimestampType::kCreate;
  int64_t producer_id = -1;
  int16_t producer_epoch = -1;
  int32_t base_sequence = -1;
  bool is_transactional = false;
  bool is_control = false;
};

/// Collects records, encoded at once, then builds the batch. Not for use by two threads.
///   RecordBatchBuilder builder({.codec = bytes::Codec::kZstd});
///   builder.add(now, key, value);
///   MILLRACE_TRY(const bytes::Buffer batch, std::move(builder).build());
class RecordBatchBuilder {
 public:
  explicit RecordBatchBuilder(const BatchOptions& options = {}) : options_(options) {}

  using OptionalBytes = std::optional<std::span<const std::byte>>;

  /// Copies the record in; its offset is the number of those before it. nullopt is null.
  void add(TimestampMs timestamp, OptionalBytes key, OptionalBytes value,
           std::span<const Header> headers = {});

  int32_t record_count() const { return record_count_; }

  /// Bytes of the batch so far, before compression.
  size_t size() const { return kBatchHeaderSize + records_.size(); }

  /// Errors: kInvalid (no records, more than kMaxRecordsPerBatch, over 2 GiB, times so far apart
  /// that their difference passes 64 bits).
  Result<bytes::Buffer> build() &&;

 private:
  BatchOptions options_;
  bytes::Writer records_;
  bytes::Writer record_;  // the one being encoded: its length stands before it
  int32_t record_count_ = 0;
  TimestampMs base_timestamp_;
  TimestampMs max_timestamp_;
  bool overflow_ = false;
};

/// A batch without records that takes `offsets` >= 1 offsets: no producer may send it, every
/// consumer passes over it. As Kafka's log cleaner leaves where it took all records of a batch
/// (DefaultRecordBatch.writeEmptyHeader). `max_timestamp_ms`: by which retention judges it; -1: it
/// has none.
bytes::Buffer filler_batch(int32_t offsets, int64_t max_timestamp_ms = -1);

}  // namespace millrace::record
