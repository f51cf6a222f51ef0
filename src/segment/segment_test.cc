#include "segment/segment.h"

#include "bytes/crc32c.h"
#include "bytes/test_hex.h"
#include "io/simulated_disk.h"
#include "objects/local_store.h"
#include "record/record_batch_builder.h"
#include "segment/segment_writer.h"
#include "segment/test_batches.h"

#include <gtest/gtest.h>

#include <gmock/gmock.h>

#include <algorithm>
#include <fstream>
#include <sstream>

namespace millrace::segment {
namespace {

using testing::HasSubstr;
using Bytes = std::vector<std::byte>;

Bytes bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream content;
  content << file.rdbuf();
  const auto text = content.str();
  const auto bytes = bytes::as_bytes(text);
  return {bytes.begin(), bytes.end()};
}

/// Bytes as an object.
class BytesReader final : public objects::ObjectReader {
 public:
  explicit BytesReader(Bytes content) : content_(std::move(content)) {}

  uint64_t bytes() const override { return content_.size(); }

  Status read_at(uint64_t position, std::span<std::byte> out) const override {
    if (position > content_.size() || out.size() > content_.size() - position) {
      return make_error(Code::kCorrupt, "the object ends before");
    }
    std::copy_n(content_.begin() + static_cast<ptrdiff_t>(position), out.size(), out.begin());
    return {};
  }

 private:
  const Bytes content_;
};

Result<std::unique_ptr<Segment>> open(Bytes content) {
  return Segment::open(std::make_unique<BytesReader>(std::move(content)), "golden");
}

Result<Header> verify(Bytes content) {
  MILLRACE_TRY(const auto segment, open(std::move(content)));
  return segment->verify();
}

class SegmentTest : public testing::Test {
 protected:
  SegmentTest() { header_.created_ms = 1'700'000'000'000; }

  SegmentWriter begin() {
    return SegmentWriter::begin(store_->create("object").value(), header_).value();
  }

  /// One partition with these batches.
  Bytes make(const std::vector<record::StoredBatch>& batches, PartitionState state = {}) {
    auto writer = begin();
    writer.begin_partition({topic_of(1), PartitionId{0}}, {topic_of(1), "topic", ""});
    for (const auto& batch : batches) {
      EXPECT_TRUE(writer.add(batch).ok());
    }
    EXPECT_TRUE(writer.end_partition(std::move(state)).ok());
    made_ = writer.publish().value();
    return content();
  }

  Bytes content() {
    const auto reader = store_->read("object").value();
    Bytes bytes(reader->bytes());
    EXPECT_TRUE(reader->read_at(0, bytes).ok());
    return bytes;
  }

  io::SimulatedDisk disk_{1};
  std::unique_ptr<objects::LocalStore> store_ =
      objects::LocalStore::open(disk_, "/data/store", "/data/tmp").value();
  Header header_;
  MadeSegment made_;
};

TEST_F(SegmentTest, WhatIsWrittenIsRead) {
  std::vector<record::StoredBatch> batches;
  Offset at{7};
  for (int i = 0; i < 100; ++i) {
    batches.push_back(batch_of(at, std::string(static_cast<size_t>(i) * 10, 'x'), 1 + i % 3, i));
    at = at + batches.back().records;
  }
  const PartitionState state{{{1, Offset{8}, Offset{9}}},
                             {{1, 2, {{Offset{7}, 0, 0, 5}, {Offset{8}, 1, 3, 6}}}},
                             {{1, Offset{20}}}};
  const auto segment = open(make(batches, state)).value();
  ASSERT_EQ(segment->tail().partitions.size(), 1U);
  const PartitionRow& row = *segment->tail().partition({topic_of(1), PartitionId{0}});
  EXPECT_EQ(row, made_.partitions.front());
  EXPECT_EQ(row.first, Offset{7});
  EXPECT_EQ(row.next, at);
  EXPECT_EQ(row.stable, Offset{20});
  EXPECT_EQ(row.max_timestamp_ms, 99);
  EXPECT_LT(row.index_bytes, row.index_bytes_unpacked);
  const auto index = segment->index(row).value();
  EXPECT_EQ(index.state, state);
  for (size_t i = 0; i < batches.size(); ++i) {
    for (const Offset from :
         {batches[i].base_offset, batches[i].base_offset + (batches[i].records - 1)}) {
      const auto read = segment->read(row, index, from, 1).value();
      ASSERT_EQ(read.size(), 1U);
      EXPECT_EQ(read[0].base_offset, batches[i].base_offset);
      EXPECT_EQ(bytes::as_text(read[0].payload), bytes::as_text(batches[i].payload));
    }
  }
  EXPECT_EQ(segment->read(row, index, Offset{7}, 1 << 20)->size(), batches.size());
  EXPECT_TRUE(segment->read(row, index, Offset{6}, 100)->empty());
  EXPECT_TRUE(segment->read(row, index, at, 100)->empty());
  EXPECT_EQ(segment->verify()->created_ms, header_.created_ms);
}

TEST_F(SegmentTest, ReadsAsManyWholeBatchesAsFit) {
  std::vector<record::StoredBatch> batches;
  batches.reserve(5);
  for (int i = 0; i < 5; ++i) {
    batches.push_back(batch_of(Offset{i}, "same size"));
  }
  const size_t one = batches.front().payload.size();
  const auto segment = open(make(batches)).value();
  const PartitionRow& row = segment->tail().partitions.front();
  const auto index = segment->index(row).value();
  const auto count = [&](size_t max_bytes) {
    return segment->read(row, index, Offset{1}, max_bytes)->size();
  };
  EXPECT_EQ(count(0), 1U);
  EXPECT_EQ(count(2 * one - 1), 1U);
  EXPECT_EQ(count(2 * one), 2U);
  EXPECT_EQ(count(100 * one), 4U);
  std::vector<size_t> asked;
  const auto admits = [&](size_t bytes) {
    asked.push_back(bytes);
    return asked.size() > 1;
  };
  EXPECT_TRUE(segment->read(row, index, Offset{1}, {one, admits}).ok());
  EXPECT_THAT(asked, testing::IsEmpty()) << "the first fits";
  EXPECT_EQ(segment->read(row, index, Offset{1}, {one - 1, admits}).error().code,
            Code::kOverloaded);
  EXPECT_EQ(segment->read(row, index, Offset{1}, {one - 1, admits})->size(), 1U);
  EXPECT_THAT(asked, testing::ElementsAre(one, one));
}

TEST_F(SegmentTest, AMixedObjectHasItsPartitionsApart) {
  auto writer = begin();
  std::vector<TopicPartition> partitions;
  for (const uint8_t topic : {uint8_t{1}, uint8_t{2}}) {
    for (const int32_t number : {0, 1, 9}) {
      partitions.push_back({topic_of(topic), PartitionId{number}});
      writer.begin_partition(partitions.back(),
                             {topic_of(topic), fmt::format("topic {}", topic), "schema"});
      ASSERT_TRUE(writer.add(batch_of(Offset{number}, fmt::format("{}/{}", topic, number))).ok());
      ASSERT_TRUE(writer.end_partition().ok());
    }
  }
  ASSERT_TRUE(writer.publish().ok());
  const auto segment = open(content()).value();
  EXPECT_EQ(segment->tail().topics.size(), 2U);
  EXPECT_EQ(segment->tail().topic(topic_of(2))->topic, "topic 2");
  EXPECT_EQ(segment->tail().topic(topic_of(3)), nullptr);
  EXPECT_EQ(segment->tail().partition({topic_of(1), PartitionId{2}}), nullptr);
  for (const TopicPartition partition : partitions) {
    const PartitionRow& row = *segment->tail().partition(partition);
    const auto index = segment->index(row).value();
    EXPECT_EQ(row.first, Offset{partition.partition.value});
    EXPECT_EQ(segment->read(row, index, row.first, 1 << 20)->size(), 1U);
  }
  EXPECT_TRUE(segment->verify().ok());
}

TEST_F(SegmentTest, AnIndexThatDoesNotFitIntoTheEndIsReadApart) {
  std::vector<record::StoredBatch> batches;
  batches.reserve(20'000);
  for (int i = 0; i < 20'000; ++i) {  // their CRCs do not compress
    batches.push_back(batch_of(Offset{i}, std::to_string(i * 7919)));
  }
  const auto segment = open(make(batches)).value();
  const PartitionRow& row = segment->tail().partitions.front();
  EXPECT_GT(row.index_bytes, Segment::kEndBytes);
  EXPECT_EQ(segment->index(row)->batches.size(), batches.size());
  EXPECT_TRUE(segment->verify().ok());
}

TEST_F(SegmentTest, RefusesWhatIsNoBatch) {
  auto writer = begin();
  writer.begin_partition({topic_of(1), PartitionId{0}}, {topic_of(1), "", ""});
  record::StoredBatch cut = batch_of(Offset{0}, "value");
  cut.payload = cut.payload.slice(0, cut.payload.size() - 1);
  EXPECT_EQ(writer.add(cut).error().code, Code::kCorrupt);
}

TEST_F(SegmentTest, AnObjectThatIsNotPublishedIsNotThere) {
  {
    auto writer = begin();
    writer.begin_partition({topic_of(1), PartitionId{0}}, {topic_of(1), "", ""});
    ASSERT_TRUE(writer.add(batch_of(Offset{0}, "value")).ok());
    ASSERT_TRUE(writer.end_partition().ok());
  }
  EXPECT_EQ(store_->read("object").error().code, Code::kNotFound);
}

TEST_F(SegmentTest, EveryFlippedBitIsFound) {
  const Bytes whole = make({batch_of(Offset{3}, "first"), batch_of(Offset{4}, "second", 2)},
                           {{}, {{1, 2, {{Offset{3}, 0, 0, 5}}}}, {}});
  ASSERT_TRUE(verify(whole).ok());
  for (size_t at = 0; at < whole.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      Bytes flipped = whole;
      flipped[at] ^= std::byte{1} << bit;
      const auto header = verify(flipped);
      ASSERT_FALSE(header.ok()) << "bit " << bit << " at " << at;
      ASSERT_TRUE(header.error().code == Code::kCorrupt ||
                  header.error().code == Code::kUnsupported)
          << header.error().message;
      ASSERT_THAT(header.error().message, HasSubstr("golden: "));
    }
  }
}

TEST_F(SegmentTest, EveryTruncationIsFound) {
  const Bytes whole = make({batch_of(Offset{3}, "first"), batch_of(Offset{4}, "second", 2)});
  for (size_t size = 0; size < whole.size(); ++size) {
    ASSERT_EQ(open(Bytes(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size))).error().code,
              Code::kCorrupt)
        << size;
  }
}

TEST_F(SegmentTest, DamageIsThatOfItsBatch) {
  const auto batches = {batch_of(Offset{0}, "first"), batch_of(Offset{1}, "second"),
                        batch_of(Offset{2}, "third")};
  Bytes content = make(batches);
  const size_t one = batches.begin()->payload.size();
  content[kHeaderBytes + one + 70] ^= std::byte{1};
  const auto segment = open(content).value();
  const PartitionRow& row = segment->tail().partitions.front();
  const auto index = segment->index(row).value();
  EXPECT_EQ(segment->read(row, index, Offset{0}, 1 << 20)->size(), 1U);
  const auto damaged = segment->read(row, index, Offset{1}, 1 << 20);
  EXPECT_THAT(damaged.error().message, HasSubstr("the batch at offset 1 of partition 0"));
  EXPECT_EQ(segment->read(row, index, Offset{2}, 1 << 20)->size(), 1U);
}

TEST_F(SegmentTest, AHeaderOfAnotherObjectIsFound) {
  Bytes content = make({batch_of(Offset{0}, "value")});
  header_.object = ObjectId(topic_of(9));
  const auto other = header_.encode();
  std::ranges::copy(other, content.begin());
  EXPECT_THAT(verify(content).error().message, HasSubstr("of two objects"));
}

TEST_F(SegmentTest, ANewerVersionIsRefusedByNumber) {
  Bytes content = make({batch_of(Offset{0}, "value")});
  const size_t footer = content.size() - kFooterBytes;
  content[footer + 48] = std::byte{2};
  const auto crc = bytes::crc32c(std::span(content).subspan(footer, 56));
  std::memcpy(content.data() + footer + 56, &crc, sizeof crc);
  const auto opened = open(content);
  EXPECT_EQ(opened.error().code, Code::kUnsupported);
  EXPECT_THAT(opened.error().message, HasSubstr("segment format 2, this one reads 1"));
}

TEST_F(SegmentTest, ExampleInTheDocumentIsWhatIsWritten) {
  header_.directory = DirectoryId(*Uuid::parse("00112233-4455-6677-8899-aabbccddeeff"));
  header_.object = ObjectId(*Uuid::parse("0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"));
  const TopicId topic(*Uuid::parse("0f0e0d0c-0b0a-0908-0706-050403020100"));
  auto writer = begin();
  writer.begin_partition({topic, PartitionId{3}}, {topic, "topic", ""});
  ASSERT_TRUE(writer.add(batch_of(Offset{41}, "hello", 1, 1'700'000'000'000)).ok());
  ASSERT_TRUE(writer.end_partition().ok());
  ASSERT_TRUE(writer.publish().ok());
  const std::string example = bytes::hex_lines(content());
  std::ifstream document(std::string(MILLRACE_SOURCE_DIR) + "/docs/formats/segment.md");
  std::stringstream text;
  text << document.rdbuf();
  EXPECT_NE(text.str().find("```\n" + example + "```"), std::string::npos) << example;
}

TEST(PartitionState, GoesOnWithWhatIsBehindTheNextPart) {
  PartitionState state{.aborted = {{5, Offset{0}, Offset{3}}},
                       .producers = {{.id = 5, .epoch = 1, .batches = {}}},
                       .open = {{7, Offset{1}}}};
  const PartitionState following{.aborted = {{7, Offset{1}, Offset{12}}, {5, Offset{0}, Offset{3}}},
                                 .producers = {{.id = 7, .epoch = 2, .batches = {}}},
                                 .open = {{8, Offset{14}}}};
  state.go_on(following);
  EXPECT_EQ(state.aborted, (std::vector<AbortedTransaction>{{5, Offset{0}, Offset{3}},
                                                            {7, Offset{1}, Offset{12}}}));
  EXPECT_EQ(state.producers, following.producers);
  EXPECT_EQ(state.open, following.open);
}

TEST(SegmentNames, SayPartitionOffsetAndObject) {
  const ObjectId object(*Uuid::parse("0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"));
  const TopicId topic(*Uuid::parse("0f0e0d0c-0b0a-0908-0706-050403020100"));
  EXPECT_EQ(segment_name(object, {topic, PartitionId{3}}, Offset{41}),
            "segments/0f0e0d0c-0b0a-0908-0706-050403020100/3/"
            "00000000000000000041-0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0.seg");
  EXPECT_EQ(mixed_name(object), "segments/mixed/0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0.seg");
}

// --- golden objects, made by tests/golden/make_segments.py --------------------------------------

std::unique_ptr<Segment> golden(const std::string& name) {
  auto segment = open(bytes_of(std::string(MILLRACE_SOURCE_DIR) + "/tests/golden/segment/" + name));
  EXPECT_TRUE(segment.ok()) << segment.error().message;
  return std::move(segment).value();
}

TEST(SegmentGolden, PlainOfVersion1) {
  const auto segment = golden("plain-1.seg");
  const auto header = segment->verify();
  ASSERT_TRUE(header.ok()) << header.error().message;
  EXPECT_EQ(header->created_ms, 1'700'000'000'000);
  ASSERT_EQ(segment->tail().partitions.size(), 3U);
  EXPECT_EQ(segment->tail().topics[1].schema, "its schema");
  const PartitionRow& last = segment->tail().partitions[2];
  EXPECT_EQ(last.first, Offset{5});
  EXPECT_EQ(last.next, Offset{6 + (1 << 20)});
  EXPECT_LT(last.index_bytes, last.index_bytes_unpacked);
  const auto index = segment->index(last).value();
  EXPECT_EQ(index.batches[1].records, 0U);
  EXPECT_EQ(index.batches[1].offsets, 1U << 20);
  EXPECT_EQ(index.state.producers[0].batches.size(), 5U);
  const auto filler = segment->read(last, index, Offset{1000}, 1).value();
  EXPECT_EQ(bytes::as_text(filler[0].payload), bytes::as_text(record::filler_batch(1 << 20)));
}

TEST(SegmentGolden, TransactionalOfVersion1) {
  const auto segment = golden("transactional-1.seg");
  const auto header = segment->verify();
  ASSERT_TRUE(header.ok()) << header.error().message;
  const PartitionRow& row = segment->tail().partitions.at(0);
  EXPECT_EQ(row.stable, Offset{108});
  EXPECT_EQ(row.next, Offset{109});
  const auto index = segment->index(row).value();
  ASSERT_EQ(index.batches.size(), 6U);
  EXPECT_EQ(index.batches[2].attributes, 0x30);
  EXPECT_EQ(index.batches[2].producer_id, 7);
  EXPECT_EQ(index.batches[4].base_sequence, 2147483646);
  const PartitionState expected{{{7, Offset{100}, Offset{103}}},
                                {{7, 2, {{Offset{100}, 0, 1, 10}, {Offset{108}, 2, 2, 15}}},
                                 {8, 0, {{Offset{102}, 40, 40, 11}}},
                                 {9, 1, {{Offset{105}, 2147483646, 0, 14}}}},
                                {{7, Offset{108}}}};
  EXPECT_EQ(index.state, expected);
  const auto marker = segment->read(row, index, Offset{103}, 1).value();
  const auto batch = record::parse_batch(marker[0].payload);
  ASSERT_TRUE(batch.ok()) << batch.error().message;
  EXPECT_TRUE(batch->header.is_control());
}

}  // namespace
}  // namespace millrace::segment
