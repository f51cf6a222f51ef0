#include "fsck/chain.h"

#include "bytes/cursor.h"
#include "record/system_frame.h"

#include <gtest/gtest.h>

namespace millrace::fsck {
namespace {

using journal::FrameHeader;
using journal::RunHeader;

const TopicPartition kPartition{TopicId(*Uuid::parse("0f0e0d0c-0b0a-0908-0706-050403020100")),
                                PartitionId{0}};

std::string path_of(uint64_t file) {
  return "d/journal/" + journal::file_name(FileNumber{file});
}

RunHeader run(uint64_t number, uint64_t file, uint64_t position, uint64_t durable_upto) {
  RunHeader header;
  header.file = FileNumber{file};
  header.position = position;
  header.run = RunNumber{number};
  header.durable_upto = RunNumber{durable_upto};
  header.length = 100;
  header.crc = static_cast<uint32_t>(number);
  header.previous_crc = static_cast<uint32_t>(number - 1);
  return header;
}

class ChainTest : public ::testing::Test {
 protected:
  void take(const RunHeader& header) { chain_.take(path_of(header.file.value), header); }

  void batch(const RunHeader& header, int64_t base, uint32_t records) {
    FrameHeader frame;
    frame.type = journal::FrameType::kBatch;
    frame.partition = kPartition;
    frame.base_offset = Offset{base};
    frame.records = records;
    chain_.batch(path_of(header.file.value), header, frame);
  }

  std::vector<Finding> judged() {
    Report report;
    chain_.judge(report);
    return report.findings;
  }

  Chain chain_;
};

TEST_F(ChainTest, RunsThatGoOnAreNoFinding) {
  take(run(7, 3, 0, 6));
  batch(run(7, 3, 0, 6), 40, 2);
  take(run(8, 3, 4096, 7));
  batch(run(8, 3, 4096, 7), 42, 1);
  take(run(9, 4, 0, 8));
  EXPECT_TRUE(judged().empty());
}

TEST_F(ChainTest, ABreakIsDamageFromTheRunOnThatIsProven) {
  for (const uint64_t proven : {uint64_t{2}, uint64_t{3}}) {
    Chain chain;
    chain.take(path_of(1), run(1, 1, 0, 0));
    chain.take(path_of(1), run(2, 1, 4096, 1));
    chain.breaks({.finding = {.problem = "payload", .file = "f", .touched = {{kPartition, {}, {}}}},
                  .run = RunNumber{3}});
    chain.pass(path_of(1), run(3, 1, 8192, 2));
    chain.take(path_of(1), run(4, 1, 12288, proven));
    Report report;
    chain.judge(report);
    ASSERT_EQ(report.findings.size(), 1U);
    const Finding& found = report.findings.front();
    EXPECT_EQ(found.kind, proven == 3 ? Kind::kDamage : Kind::kLeftover);
    EXPECT_EQ(found.problem, proven == 3 ? "payload" : "torn-tail");
    EXPECT_EQ(found.touched.size(), proven == 3 ? 1U : 0U);
  }
}

TEST_F(ChainTest, AMissingFileIsNamedWithTheOffsetsThatWereInIt) {
  take(run(1, 1, 0, 0));
  batch(run(1, 1, 0, 0), 0, 5);
  take(run(9, 3, 0, 8));
  batch(run(9, 3, 0, 8), 12, 1);
  const auto found = judged();
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].problem, "missing-file");
  EXPECT_EQ(found[0].file, path_of(2));
  EXPECT_NE(found[0].what.find("runs 2 to 8"), std::string::npos) << found[0].what;
  ASSERT_EQ(found[0].touched.size(), 1U);
  EXPECT_EQ(found[0].touched[0].first, Offset{5});
  EXPECT_EQ(found[0].touched[0].next, Offset{12});
}

TEST_F(ChainTest, RunsMissingAtTheEndOfAFileAreDamageThere) {
  take(run(1, 1, 0, 0));
  take(run(3, 2, 0, 2));
  const auto found = judged();
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].problem, "missing-runs");
  EXPECT_EQ(found[0].file, path_of(1));
  EXPECT_EQ(found[0].position, 4096U);
}

TEST_F(ChainTest, OffsetsThatAreNotDenseAreDamageWithoutAnyGap) {
  for (const int64_t base : {int64_t{1}, int64_t{3}}) {
    Chain chain;
    FrameHeader frame;
    frame.partition = kPartition;
    frame.records = 2;
    chain.take(path_of(1), run(1, 1, 0, 0));
    chain.batch(path_of(1), run(1, 1, 0, 0), frame);
    chain.take(path_of(1), run(2, 1, 4096, 2));
    frame.base_offset = Offset{base};
    chain.batch(path_of(1), run(2, 1, 4096, 2), frame);
    Report report;
    chain.judge(report);
    ASSERT_EQ(report.findings.size(), 1U);
    EXPECT_EQ(report.findings[0].problem, base == 3 ? "offset-gap" : "offset-again");
    EXPECT_EQ(report.findings[0].touched[0].first, Offset{std::min<int64_t>(base, 2)});
    EXPECT_EQ(report.findings[0].touched[0].next, Offset{std::max<int64_t>(base, 2)});
  }
}

TEST_F(ChainTest, ACheckpointTellsOfOffsetsThatWereLostBeforeIt) {
  take(run(1, 1, 0, 0));
  batch(run(1, 1, 0, 0), 0, 5);
  bytes::Writer key;
  key.bytes(std::as_bytes(std::span(kPartition.topic.bytes)));
  key.le(int32_t{0});
  bytes::Writer value;
  value.le(int64_t{9});
  value.le(int64_t{0});
  const auto payload = record::SystemFrame{record::SystemKind::kPartition, false,
                                           std::string(bytes::as_text(key.view())),
                                           std::string(bytes::as_text(value.view()))}
                           .encode();
  take(run(4, 2, 0, 3));
  Report report;
  chain_.system(path_of(2), run(4, 2, 0, 3), payload, report);
  chain_.judge(report);
  ASSERT_EQ(report.findings.size(), 1U);
  ASSERT_EQ(report.findings[0].touched.size(), 1U);
  EXPECT_EQ(report.findings[0].touched[0].first, Offset{5});
  EXPECT_EQ(report.findings[0].touched[0].next, Offset{9});
}

TEST_F(ChainTest, TheCatalogTellsOfOffsetsThatWereLostBehindTheLastBatch) {
  const TopicPartition other{kPartition.topic, PartitionId{1}};
  take(run(1, 1, 0, 0));
  batch(run(1, 1, 0, 0), 0, 5);
  chain_.breaks({.finding = {.problem = "frame-header", .file = path_of(1)},
                 .run = RunNumber{2},
                 .loses_runs = true});
  chain_.pass(path_of(1), run(2, 1, 4096, 1));
  take(run(3, 1, 8192, 2));
  chain_.end({{kPartition, Offset{0}, Offset{9}}, {other, Offset{2}, Offset{4}}});
  const auto found = judged();
  ASSERT_EQ(found.size(), 1U);
  ASSERT_EQ(found[0].touched.size(), 2U);
  EXPECT_EQ(found[0].touched[0].first, Offset{5});
  EXPECT_EQ(found[0].touched[0].next, Offset{9});
  EXPECT_EQ(found[0].touched[1].partition, other);
  EXPECT_EQ(found[0].touched[1].first, Offset{2});
  EXPECT_EQ(found[0].touched[1].next, Offset{4});
}

TEST_F(ChainTest, WhatCameBehindALossIsNotLostWithIt) {
  take(run(1, 1, 0, 0));
  batch(run(1, 1, 0, 0), 0, 5);
  chain_.breaks({.finding = {.problem = "run-header", .file = path_of(1)},
                 .run = RunNumber{2},
                 .loses_runs = true});
  chain_.forget_run();
  take(run(3, 1, 8192, 2));
  batch(run(3, 1, 8192, 2), 7, 2);
  chain_.end({{kPartition, Offset{0}, Offset{20}}});
  const auto found = judged();
  ASSERT_EQ(found.size(), 1U);
  ASSERT_EQ(found[0].touched.size(), 1U);
  EXPECT_EQ(found[0].touched[0].first, Offset{5});
  EXPECT_EQ(found[0].touched[0].next, Offset{7});
}

TEST_F(ChainTest, AnotherRunBeforeIsABreakOfTheChain) {
  take(run(1, 1, 0, 0));
  RunHeader other = run(2, 1, 4096, 2);
  other.previous_crc = 99;
  take(other);
  const auto found = judged();
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].problem, "chain");
}

}  // namespace
}  // namespace millrace::fsck
