#include "record/record_batch.h"

#include "bytes/buffer.h"
#include "bytes/crc32c.h"
#include "record/record_batch_builder.h"
#include "record/record_reader.h"

#include <gtest/gtest.h>

#include <gmock/gmock.h>

#include <limits>
#include <random>

namespace millrace::record {
namespace {

using bytes::as_bytes;
using bytes::as_text;
using bytes::Buffer;
using bytes::Codec;
using testing::HasSubstr;
using Bytes = std::vector<std::byte>;

constexpr size_t kNoLimit = size_t{1} << 28;

// Written by kafka-python for: ("key", "value", h1=x, h2=null), (null, ""), ("", null, ""="").
constexpr std::string_view kThreeRecords =
    "000000000000000000000059000000000219c46fb20000000000020000018bcfe56800"
    "0000018bcfe56805ffffffffffffffffffffffffffff00000003"
    "2e000000066b65790a76616c7565040468310278046832010c000a02010000100001040001020000";
// The first of them from producer 1000, epoch 3, sequence 7.
constexpr std::string_view kIdempotent =
    "000000000000000000000049000000000208de37f90000000000000000018bcfe56800"
    "0000018bcfe5680000000000000003e8000300000007000000012e000000066b65790a"
    "76616c756504046831027804683201";

Bytes from_hex(std::string_view text) {
  Bytes bytes;
  for (size_t i = 0; i + 1 < text.size(); i += 2) {
    bytes.push_back(static_cast<std::byte>(std::stoi(std::string(text.substr(i, 2)), nullptr, 16)));
  }
  return bytes;
}

TimestampMs at(int64_t ms) {
  return TimestampMs(std::chrono::milliseconds(ms));
}

Buffer three_records(BatchOptions options = {}) {
  RecordBatchBuilder builder(options);
  const Header two[] = {{"h1", as_bytes("x")}, {"h2", std::nullopt}};
  builder.add(at(1700000000000), as_bytes("key"), as_bytes("value"), two);
  builder.add(at(1700000000005), std::nullopt, as_bytes(""));
  const Header empty[] = {{"", as_bytes("")}};
  builder.add(at(1699999999999), as_bytes(""), std::nullopt, empty);
  return std::move(builder).build().value();
}

/// Puts `value` big endian at `position` and makes the CRC right again.
template <typename T>
Bytes patched(std::span<const std::byte> batch, size_t position, T value) {
  bytes::Writer writer;
  writer.bytes(batch);
  writer.patch_be(position, value);
  writer.patch_be(17, bytes::crc32c(writer.view().subspan(21)));
  return {writer.view().begin(), writer.view().end()};
}

Code code_of(const Bytes& bytes) {
  const auto batch = parse_batch(bytes);
  EXPECT_FALSE(batch.ok());
  return batch.ok() ? Code::kInternal : batch.error().code;
}

void expect_three_records(const BatchView& batch) {
  auto reader = RecordReader::open(batch, kNoLimit);
  ASSERT_TRUE(reader.ok()) << reader.error().message;
  Record record;
  ASSERT_TRUE(reader->next(record));
  EXPECT_EQ(record.offset, batch.header.base_offset);
  EXPECT_EQ(record.timestamp, at(1700000000000));
  EXPECT_EQ(as_text(*record.key), "key");
  EXPECT_EQ(as_text(*record.value), "value");
  ASSERT_EQ(record.headers.size(), 2u);
  EXPECT_EQ(record.headers[0].key, "h1");
  EXPECT_EQ(as_text(*record.headers[0].value), "x");
  EXPECT_EQ(record.headers[1].value, std::nullopt);
  ASSERT_TRUE(reader->next(record));
  EXPECT_EQ(record.offset, batch.header.base_offset + 1);
  EXPECT_EQ(record.key, std::nullopt);
  ASSERT_TRUE(record.value.has_value());
  EXPECT_TRUE(record.value->empty());
  EXPECT_TRUE(record.headers.empty());
  ASSERT_TRUE(reader->next(record));
  EXPECT_EQ(record.timestamp, at(1699999999999));
  ASSERT_TRUE(record.key.has_value());
  EXPECT_TRUE(record.key->empty());
  EXPECT_EQ(record.value, std::nullopt);
  ASSERT_EQ(record.headers.size(), 1u);
  EXPECT_TRUE(record.headers[0].value.has_value());
  EXPECT_FALSE(reader->next(record));
  EXPECT_TRUE(reader->status().ok());
}

TEST(RecordBatch, ReadsWhatAKafkaClientWrote) {
  const Bytes bytes = from_hex(kThreeRecords);
  const auto batch = parse_batch(bytes);
  ASSERT_TRUE(batch.ok()) << batch.error().message;
  const BatchHeader& header = batch->header;
  EXPECT_EQ(header.base_offset, Offset{0});
  EXPECT_EQ(header.size(), bytes.size());
  EXPECT_EQ(header.record_count, 3);
  EXPECT_EQ(header.last_offset(), Offset{2});
  EXPECT_EQ(header.base_timestamp, at(1700000000000));
  EXPECT_EQ(header.max_timestamp, at(1700000000005));
  EXPECT_EQ(header.timestamp_type(), TimestampType::kCreate);
  EXPECT_FALSE(header.has_producer());
  expect_three_records(*batch);
  EXPECT_TRUE(validate_records(*batch, kNoLimit).ok());
}

TEST(RecordBatch, WritesTheSameBytesAsAKafkaClient) {
  BatchOptions options;
  options.leader_epoch = 0;
  const Buffer batch = three_records(options);
  EXPECT_EQ(Bytes(batch.span().begin(), batch.span().end()), from_hex(kThreeRecords));
}

TEST(RecordBatch, ReadsProducerIdEpochAndSequence) {
  const Bytes bytes = from_hex(kIdempotent);
  const auto batch = parse_batch(bytes);
  ASSERT_TRUE(batch.ok());
  EXPECT_EQ(batch->header.producer_id, 1000);
  EXPECT_EQ(batch->header.producer_epoch, 3);
  EXPECT_EQ(batch->header.base_sequence, 7);
}

TEST(RecordBatch, EveryCodecRoundTrips) {
  for (const Codec codec :
       {Codec::kNone, Codec::kGzip, Codec::kSnappy, Codec::kLz4, Codec::kZstd}) {
    BatchOptions options;
    options.codec = codec;
    options.base_offset = Offset{41};
    const Buffer bytes = three_records(options);
    const auto batch = parse_batch(bytes);
    ASSERT_TRUE(batch.ok()) << batch.error().message;
    EXPECT_EQ(batch->header.codec(), codec);
    expect_three_records(*batch);
    EXPECT_TRUE(validate_records(*batch, 40).ok());
    if (codec != Codec::kNone) {
      EXPECT_THAT(validate_records(*batch, 39).error().message, HasSubstr("limit"));
    }
  }
}

TEST(RecordBatch, LogAppendTimeStandsForEachRecord) {
  BatchOptions options;
  options.timestamp_type = TimestampType::kLogAppend;
  const Buffer bytes = three_records(options);
  auto reader = RecordReader::open(*parse_batch(bytes), kNoLimit).value();
  Record record;
  while (reader.next(record)) {
    EXPECT_EQ(record.timestamp, at(1700000000005));
  }
  EXPECT_TRUE(reader.status().ok());
}

TEST(RecordBatch, EachTruncationIsCorrupt) {
  const Bytes bytes = from_hex(kThreeRecords);
  for (size_t size = 0; size < bytes.size(); ++size) {
    const auto batch = parse_batch(std::span(bytes).first(size));
    ASSERT_FALSE(batch.ok()) << size;
    EXPECT_EQ(batch.error().code, Code::kCorrupt) << size;
  }
}

TEST(RecordBatch, EachFlippedBitUnderTheCrcIsCorrupt) {
  const Bytes good = from_hex(kThreeRecords);
  for (size_t i = 17; i < good.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      Bytes bad = good;
      bad[i] ^= static_cast<std::byte>(1 << bit);
      const auto batch = parse_batch(bad);
      ASSERT_FALSE(batch.ok()) << i;
      EXPECT_TRUE(batch.error().code == Code::kCorrupt || i == 22) << i;  // 22: an unknown codec
    }
  }
}

TEST(RecordBatch, RefusesHeadersThatContradictThemselves) {
  const Bytes good = from_hex(kThreeRecords);
  EXPECT_EQ(code_of(patched<int8_t>(good, 16, 0)), Code::kUnsupported);
  EXPECT_EQ(code_of(patched<int8_t>(good, 16, 1)), Code::kUnsupported);
  EXPECT_EQ(code_of(patched<int8_t>(good, 16, 3)), Code::kUnsupported);
  EXPECT_EQ(code_of(patched<int16_t>(good, 21, 5)), Code::kUnsupported);
  EXPECT_EQ(code_of(patched<int32_t>(good, 8, -1)), Code::kCorrupt);
  EXPECT_EQ(code_of(patched<int32_t>(good, 8, 48)), Code::kCorrupt);
  EXPECT_EQ(code_of(patched<int32_t>(good, 8, 0x5A)), Code::kCorrupt);
  EXPECT_EQ(code_of(patched<int32_t>(good, 8, std::numeric_limits<int32_t>::max())),
            Code::kCorrupt);
  EXPECT_EQ(code_of(patched<int64_t>(good, 0, -1)), Code::kInvalid);
  EXPECT_EQ(code_of(patched<int32_t>(good, 23, 1)), Code::kInvalid);
  EXPECT_EQ(code_of(patched<int32_t>(good, 23, 3)), Code::kInvalid);
  EXPECT_EQ(code_of(patched<int32_t>(good, 57, 0)), Code::kInvalid);
  EXPECT_EQ(code_of(patched<int32_t>(good, 57, -1)), Code::kInvalid);
  EXPECT_EQ(code_of(patched<int32_t>(good, 57, 6)), Code::kInvalid);
  EXPECT_EQ(code_of(patched<int16_t>(good, 21, 16)), Code::kInvalid);  // transactional, no producer
  EXPECT_EQ(code_of(patched<int32_t>(from_hex(kIdempotent), 53, -1)), Code::kInvalid);
  EXPECT_EQ(code_of(patched<int16_t>(from_hex(kIdempotent), 51, -1)), Code::kInvalid);
}

TEST(RecordBatch, ACompressedBatchMayNotClaimEndlessRecords) {
  BatchOptions options;
  options.codec = Codec::kZstd;
  const Buffer good = three_records(options);
  const Bytes most =
      patched(patched(good.span(), 57, kMaxRecordsPerBatch), 23, kMaxRecordsPerBatch - 1);
  ASSERT_TRUE(parse_batch(most).ok());
  EXPECT_EQ(validate_records(*parse_batch(most), kNoLimit).error().code, Code::kInvalid);
  EXPECT_EQ(
      code_of(patched(patched(good.span(), 57, kMaxRecordsPerBatch + 1), 23, kMaxRecordsPerBatch)),
      Code::kInvalid);
}

TEST(RecordBatch, ValidationNamesTheDamagedRecord) {
  const Bytes good = from_hex(kThreeRecords);
  const auto reason = [](const Bytes& bytes) {
    const auto batch = parse_batch(bytes);
    EXPECT_TRUE(batch.ok());
    const auto status = validate_records(*batch, kNoLimit);
    EXPECT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, Code::kInvalid);
    return status.error().message;
  };
  EXPECT_THAT(reason(patched<uint8_t>(good, 61, 0x2C)), HasSubstr("record 0 of 3"));  // shorter
  EXPECT_THAT(reason(patched<uint8_t>(good, 61, 0x30)), HasSubstr("record 0 of 3"));  // longer
  EXPECT_THAT(reason(patched<uint8_t>(good, 64, 2)), HasSubstr("offset delta 1 where 0 is due"));
  EXPECT_THAT(reason(patched<uint8_t>(good, 88, 4)), HasSubstr("offset delta 2 where 1 is due"));
  EXPECT_THAT(reason(patched<uint8_t>(good, 65, 3)), HasSubstr("record 0 of 3"));  // key length -2
  const Bytes two = patched<int32_t>(patched<int32_t>(good, 57, 2), 23, 1);
  EXPECT_THAT(reason(two), HasSubstr("bytes after the last record"));
}

TEST(RecordBatch, IteratesOverSeveralBatches) {
  Bytes bytes = from_hex(kThreeRecords);
  const Bytes second = from_hex(kIdempotent);
  bytes.insert(bytes.end(), second.begin(), second.end());
  BatchIterator batches(bytes);
  EXPECT_EQ((*batches.next())->header.record_count, 3);
  EXPECT_EQ((*batches.next())->header.producer_id, 1000);
  EXPECT_FALSE(batches.next()->has_value());

  bytes.pop_back();
  BatchIterator cut(bytes);
  EXPECT_TRUE(cut.next().ok());
  EXPECT_EQ(cut.next().error().code, Code::kCorrupt);
  EXPECT_FALSE(cut.next()->has_value());
  EXPECT_FALSE(BatchIterator({}).next()->has_value());
}

TEST(RecordBatch, TheHeadChangesWithoutTheCrc) {
  const Bytes bytes = from_hex(kThreeRecords);
  const BatchView batch = parse_batch(bytes).value();
  EXPECT_EQ(whole_crc(batch), bytes::crc32c(bytes));
  const BatchHead head = head_with(batch, Offset{1'000'000'007}, 5);
  Bytes sent(head.begin(), head.end());
  sent.insert(sent.end(), bytes.begin() + kBatchHeadSize, bytes.end());
  const auto again = parse_batch(sent);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->header.base_offset, Offset{1'000'000'007});
  EXPECT_EQ(again->header.leader_epoch, 5);
  EXPECT_EQ(whole_crc(head, batch), bytes::crc32c(sent));
  expect_three_records(*again);
}

TEST(RecordBatch, ExtremeTimestampsSurviveOrAreRefused) {
  RecordBatchBuilder fits;
  fits.add(at(-1), std::nullopt, std::nullopt);
  fits.add(at(std::numeric_limits<int64_t>::max() - 1), std::nullopt, std::nullopt);
  const Buffer bytes = std::move(fits).build().value();
  auto reader = RecordReader::open(*parse_batch(bytes), kNoLimit).value();
  Record record;
  EXPECT_TRUE(reader.next(record));
  EXPECT_EQ(record.timestamp, at(-1));
  EXPECT_TRUE(reader.next(record));
  EXPECT_EQ(record.timestamp, at(std::numeric_limits<int64_t>::max() - 1));

  RecordBatchBuilder too_far;
  too_far.add(at(-2), std::nullopt, std::nullopt);
  too_far.add(at(std::numeric_limits<int64_t>::max()), std::nullopt, std::nullopt);
  EXPECT_EQ(std::move(too_far).build().error().code, Code::kInvalid);
  EXPECT_EQ(RecordBatchBuilder().build().error().code, Code::kInvalid);

  const Bytes wraps = patched<int64_t>(bytes.span(), 27, 5);
  EXPECT_EQ(validate_records(*parse_batch(wraps), kNoLimit).error().code, Code::kInvalid);
}

TEST(RecordBatch, ControlBatchesMayHaveGaps) {
  BatchOptions options;
  options.is_control = true;
  const Buffer dense = three_records(options);
  const Bytes gap = patched<int32_t>(dense.span(), 23, 9);
  const auto batch = parse_batch(gap);
  ASSERT_TRUE(batch.ok());
  EXPECT_TRUE(batch->header.is_control());
  EXPECT_EQ(batch->header.last_offset(), Offset{9});
  EXPECT_TRUE(validate_records(*batch, kNoLimit).ok());
  EXPECT_EQ(code_of(patched<int32_t>(dense.span(), 23, 1)), Code::kInvalid);
}

TEST(FillerBatch, TakesOffsetsAndHasNoRecords) {
  for (const int32_t offsets : {1, 2, 1 << 20, std::numeric_limits<int32_t>::max()}) {
    const bytes::Buffer filler = filler_batch(offsets);
    ASSERT_EQ(filler.size(), kBatchHeaderSize);
    const auto header = parse_header(filler);
    ASSERT_TRUE(header.ok());
    EXPECT_TRUE(header->is_filler());
    EXPECT_EQ(header->last_offset(), Offset{offsets - 1});
    EXPECT_EQ(header->crc, bytes::crc32c(filler.span().subspan(21)));
    auto reader = RecordReader::open({*header, filler.span()}, 0);
    ASSERT_TRUE(reader.ok());
    Record record;
    EXPECT_FALSE(reader->next(record));
    EXPECT_TRUE(reader->status().ok());
    EXPECT_EQ(parse_batch(filler).error().code, Code::kInvalid);  // nobody may send one
  }
}

}  // namespace
}  // namespace millrace::record
