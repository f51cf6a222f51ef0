// A partition's index in a segment object: its batches, and how things are behind the last of them.
// Format: docs/formats/segment.md, "Index of a partition".
#pragma once

#include "segment/format.h"

namespace millrace::segment {

inline constexpr size_t kBatchEntryBytes = 48;

struct BatchEntry {
  Offset base;
  uint32_t offsets = 0;  // that it takes
  uint32_t bytes = 0;
  int64_t max_timestamp_ms = -1;
  uint32_t crc = 0;  // CRC32C of its bytes
  uint16_t attributes = 0;
  int16_t producer_epoch = -1;
  int64_t producer_id = -1;
  int32_t base_sequence = -1;
  uint32_t records = 0;  // 0: a filler

  Offset next() const { return base + offsets; }

  bool operator==(const BatchEntry&) const = default;
};

struct AbortedTransaction {
  int64_t producer_id = 0;
  Offset first;
  Offset last;  // of the abort marker

  bool operator==(const AbortedTransaction&) const = default;
};

struct OpenTransaction {
  int64_t producer_id = 0;
  Offset first;

  bool operator==(const OpenTransaction&) const = default;
};

/// What a log knows of a producer: its last batches, to see a retry as one.
struct ProducerSnapshot {
  static constexpr size_t kMaxBatches = 5;

  struct Batch {
    Offset base;
    int32_t first_sequence = 0;
    int32_t last_sequence = 0;
    int64_t max_timestamp_ms = -1;

    bool operator==(const Batch&) const = default;
  };

  int64_t id = 0;
  int16_t epoch = 0;
  std::vector<Batch> batches;  // oldest first

  bool operator==(const ProducerSnapshot&) const = default;
};

/// What stands beside a partition's batches: how things are behind the last of them.
struct PartitionState {
  std::vector<AbortedTransaction> aborted;  // that have records here or end here
  std::vector<ProducerSnapshot> producers;
  std::vector<OpenTransaction> open;

  /// Becomes the state behind both parts: `following` is that of the next part of the partition.
  void go_on(PartitionState following);

  bool operator==(const PartitionState&) const = default;
};

struct PartitionIndex {
  std::vector<BatchEntry> batches;
  PartitionState state;

  /// Not compressed.
  bytes::Buffer encode() const;
  /// `bytes` as stored. Checks them against the row: CRC, counts, dense offsets, bytes.
  static Result<PartitionIndex> parse(const PartitionRow& row, std::span<const std::byte> bytes);
  bool operator==(const PartitionIndex&) const = default;
};

}  // namespace millrace::segment
