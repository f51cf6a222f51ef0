#include "tables/trust.h"

#include "tables/schema_frame.h"
#include "tables/test_rows.h"

#include <gtest/gtest.h>

#include <gmock/gmock.h>

namespace millrace::tables {
namespace {

using journal::Findings;
using testing::HasSubstr;

const JournalPlace kPlace{FileNumber{3}, 4096, RunNumber{17}, 99};

SchemaFact fact_of(uint8_t topic, const std::string& measurement) {
  SchemaFact fact;
  fact.topic.bytes[0] = topic;
  fact.name = {"main", measurement};
  fact.schema = admitted(nullptr, batch_of({times({1})}, 1));
  return fact;
}

TopicPartition partition_of(uint8_t topic) {
  TopicPartition partition;
  partition.topic.bytes[0] = topic;
  return partition;
}

struct FakeJournal final : Findings {
  std::optional<DirectoryId> directory() const override { return id; }

  RunNumber last_run() const override { return RunNumber{20}; }

  JournalPlace proven() const override { return {}; }

  Result<Presence> look_for(const JournalPlace& place) const override {
    return place == kPlace ? presence : Presence::kMissing;
  }

  record::PartitionRange range(TopicPartition partition) const override {
    return ranges.at(partition);
  }

  std::vector<record::SystemFrame> facts(record::SystemKind) const override { return frames; }

  std::optional<DirectoryId> id;
  Presence presence = Presence::kHere;
  std::map<TopicPartition, record::PartitionRange> ranges;
  std::vector<record::SystemFrame> frames;
};

class TrustTest : public testing::Test {
 protected:
  TrustTest() {
    journal_.id = DirectoryId(Uuid{{7}});
    catalog_.directory = journal_.id;
    catalog_.tables_place = kPlace;
    journal_.frames = {to_frame(fact_of(1, "cpu")), to_frame(fact_of(2, "mem"))};
    journal_.ranges[partition_of(1)] = {Offset{40}, Offset{50}};
    journal_.ranges[partition_of(2)] = {Offset{0}, Offset{5}};
    catalog_.table_offsets[partition_of(1)] = Offset{40};
  }

  std::string refusal() const {
    const Status status = check_trust(catalog_, journal_);
    EXPECT_TRUE(status.ok() || status.error().code == Code::kCorrupt);
    return status.ok() ? "" : status.error().message;
  }

  catalog::Contents catalog_;
  FakeJournal journal_;
};

TEST_F(TrustTest, WhatBelongsTogetherIsTrusted) {
  EXPECT_EQ(refusal(), "");
  journal_.presence = Findings::Presence::kFreed;
  EXPECT_EQ(refusal(), "");
}

TEST_F(TrustTest, AJournalThatEndsBeforeTheCatalogsPlaceIsOlder) {
  journal_.presence = Findings::Presence::kMissing;
  EXPECT_THAT(refusal(),
              HasSubstr("journal older than catalog: catalog.db rests on run 17 at 4096"));
  catalog_.tables_place.reset();
  catalog_.broker_place = kPlace;
  EXPECT_THAT(refusal(), HasSubstr("journal older than catalog"));
  catalog_.broker_place.reset();
  EXPECT_EQ(refusal(), "");
  catalog_.segments_place = kPlace;
  EXPECT_THAT(refusal(),
              HasSubstr("journal older than catalog: catalog.db rests on run 17 at 4096"));
  journal_.presence = Findings::Presence::kFreed;
  EXPECT_EQ(refusal(), "");
}

TEST_F(TrustTest, ACatalogBelowWhatTheJournalKeepsIsOlder) {
  catalog_.table_offsets[partition_of(1)] = Offset{39};
  EXPECT_THAT(refusal(), HasSubstr("catalog older than journal"));
  EXPECT_THAT(refusal(), HasSubstr("main.cpu (offsets 39 to 39)"));
  EXPECT_THAT(refusal(), Not(HasSubstr("main.mem")));
}

TEST_F(TrustTest, AMissingCatalogIsFineWhileTheJournalHasAllRows) {
  catalog_ = {.is_new = true};
  EXPECT_THAT(refusal(), HasSubstr("catalog.db is missing"));
  EXPECT_THAT(refusal(), HasSubstr("main.cpu (offsets 0 to 39)"));
  journal_.ranges[partition_of(1)].start = Offset{0};
  EXPECT_EQ(refusal(), "");
}

TEST_F(TrustTest, ACatalogOfAnotherDirectoryIsRefused) {
  catalog_.directory = DirectoryId(Uuid{{8}});
  EXPECT_THAT(refusal(), HasSubstr("catalog.db belongs to directory 08000000"));
}

}  // namespace
}  // namespace millrace::tables
