#include "record/record_reader.h"

namespace millrace::record {
namespace {

using Slice = std::optional<std::span<const std::byte>>;

/// Bytes behind a zigzag length, -1 for null.
Slice nullable_bytes(bytes::Reader& reader) {
  const int32_t length = reader.varint();
  if (length < 0) {
    if (length < -1) {
      reader.fail("negative length");
    }
    return std::nullopt;
  }
  return reader.bytes(static_cast<size_t>(length));
}

}  // namespace

Result<RecordReader> RecordReader::open(const BatchView& batch, size_t limit) {
  if (batch.header.codec() == bytes::Codec::kNone) {
    return RecordReader(batch.header, {}, batch.records());
  }
  auto content = bytes::decompress(batch.header.codec(), batch.records(), limit);
  if (!content.ok()) {
    return std::move(content).error().within("record batch");
  }
  const std::span<const std::byte> records = *content;  // a move keeps a vector's memory
  return RecordReader(batch.header, std::move(content).value(), records);
}

bool RecordReader::next(Record& record) {
  if (!reader_.ok() || read_ == header_.record_count) {
    if (reader_.remaining() != 0) {
      reader_.fail("bytes after the last record");
    }
    return false;
  }
  const int32_t length = reader_.varint();
  if (length < 0) {
    reader_.fail("negative record length");
  }
  bytes::Reader body(reader_.bytes(static_cast<size_t>(length)));
  if (!reader_.ok() || !read_body(body, record)) {
    reader_.fail("damaged, or longer or shorter than its length");
    return false;
  }
  ++read_;
  return true;
}

bool RecordReader::read_body(bytes::Reader& body, Record& record) {
  body.skip(1);  // attributes: none are defined
  const int64_t timestamp_delta = body.varlong();
  const int32_t offset_delta = body.varint();
  record.key = nullable_bytes(body);
  record.value = nullable_bytes(body);
  if (!read_headers(body, record.headers) || body.remaining() != 0) {
    return false;
  }
  int64_t offset = 0;
  int64_t timestamp = 0;
  if (__builtin_add_overflow(header_.base_offset.value, offset_delta, &offset) ||
      __builtin_add_overflow(header_.base_timestamp.time_since_epoch().count(), timestamp_delta,
                             &timestamp)) {
    return false;
  }
  record.offset = Offset{offset};
  record.timestamp = header_.timestamp_type() == TimestampType::kLogAppend
                         ? header_.max_timestamp
                         : TimestampMs(std::chrono::milliseconds(timestamp));
  return true;
}

bool RecordReader::read_headers(bytes::Reader& body, std::vector<Header>& headers) {
  headers.clear();
  const int32_t count = body.varint();
  // Each takes two bytes at least: a lie is noticed before memory is asked for.
  if (count < 0 || static_cast<size_t>(count) > body.remaining() / 2) {
    return false;
  }
  headers.reserve(static_cast<size_t>(count));
  for (int32_t i = 0; i < count && body.ok(); ++i) {
    const Slice key = nullable_bytes(body);
    if (!key) {
      return false;
    }
    headers.push_back({bytes::as_text(*key), nullable_bytes(body)});
  }
  return body.ok();
}

Status RecordReader::status() const {
  if (reader_.ok()) {
    return {};
  }
  return reader_.status(fmt::format("record batch: record {} of {}", read_, header_.record_count));
}

}  // namespace millrace::record
