#include "broker/still_readable.h"

#include <gtest/gtest.h>

#include <gmock/gmock.h>

namespace millrace::broker {
namespace {

using testing::HasSubstr;
using testing::Optional;
using Why = std::optional<std::string>;

const TopicPartition kPartition{TopicId{}, PartitionId{0}};

/// A source of batches of 10 offsets each, without their records.
struct Shelf {
  Offset start;
  Offset end;
  std::optional<Error> error;    // of every read
  std::function<void()> before;  // a read answers
  int reads = 0;

  RecordSource source() {
    return {[this](TopicPartition) -> std::optional<record::PartitionRange> {
              return start < end ? std::optional(record::PartitionRange{start, end}) : std::nullopt;
            },
            [this](TopicPartition, Offset from) -> Result<std::vector<record::StoredBatch>> {
              ++reads;
              if (before) {
                before();
              }
              if (error) {
                return *error;
              }
              if (from < start || from >= end) {
                return make_error(Code::kNotFound, "offset {} was freed meanwhile", from);
              }
              std::vector<record::StoredBatch> batches(1);
              batches[0].base_offset = from;
              batches[0].records = 10;
              return batches;
            }};
  }
};

class StillReadableTest : public testing::Test {
 protected:
  Why why(int64_t first, int64_t next) {
    const auto why = why_unreadable(objects_.source(), journal_.source(), kPartition, Offset{first},
                                    Offset{next});
    EXPECT_TRUE(why.ok()) << why.error().message;
    return why.ok() ? *why : Why("error");
  }

  Shelf objects_;
  Shelf journal_;
};

TEST_F(StillReadableTest, EitherWillDo) {
  objects_ = {.start = Offset{0}, .end = Offset{100}};
  journal_ = {.start = Offset{50}, .end = Offset{200}};
  EXPECT_EQ(why(0, 200), std::nullopt);
  objects_.error = make_error(Code::kCorrupt, "a flipped bit");
  EXPECT_EQ(why(50, 200), std::nullopt);
  EXPECT_THAT(why(49, 200), Optional(HasSubstr("a flipped bit")));
  journal_.error = make_error(Code::kCorrupt, "of the journal");
  EXPECT_THAT(why(50, 200), Optional(HasSubstr("of the journal")));
}

TEST_F(StillReadableTest, NobodyHasThem) {
  objects_ = {.start = Offset{0}, .end = Offset{50}};
  journal_ = {.start = Offset{60}, .end = Offset{200}};
  EXPECT_THAT(why(0, 200), Optional(HasSubstr("nothing at offset 50")));
  EXPECT_THAT(why(190, 201), Optional(HasSubstr("nothing at offset 200")));
  EXPECT_EQ(why(200, 200), std::nullopt);
}

TEST_F(StillReadableTest, TheJournalFreesWhatRetentionTook) {
  journal_ = {.start = Offset{0}, .end = Offset{200}};
  journal_.before = [&] { journal_.start = Offset{150}; };
  EXPECT_EQ(why(0, 100), std::nullopt);
  journal_.start = Offset{0};
  EXPECT_EQ(why(100, 200), std::nullopt);
}

TEST_F(StillReadableTest, TheJournalFreesWhatObjectsHaveByThen) {
  journal_ = {.start = Offset{0}, .end = Offset{200}};
  journal_.before = [&] {
    journal_.start = Offset{150};
    objects_.end = Offset{150};
  };
  EXPECT_EQ(why(0, 200), std::nullopt);
  EXPECT_EQ(objects_.reads, 15);
}

TEST_F(StillReadableTest, TheJournalFreesWhatObjectsHaveDamaged) {
  objects_ = {.start = Offset{0}, .end = Offset{100}};
  objects_.error = make_error(Code::kCorrupt, "a flipped bit");
  journal_ = {.start = Offset{0}, .end = Offset{200}};
  journal_.before = [&] { journal_.start = Offset{100}; };
  EXPECT_THAT(why(0, 200), Optional(HasSubstr("a flipped bit")));
}

TEST_F(StillReadableTest, AJournalThatSaysItHasThemAndHasNotIsBelievedOnce) {
  journal_ = {.start = Offset{0}, .end = Offset{200}};
  journal_.error = make_error(Code::kNotFound, "not where the index says");
  EXPECT_THAT(why(0, 200), Optional(HasSubstr("not where the index says")));
  EXPECT_EQ(journal_.reads, 1);
}

TEST_F(StillReadableTest, AnErrorOfTheStoreIsNoAnswer) {
  objects_ = {.start = Offset{0}, .end = Offset{100}};
  objects_.error = make_error(Code::kTimeout, "the bucket is away");
  const auto why =
      why_unreadable(objects_.source(), journal_.source(), kPartition, Offset{0}, Offset{100});
  ASSERT_FALSE(why.ok());
  EXPECT_EQ(why.error().code, Code::kTimeout);
}

}  // namespace
}  // namespace millrace::broker
