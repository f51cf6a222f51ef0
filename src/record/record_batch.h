// Kafka's record batch, magic 2: the unit that producers send, the log keeps and consumers read.
// Format: KIP-98 and the Kafka documentation, "Record Batch". All integers are big endian.
//
//   at  0 base offset i64        at 23 last offset delta i32      at 53 base sequence i32
//       8 length i32 (from 12)      27 base timestamp i64            57 record count i32
//      12 leader epoch i32          35 max timestamp i64             61 records, compressed as one
//      16 magic i8 = 2              43 producer id i64
//      17 CRC32C of 21..end         51 producer epoch i16
//      21 attributes i16
#pragma once

#include "base/clock.h"
#include "base/ids.h"
#include "base/result.h"
#include "bytes/codec.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace millrace::record {

inline constexpr size_t kBatchHeaderSize = 61;
/// The part before the magic: base offset, length, leader epoch. The batch's CRC does not cover it,
/// so the broker sets it without touching what the producer sent.
inline constexpr size_t kBatchHeadSize = 16;
/// What one batch may claim to hold; 100 MiB of the smallest records (7 bytes) stay below it.
inline constexpr int32_t kMaxRecordsPerBatch = 1 << 24;

/// Bit 3 of the attributes. With kLogAppend the records' own times are void: max_timestamp is it.
enum class TimestampType : uint8_t { kCreate = 0, kLogAppend = 1 };

struct BatchHeader {
  Offset base_offset;
  int32_t length = 0;  // of the batch from byte 12 on
  int32_t leader_epoch = -1;
  uint32_t crc = 0;
  int16_t attributes = 0;
  int32_t last_offset_delta = 0;
  TimestampMs base_timestamp;  // -1 ms: none
  TimestampMs max_timestamp;
  int64_t producer_id = -1;  // -1: not idempotent
  int16_t producer_epoch = -1;
  int32_t base_sequence = -1;
  int32_t record_count = 0;

  /// Bytes of the whole batch.
  size_t size() const { return static_cast<size_t>(length) + 12; }

  Offset last_offset() const { return base_offset + last_offset_delta; }

  bytes::Codec codec() const { return static_cast<bytes::Codec>(attributes & 7); }

  TimestampType timestamp_type() const {
    return (attributes & 8) != 0 ? TimestampType::kLogAppend : TimestampType::kCreate;
  }

  bool is_transactional() const { return (attributes & 16) != 0; }

  bool is_control() const { return (attributes & 32) != 0; }

  bool has_producer() const { return producer_id >= 0; }

  /// Takes offsets and has no records: see filler_batch().
  bool is_filler() const { return record_count == 0; }
};

/// One batch within bytes that somebody else keeps alive.
struct BatchView {
  BatchHeader header;
  std::span<const std::byte> bytes;  // the whole batch, header.size() of them

  /// The records as sent: compressed if the codec is not none.
  std::span<const std::byte> records() const { return bytes.subspan(kBatchHeaderSize); }
};

/// Reads the header at the front of `bytes` and checks what later reads rely on: the length field
/// is at least a header's, the magic is 2, the codec known. Neither the CRC nor that the whole
/// batch is there. For batches that something else vouches for (the journal's own CRC). Errors:
/// kCorrupt (fewer than 61 bytes, an impossible length), kUnsupported (magic 0 or 1, a codec number
/// beyond 4, a magic beyond 2).
Result<BatchHeader> parse_header(std::span<const std::byte> bytes);

/// Reads and validates the batch at the front of `bytes`; more bytes may follow. Beyond
/// parse_header(): the batch is whole, its CRC right, 1..kMaxRecordsPerBatch records (as many as
/// fit when they are not compressed), base offset not negative, last offset delta = count - 1 (at
/// least that for control batches), producer id, epoch and sequence agree. The records are not
/// walked: validate_records() does. Errors: as parse_header(); kCorrupt (cut short, wrong CRC),
/// kInvalid (the header contradicts itself).
Result<BatchView> parse_batch(std::span<const std::byte> bytes);

/// Decompresses at most `limit` bytes and walks every record: lengths exact, offset deltas 0,
/// 1, 2... (increasing up to the last offset delta in control batches), as many as the header says,
/// nothing after them. Returns their greatest timestamp, whatever the header says it is. Errors:
/// kInvalid, naming the record; the codecs' kInvalid. Blocking CPU work.
Result<TimestampMs> validate_records(const BatchView& batch, size_t limit);

/// Walks over the batches of one records field; each is validated by parse_batch().
class BatchIterator {
 public:
  explicit BatchIterator(std::span<const std::byte> bytes) : left_(bytes) {}

  /// The next batch; nullopt after the last. Errors: those of parse_batch(); then it is over.
  Result<std::optional<BatchView>> next();

 private:
  std::span<const std::byte> left_;
};

using BatchHead = std::array<std::byte, kBatchHeadSize>;

/// The batch's first 16 bytes with another base offset and leader epoch: sent in front of the
/// batch's bytes from 16 on.
BatchHead head_with(const BatchView& batch, Offset base_offset, int32_t leader_epoch);

/// CRC32C over all bytes of the batch, derived from the CRC stored in it (which must be right:
/// parse_batch() has checked it) without reading the records; some 15 ns.
uint32_t whole_crc(const BatchView& batch);
/// The same for the batch with `head` in place of its first 16 bytes.
uint32_t whole_crc(const BatchHead& head, const BatchView& batch);

}  // namespace millrace::record
