#include "verify/partition_check.h"

#include "bytes/crc32c.h"
#include "record/record_batch_builder.h"

#include <gtest/gtest.h>

#include <gmock/gmock.h>

#include <set>

namespace millrace::verify {
namespace {

using testing::HasSubstr;

using Bytes = std::vector<std::byte>;

struct Made {
  record::BatchOptions options;
  int records = 2;
  std::string value = "value";
  int64_t timestamp_ms = 1000;
};

Bytes batch(const Made& made) {
  record::RecordBatchBuilder builder(made.options);
  for (int i = 0; i < made.records; ++i) {
    builder.add(TimestampMs(std::chrono::milliseconds(made.timestamp_ms + i)),
                bytes::as_bytes("key"), bytes::as_bytes(made.value + std::to_string(i)));
  }
  const bytes::Buffer built = std::move(builder).build().value();
  return {built.span().begin(), built.span().end()};
}

Bytes batch_at(int64_t base, int records = 2, bytes::Codec codec = bytes::Codec::kNone) {
  return batch({.options = {.codec = codec, .base_offset = Offset{base}}, .records = records});
}

/// The batch with another header field, and the CRC that belongs to it.
template <typename T>
Bytes with(Bytes bytes, size_t position, T value) {
  for (size_t i = 0; i < sizeof(T); ++i) {
    bytes[position + i] = static_cast<std::byte>(value >> (8 * (sizeof(T) - 1 - i)));
  }
  const uint32_t crc = bytes::crc32c(std::span(bytes).subspan(21));
  for (size_t i = 0; i < 4; ++i) {
    bytes[17 + i] = static_cast<std::byte>(crc >> (8 * (3 - i)));
  }
  return bytes;
}

Bytes filler(int64_t base, int32_t offsets) {
  Bytes bytes = batch_at(base, 1);
  bytes.resize(record::kBatchHeaderSize);
  bytes = with<int32_t>(std::move(bytes), 8, record::kBatchHeaderSize - 12);
  bytes = with<int32_t>(std::move(bytes), 23, offsets - 1);
  return with<int32_t>(std::move(bytes), 57, 0);
}

Bytes operator+(Bytes left, const Bytes& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

/// Takes all at once; the partition begins at 0.
PartitionCheck checked(const Bytes& batches, int64_t end, int64_t start = 0) {
  PartitionCheck check{Offset{start}, Offset{end}};
  EXPECT_TRUE(check.take(batches).ok());
  return check;
}

/// There is this fault and no other.
void expect_fault(const PartitionCheck& check, int64_t offset, const std::string& what) {
  ASSERT_EQ(check.faults().size(), 1U);
  EXPECT_EQ(check.faults()[0].offset, Offset{offset});
  EXPECT_THAT(check.faults()[0].what, HasSubstr(what));
  EXPECT_EQ(check.fault_count(), 1U);
}

TEST(PartitionCheck, GoodBatchesOfEveryCodecAreCountedAndHaveNoFault) {
  Bytes all;
  size_t bytes = 0;
  for (int i = 0; i < 5; ++i) {
    all = all + batch_at(i * 2, 2, static_cast<bytes::Codec>(i));
  }
  bytes = all.size();
  const auto check = checked(all, 10);
  EXPECT_TRUE(check.is_done());
  EXPECT_EQ(check.fault_count(), 0U);
  EXPECT_EQ(check.sums().batches, 5U);
  EXPECT_EQ(check.sums().records, 10U);
  EXPECT_EQ(check.sums().bytes, bytes);
}

TEST(PartitionCheck, ABatchThatIsCutShortIsLeftForTheNextAnswer) {
  const Bytes two = batch_at(0) + batch_at(2);
  PartitionCheck check{Offset{0}, Offset{4}};
  EXPECT_TRUE(check.take(std::span(two).first(two.size() - 1)).value());
  EXPECT_EQ(check.next(), Offset{2});
  EXPECT_FALSE(check.take(std::span(two).first(10)).value());
  EXPECT_TRUE(check.take(batch_at(2)).value());
  EXPECT_TRUE(check.is_done());
  EXPECT_EQ(check.fault_count(), 0U);
}

TEST(PartitionCheck, EveryFlippedBitOfWhatTheCrcCoversIsNamed) {
  const Bytes good = batch_at(0, 1);
  for (size_t bit = size_t{21} * 8; bit < good.size() * 8; ++bit) {
    Bytes bad = good;
    bad[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
    PartitionCheck check{Offset{0}, Offset{1}};
    const auto taken = check.take(bad);
    EXPECT_TRUE(!taken.ok() || check.fault_count() > 0) << "bit " << bit;
  }
  Bytes bad = good;
  bad.back() ^= std::byte{1};
  expect_fault(checked(bad, 1), 0, "its header says");
}

TEST(PartitionCheck, MissingAndRepeatedOffsetsAreNamed) {
  expect_fault(checked(batch_at(0) + batch_at(3), 5), 2, "offsets 2 to 2 are missing");
  expect_fault(checked(batch_at(2), 4), 0, "offsets 0 to 1 are missing");
  expect_fault(checked(batch_at(0) + batch_at(9), 4), 2, "offsets 2 to 3 are missing");
  expect_fault(checked(batch_at(0) + batch_at(1), 3), 1, "offsets 1 to 1 come again");
  expect_fault(checked(batch_at(0) + batch_at(0) + batch_at(2), 4), 0, "offsets 0 to 1 come again");
}

TEST(PartitionCheck, AStartWithinABatchIsNoFault) {
  const auto check = checked(batch_at(0, 4) + batch_at(4), 6, 3);
  EXPECT_EQ(check.fault_count(), 0U);
  EXPECT_EQ(check.sums().records, 3U);
  PartitionCheck later{Offset{0}, Offset{6}};
  later.pass_to(Offset{3});
  EXPECT_TRUE(later.take(batch_at(0, 4) + batch_at(4)).value());
  EXPECT_EQ(later.fault_count(), 0U);
}

TEST(PartitionCheck, RecordsBehindTheEndAreNotCounted) {
  const auto check = checked(batch_at(0) + batch_at(2), 2);
  EXPECT_EQ(check.sums().records, 2U);
  EXPECT_TRUE(check.is_done());
}

TEST(PartitionCheck, FillersAreCountedAndAreNoFault) {
  const auto check = checked(batch_at(0) + filler(2, 5) + filler(7, 3) + batch_at(10), 12);
  EXPECT_EQ(check.fault_count(), 0U);
  EXPECT_EQ(check.sums().records, 4U);
  EXPECT_EQ(check.sums().fillers, (std::vector<Range>{{Offset{2}, Offset{10}}}));
}

TEST(PartitionCheck, CountsAndDeltasThatContradictTheRecordsAreNamed) {
  const auto lies = checked(with<int32_t>(batch_at(0, 2), 23, 4), 5);
  expect_fault(lies, 0, "2 records and a last offset delta of 4");
  const auto fewer = checked(with<int32_t>(with<int32_t>(batch_at(0, 2), 57, 1), 23, 0), 1);
  expect_fault(fewer, 0, "bytes after the last record");
  Bytes deltas = batch_at(0, 2);
  // The second record's offset delta: behind its length, attributes and timestamp delta.
  const size_t record_bytes = (deltas.size() - record::kBatchHeaderSize) / 2;
  const size_t at = record::kBatchHeaderSize + record_bytes + 3;
  ASSERT_EQ(deltas[at], std::byte{2});  // 1, zigzag
  expect_fault(checked(with<uint8_t>(deltas, at, 0), 2), 0, "offset deltas");
}

TEST(PartitionCheck, WhatDoesNotDecompressIsNamed) {
  Bytes bad = batch_at(0, 2, bytes::Codec::kZstd);
  const size_t at = record::kBatchHeaderSize;
  const auto check = checked(with<uint8_t>(bad, at, 0), 2);
  ASSERT_EQ(check.fault_count(), 1U);
  EXPECT_EQ(check.sums().records, 0U);
}

TEST(PartitionCheck, AGreatestTimestampThatIsNotThatOfTheRecordsIsNamed) {
  expect_fault(checked(with<int64_t>(batch_at(0, 2), 35, 1002), 2), 0,
               "says 1002 is its greatest timestamp, its records say 1001");
  const auto by_log = batch({.options = {.timestamp_type = record::TimestampType::kLogAppend}});
  EXPECT_EQ(checked(with<int64_t>(by_log, 35, 77), 2).fault_count(), 0U);
}

Bytes sequence(int64_t base, int32_t first, int64_t producer = 7, int16_t epoch = 0) {
  return batch({.options = {.base_offset = Offset{base},
                            .producer_id = producer,
                            .producer_epoch = epoch,
                            .base_sequence = first}});
}

TEST(PartitionCheck, SequencesOfAProducerGoOnWithoutGapOrRepeat) {
  EXPECT_EQ(checked(sequence(0, 5) + sequence(2, 7) + sequence(4, 0, 8) + sequence(6, 9), 8)
                .fault_count(),
            0U);
  EXPECT_EQ(checked(sequence(0, 5) + sequence(2, 0, 7, 1), 4).fault_count(), 0U) << "an epoch";
  EXPECT_EQ(checked(sequence(0, 0x7FFFFFFE) + sequence(2, 0), 4).fault_count(), 0U) << "wraps";
  expect_fault(checked(sequence(0, 5) + sequence(2, 8), 4), 2,
               "producer 7 epoch 0: sequence 8 where 7 is due");
  expect_fault(checked(sequence(0, 5) + sequence(2, 5), 4), 2, "sequence 5 where 7 is due");
}

TEST(PartitionCheck, ControlBatchesAreNeitherRecordsNorSequences) {
  Made marker{.options = {.base_offset = Offset{2},
                          .producer_id = 7,
                          .producer_epoch = 0,
                          .is_transactional = true,
                          .is_control = true},
              .records = 1};
  const auto check = checked(sequence(0, 0) + batch(marker) + sequence(3, 2), 5);
  EXPECT_EQ(check.fault_count(), 0U);
  EXPECT_EQ(check.sums().control, 1U);
  EXPECT_EQ(check.sums().records, 4U);
}

TEST(PartitionCheck, WhatIsNoBatchIsAnErrorAtItsPlace) {
  Bytes junk = batch_at(2);
  junk[16] = std::byte{9};  // magic
  PartitionCheck check{Offset{0}, Offset{4}};
  EXPECT_TRUE(check.take(batch_at(0) + junk).value());
  EXPECT_EQ(check.next(), Offset{2});
  EXPECT_FALSE(check.take(junk).ok());
}

TEST(PartitionCheck, TheDigestIsOfTheRecordsAloneAndOfAllOfThem) {
  const auto one = checked(batch_at(0) + batch_at(2), 4).sums().digest;
  const auto packed = checked(batch_at(0, 2, bytes::Codec::kZstd) + batch_at(2), 4).sums().digest;
  EXPECT_EQ(one, packed);
  EXPECT_EQ(one, checked(batch_at(0) + batch_at(2) + filler(4, 3), 7).sums().digest);
  const Made base{.options = {.base_offset = Offset{2}}};
  std::vector<Bytes> others;
  for (const Made& made : {Made{.options = {.base_offset = Offset{2}}, .value = "other"},
                           Made{.options = {.base_offset = Offset{2}}, .timestamp_ms = 1001},
                           Made{.options = {.base_offset = Offset{2}}, .records = 3}}) {
    others.push_back(batch(made));
  }
  EXPECT_EQ(one, checked(batch_at(0) + batch(base), 4).sums().digest);
  for (const Bytes& other : others) {
    EXPECT_NE(one, checked(batch_at(0) + other, 5).sums().digest);
  }
  EXPECT_NE(one, checked(batch_at(1) + batch_at(3), 5, 1).sums().digest) << "other offsets";
}

record::RecordBatchBuilder::OptionalBytes null() {
  return std::nullopt;
}

TEST(PartitionCheck, TheDigestTellsNullFromEmptyAndKeyFromValueAndSeesHeaders) {
  const auto digest_of = [](const record::RecordBatchBuilder::OptionalBytes& key,
                            const record::RecordBatchBuilder::OptionalBytes& value,
                            std::span<const record::Header> headers) {
    record::RecordBatchBuilder builder;
    builder.add(TimestampMs(std::chrono::milliseconds(1)), key, value, headers);
    const bytes::Buffer built = std::move(builder).build().value();
    return checked({built.span().begin(), built.span().end()}, 1).sums().digest;
  };
  const std::array<record::Header, 1> header{{{"name", bytes::as_bytes("a")}}};
  const std::array<record::Header, 1> other{{{"name", bytes::as_bytes("b")}}};
  const auto a = bytes::as_bytes("a");
  const std::set<std::array<uint8_t, 16>> digests{digest_of(null(), null(), {}),
                                                  digest_of(bytes::as_bytes(""), null(), {}),
                                                  digest_of(null(), bytes::as_bytes(""), {}),
                                                  digest_of(a, null(), {}),
                                                  digest_of(null(), a, {}),
                                                  digest_of(null(), a, header),
                                                  digest_of(null(), a, other)};
  EXPECT_EQ(digests.size(), 7U);
}

TEST(PartitionCheck, FaultsBeyondTheMostAreCountedOnly) {
  PartitionCheck check{Offset{0}, Offset{1}};
  for (size_t i = 0; i < PartitionCheck::kMostFaults + 5; ++i) {
    check.fault(Offset{0}, "x");
  }
  EXPECT_EQ(check.faults().size(), PartitionCheck::kMostFaults);
  EXPECT_EQ(check.fault_count(), PartitionCheck::kMostFaults + 5);
}

}  // namespace
}  // namespace millrace::verify
