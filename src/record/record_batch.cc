#include "record/record_batch.h"

#include "bytes/crc32c.h"
#include "bytes/cursor.h"
#include "record/record_reader.h"

#include <algorithm>
#include <limits>

namespace millrace::record {
namespace {

constexpr size_t kLengthEnd = 12;
constexpr size_t kCrcStart = 21;  // attributes: the first byte under the CRC
// Length, attributes, time delta, offset delta, key length, value length, header count: a byte
// each.
constexpr size_t kSmallestRecord = 7;

TimestampMs timestamp(int64_t ms) {
  return TimestampMs(std::chrono::milliseconds(ms));
}

Status check_counts(const BatchHeader& header) {
  if (header.record_count <= 0 || header.record_count > kMaxRecordsPerBatch) {
    return make_error(Code::kInvalid, "record batch: {} records, 1 to {} are allowed",
                      header.record_count, kMaxRecordsPerBatch);
  }
  const size_t room = header.size() - kBatchHeaderSize;
  if (header.codec() == bytes::Codec::kNone &&
      static_cast<size_t>(header.record_count) > room / kSmallestRecord) {
    return make_error(Code::kInvalid, "record batch: {} bytes cannot hold {} records", room,
                      header.record_count);
  }
  if (header.base_offset.value < 0 ||
      header.base_offset.value > std::numeric_limits<int64_t>::max() - kMaxRecordsPerBatch) {
    return make_error(Code::kInvalid, "record batch: base offset {}", header.base_offset);
  }
  const int32_t dense = header.record_count - 1;
  const bool in_range = header.is_control() ? header.last_offset_delta >= dense &&
                                                  header.last_offset_delta < kMaxRecordsPerBatch
                                            : header.last_offset_delta == dense;
  if (!in_range) {
    return make_error(Code::kInvalid, "record batch: last offset delta {} with {} records",
                      header.last_offset_delta, header.record_count);
  }
  return {};
}

Status check_producer(const BatchHeader& header) {
  if (header.has_producer()) {
    if (header.producer_epoch < 0 || (header.base_sequence < 0 && !header.is_control())) {
      return make_error(Code::kInvalid, "record batch: producer {} with epoch {} and sequence {}",
                        header.producer_id, header.producer_epoch, header.base_sequence);
    }
  } else if (header.is_transactional()) {
    return make_error(Code::kInvalid, "record batch: transactional without a producer id");
  }
  return {};
}

}  // namespace

Result<BatchHeader> parse_header(std::span<const std::byte> bytes) {
  bytes::Reader reader(bytes);
  BatchHeader header;
  header.base_offset = Offset{reader.be<int64_t>()};
  header.length = reader.be<int32_t>();
  header.leader_epoch = reader.be<int32_t>();
  const auto magic = reader.be<int8_t>();
  if (reader.ok() && magic != 2) {
    return make_error(Code::kUnsupported, "record batch: magic {}, only 2 is supported", magic);
  }
  header.crc = reader.be<uint32_t>();
  header.attributes = reader.be<int16_t>();
  header.last_offset_delta = reader.be<int32_t>();
  header.base_timestamp = timestamp(reader.be<int64_t>());
  header.max_timestamp = timestamp(reader.be<int64_t>());
  header.producer_id = reader.be<int64_t>();
  header.producer_epoch = reader.be<int16_t>();
  header.base_sequence = reader.be<int32_t>();
  header.record_count = reader.be<int32_t>();
  MILLRACE_TRY_STATUS(reader.status("record batch", Code::kCorrupt));
  if (header.length < static_cast<int32_t>(kBatchHeaderSize - kLengthEnd)) {
    return make_error(Code::kCorrupt, "record batch: length {} is below a header's {}",
                      header.length, kBatchHeaderSize - kLengthEnd);
  }
  if (const int codec = header.attributes & 7; !bytes::codec_from_number(unsigned(codec))) {
    return make_error(Code::kUnsupported, "record batch: compression {} is unknown", codec);
  }
  return header;
}

Result<BatchView> parse_batch(std::span<const std::byte> bytes) {
  MILLRACE_TRY(const BatchHeader header, parse_header(bytes));
  if (header.size() > bytes.size()) {
    return make_error(Code::kCorrupt, "record batch: {} bytes announced, {} there", header.size(),
                      bytes.size());
  }
  const BatchView batch{header, bytes.first(header.size())};
  const uint32_t crc = bytes::crc32c(batch.bytes.subspan(kCrcStart));
  if (crc != header.crc) {
    return make_error(Code::kCorrupt, "record batch: crc {:08x}, its header says {:08x}", crc,
                      header.crc);
  }
  MILLRACE_TRY_STATUS(check_counts(header));
  MILLRACE_TRY_STATUS(check_producer(header));
  return batch;
}

Result<TimestampMs> validate_records(const BatchView& batch, size_t limit) {
  MILLRACE_TRY(RecordReader reader, RecordReader::open(batch, limit));
  Record record;
  int64_t expected = 0;
  TimestampMs newest = TimestampMs::min();
  while (reader.next(record)) {
    newest = std::max(newest, record.timestamp);
    const int64_t delta = record.offset - batch.header.base_offset;
    const bool in_place = batch.header.is_control()
                              ? delta >= expected && delta <= batch.header.last_offset_delta
                              : delta == expected;
    if (!in_place) {
      return make_error(Code::kInvalid, "record batch: offset delta {} where {} is due", delta,
                        expected);
    }
    expected = delta + 1;
  }
  MILLRACE_TRY_STATUS(reader.status());
  return newest;
}

Result<std::optional<BatchView>> BatchIterator::next() {
  if (left_.empty()) {
    return std::optional<BatchView>();
  }
  Result<BatchView> batch = parse_batch(left_);
  if (!batch.ok()) {
    left_ = {};
    return std::move(batch).error();
  }
  left_ = left_.subspan(batch->bytes.size());
  return std::optional<BatchView>(*batch);
}

BatchHead head_with(const BatchView& batch, Offset base_offset, int32_t leader_epoch) {
  bytes::Writer writer(kBatchHeadSize);
  writer.be(base_offset.value);
  writer.be(batch.header.length);
  writer.be(leader_epoch);
  BatchHead head;
  std::copy_n(writer.view().begin(), kBatchHeadSize, head.begin());
  return head;
}

uint32_t whole_crc(const BatchView& batch) {
  return bytes::crc32c_combine(bytes::crc32c(batch.bytes.first(kCrcStart)), batch.header.crc,
                               batch.bytes.size() - kCrcStart);
}

uint32_t whole_crc(const BatchHead& head, const BatchView& batch) {
  const auto between = batch.bytes.subspan(kBatchHeadSize, kCrcStart - kBatchHeadSize);
  return bytes::crc32c_combine(bytes::crc32c(between, bytes::crc32c(head)), batch.header.crc,
                               batch.bytes.size() - kCrcStart);
}

}  // namespace millrace::record
