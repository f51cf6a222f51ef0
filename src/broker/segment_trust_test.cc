#include "broker/segment_trust.h"

#include "broker/start_fact.h"
#include "broker/topic.h"

#include <gtest/gtest.h>

#include <gmock/gmock.h>

#include <map>

namespace millrace::broker {
namespace {

using journal::Findings;
using testing::HasSubstr;
using testing::IsEmpty;

TopicId topic_of(uint8_t number) {
  TopicId id;
  id.bytes[0] = number;
  return id;
}

struct FakeJournal final : Findings {
  std::optional<DirectoryId> directory() const override { return DirectoryId(); }

  RunNumber last_run() const override { return RunNumber{20}; }

  JournalPlace proven() const override { return {}; }

  Result<Presence> look_for(const JournalPlace& /*place*/) const override {
    return Presence::kHere;
  }

  record::PartitionRange range(TopicPartition partition) const override {
    const auto found = ranges.find(partition);
    return found == ranges.end() ? record::PartitionRange{} : found->second;
  }

  std::vector<record::SystemFrame> facts(record::SystemKind kind) const override {
    std::vector<record::SystemFrame> frames;
    if (kind == record::SystemKind::kStart) {
      return starts;
    }
    frames.reserve(topics.size());
    for (const TopicRecord& topic : topics) {
      frames.push_back(topic.to_frame());
    }
    return frames;
  }

  std::map<TopicPartition, record::PartitionRange> ranges;
  std::vector<TopicRecord> topics;
  std::vector<record::SystemFrame> starts;
};

class SegmentTrustTest : public testing::Test {
 protected:
  SegmentTrustTest() {
    add_topic(1, "orders");
    add_topic(2, "other");
    segment(1, 0, 30);
    segment(1, 30, 40);
    journal_.ranges[{topic_of(1), {}}] = {Offset{35}, Offset{50}};
    journal_.ranges[{topic_of(2), {}}] = {Offset{5}, Offset{9}};
  }

  void add_topic(uint8_t number, const std::string& name) {
    journal_.topics.push_back({.id = topic_of(number), .name = name});
  }

  void segment(uint8_t topic, int64_t first, int64_t next) {
    catalog::SegmentRow& row = catalog_.segments.emplace_back();
    row.parts.push_back({{topic_of(topic), {}}, Offset{first}, Offset{next}, 0, 1});
  }

  std::string refusal() {
    const Status status = check_segment_trust(catalog_, journal_, [this] {
      asked_ = true;
      return has_objects_;
    });
    return status.ok() ? "" : status.error().message;
  }

  FakeJournal journal_;
  catalog::Contents catalog_;
  Result<bool> has_objects_ = true;
  bool asked_ = false;
};

TEST_F(SegmentTrustTest, BothOfOneTimeAreTrusted) {
  EXPECT_THAT(refusal(), IsEmpty());
  EXPECT_FALSE(asked_);
  journal_.ranges[{topic_of(1), {}}] = {Offset{40}, Offset{40}};
  EXPECT_THAT(refusal(), IsEmpty());
}

TEST_F(SegmentTrustTest, AnOlderCatalogIsRefused) {
  journal_.ranges[{topic_of(1), {}}] = {Offset{41}, Offset{50}};
  EXPECT_THAT(refusal(), HasSubstr("catalog older than journal: it names no segment objects with "
                                   "offsets 40 to 40 of partition 0 of topic orders"));
  EXPECT_THAT(refusal(), HasSubstr("millrace rebuild --replace"));
}

TEST_F(SegmentTrustTest, AMalformedStartOfRecordsIsRefused) {
  journal_.starts = {to_frame({{topic_of(1), {}}, Offset{7}})};
  EXPECT_EQ(refusal(), "");
  journal_.starts.front().value.pop_back();
  EXPECT_THAT(refusal(), HasSubstr("malformed start frame"));
}

TEST_F(SegmentTrustTest, AnOlderJournalIsRefused) {
  journal_.ranges[{topic_of(1), {}}] = {Offset{35}, Offset{39}};
  EXPECT_THAT(refusal(), HasSubstr("journal older than catalog: segment objects hold partition 0 "
                                   "of topic orders up to offset 40, and the journal ends at 39"));
}

TEST_F(SegmentTrustTest, ADeletedTopicsObjectsAreNotAskedFor) {
  journal_.topics.front().is_deleted = true;
  journal_.ranges.clear();
  EXPECT_THAT(refusal(), IsEmpty());
  journal_.topics.erase(journal_.topics.begin());
  EXPECT_THAT(refusal(), IsEmpty());
}

TEST_F(SegmentTrustTest, AMissingCatalogMattersWhereThereAreObjects) {
  catalog_ = {};
  catalog_.is_new = true;
  EXPECT_THAT(refusal(), HasSubstr("catalog.db is missing"));
  has_objects_ = false;
  EXPECT_THAT(refusal(), IsEmpty());
  has_objects_ = make_error(Code::kOverloaded, "the store is away");
  EXPECT_THAT(refusal(), HasSubstr("the store is away"));
  asked_ = false;
  journal_.ranges = {{{topic_of(1), {}}, {Offset{0}, Offset{50}}}};
  EXPECT_THAT(refusal(), IsEmpty());
  EXPECT_FALSE(asked_) << "the journal has everything";
}

}  // namespace
}  // namespace millrace::broker
