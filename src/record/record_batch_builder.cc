#include "record/record_batch_builder.h"

#include "bytes/crc32c.h"

#include <algorithm>
#include <limits>

namespace millrace::record {
namespace {

constexpr size_t kCrcAt = 17;
constexpr size_t kCrcStart = 21;
constexpr size_t kMaxSize = std::numeric_limits<int32_t>::max();

void put_nullable(bytes::Writer& writer, const std::optional<std::span<const std::byte>>& bytes) {
  if (!bytes) {
    writer.varint(-1);
    return;
  }
  writer.varint(static_cast<int32_t>(bytes->size()));
  writer.bytes(*bytes);
}

int16_t attributes_of(const BatchOptions& options) {
  int attributes = static_cast<int>(options.codec);
  attributes |= static_cast<int>(options.timestamp_type) << 3;
  attributes |= options.is_transactional ? 16 : 0;
  attributes |= options.is_control ? 32 : 0;
  return static_cast<int16_t>(attributes);
}

/// Length and CRC are not taken from `header`.
bytes::Buffer assemble(const BatchHeader& header, std::span<const std::byte> records) {
  bytes::Writer writer(kBatchHeaderSize + records.size());
  writer.be(header.base_offset.value);
  writer.be(static_cast<int32_t>(kBatchHeaderSize - 12 + records.size()));
  writer.be(header.leader_epoch);
  writer.be<int8_t>(2);
  writer.be<uint32_t>(0);
  writer.be(header.attributes);
  writer.be(header.last_offset_delta);
  writer.be<int64_t>(header.base_timestamp.time_since_epoch().count());
  writer.be<int64_t>(header.max_timestamp.time_since_epoch().count());
  writer.be(header.producer_id);
  writer.be(header.producer_epoch);
  writer.be(header.base_sequence);
  writer.be(header.record_count);
  writer.bytes(records);
  writer.patch_be(kCrcAt, bytes::crc32c(writer.view().subspan(kCrcStart)));
  return std::move(writer).finish();
}

}  // namespace

void RecordBatchBuilder::add(TimestampMs timestamp, OptionalBytes key, OptionalBytes value,
                             std::span<const Header> headers) {
  if (record_count_ == 0) {
    base_timestamp_ = timestamp;
    max_timestamp_ = timestamp;
  }
  max_timestamp_ = std::max(max_timestamp_, timestamp);
  int64_t timestamp_delta = 0;
  overflow_ |= __builtin_sub_overflow(timestamp.time_since_epoch().count(),
                                      base_timestamp_.time_since_epoch().count(), &timestamp_delta);
  record_.clear();
  record_.u8(0);
  record_.varlong(timestamp_delta);
  record_.varint(record_count_);
  put_nullable(record_, key);
  put_nullable(record_, value);
  record_.varint(static_cast<int32_t>(headers.size()));
  for (const Header& header : headers) {
    record_.varint(static_cast<int32_t>(header.key.size()));
    record_.text(header.key);
    put_nullable(record_, header.value);
  }
  overflow_ |= record_.size() > kMaxSize;
  records_.varint(static_cast<int32_t>(record_.size()));
  records_.bytes(record_.view());
  ++record_count_;
}

Result<bytes::Buffer> RecordBatchBuilder::build() && {
  if (record_count_ < 1 || record_count_ > kMaxRecordsPerBatch) {
    return make_error(Code::kInvalid, "record batch: {} records, 1 to {} are allowed",
                      record_count_, kMaxRecordsPerBatch);
  }
  if (overflow_ || records_.size() > kMaxSize - kBatchHeaderSize) {
    return make_error(Code::kInvalid, "record batch: {} bytes, or times too far apart",
                      records_.size());
  }
  BatchHeader header;
  header.base_offset = options_.base_offset;
  header.leader_epoch = options_.leader_epoch;
  header.attributes = attributes_of(options_);
  header.last_offset_delta = record_count_ - 1;
  header.base_timestamp = base_timestamp_;
  header.max_timestamp = max_timestamp_;
  header.producer_id = options_.producer_id;
  header.producer_epoch = options_.producer_epoch;
  header.base_sequence = options_.base_sequence;
  header.record_count = record_count_;
  if (options_.codec == bytes::Codec::kNone) {
    return assemble(header, records_.view());
  }
  MILLRACE_TRY(const auto packed, bytes::compress(options_.codec, records_.view(), options_.level));
  return assemble(header, packed);
}

bytes::Buffer filler_batch(int32_t offsets, int64_t max_timestamp_ms) {
  BatchHeader header;
  header.last_offset_delta = offsets - 1;
  header.base_timestamp = TimestampMs(std::chrono::milliseconds(max_timestamp_ms));
  header.max_timestamp = header.base_timestamp;
  return assemble(header, {});
}

}  // namespace millrace::record
