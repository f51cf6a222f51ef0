// The records within a batch. Format: KIP-98 and the Kafka documentation, "Record".
#pragma once

#include "bytes/cursor.h"
#include "record/record_batch.h"

#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace millrace::record {

struct Header {
  std::string_view key;                             // may be empty, never null
  std::optional<std::span<const std::byte>> value;  // null and empty differ
};

/// Slices point into the batch or into its reader's memory: see RecordReader.
struct Record {
  Offset offset;
  TimestampMs timestamp;  // of the record, or of the log when the batch says kLogAppend
  std::optional<std::span<const std::byte>> key;  // null and empty differ
  std::optional<std::span<const std::byte>> value;
  std::vector<Header> headers;
};

/// Walks over the records of one batch, decompressing it first. What it hands out is valid as long
/// as the batch's bytes and this reader live; moving the reader keeps it valid.
///   RecordReader reader = ...; Record record;
///   while (reader.next(record)) {...}
///   MILLRACE_TRY_STATUS(reader.status());
class RecordReader {
 public:
  /// `limit`: the most bytes the records may decompress to. Errors: the codec's kInvalid.
  static Result<RecordReader> open(const BatchView& batch, size_t limit);

  /// Fills `record` (its vector is reused); false after the last record or at the first damage.
  bool next(Record& record);
  /// Once next() answered false: success, or kInvalid naming the record and the byte.
  Status status() const;

 private:
  RecordReader(const BatchHeader& header, std::vector<std::byte> content,
               std::span<const std::byte> records)
      : header_(header), content_(std::move(content)), reader_(records) {}

  bool read_body(bytes::Reader& body, Record& record);
  static bool read_headers(bytes::Reader& body, std::vector<Header>& headers);

  BatchHeader header_;
  std::vector<std::byte> content_;  // decompressed; empty when the batch is not compressed
  bytes::Reader reader_;
  int32_t read_ = 0;
};

}  // namespace millrace::record
