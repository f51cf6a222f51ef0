// How a write stands in the log: one record batch with one record, whose value is the accepted
// payload. Format: docs/formats/table.md.
#pragma once

#include "base/ids.h"
#include "base/result.h"
#include "bytes/buffer.h"
#include "columnar/column_batch.h"
#include "columnar/precision.h"
#include "columnar/time_column.h"
#include "record/commit_log.h"

#include <cstdint>
#include <optional>
#include <span>

namespace millrace::tables {

enum class PayloadKind : uint8_t { kMsgpack, kLineProtocol };

/// What a replay needs to make the same rows again.
struct Entry {
  PayloadKind kind = PayloadKind::kMsgpack;
  std::optional<columnar::Precision> precision;  // of line protocol always
  columnar::ArrivalTime arrival;
  uint64_t schema_version = 0;  // that the rows were admitted to
  std::span<const std::byte> payload;
};

struct EncodedEntry {
  bytes::Buffer batch;  // a Kafka record batch
  uint32_t crc = 0;     // CRC32C of all of it
};

/// Copies the payload in. Errors: kInvalid (a payload of 2 GiB).
Result<EncodedEntry> encode_entry(const Entry& entry);

/// The rows of an entry, as they were admitted. Errors: kCorrupt (not an entry, or a payload that
/// does not decode), kUnsupported (of a decoder version that this program does not have).
Result<columnar::ColumnBatch> decode_entry(const record::StoredBatch& stored);

}  // namespace millrace::tables
