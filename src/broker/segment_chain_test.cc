#include "broker/segment_chain.h"

#include <gtest/gtest.h>

#include <gmock/gmock.h>

namespace millrace::broker {
namespace {

using record::PartitionRange;
using testing::ElementsAre;
using testing::IsEmpty;

/// A batch and 100 bytes an offset.
ChainPart part(int64_t first, int64_t next) {
  const auto offsets = static_cast<uint64_t>(next - first);
  return {Offset{first}, Offset{next}, offsets, 100 * offsets};
}

ChainPart part(int64_t first, int64_t next, uint64_t batches) {
  return {Offset{first}, Offset{next}, batches, 100 * batches};
}

/// One batch without a record.
ChainPart filler(int64_t first, int64_t next) {
  return {Offset{first}, Offset{next}, 1, 61};
}

std::vector<size_t> chosen(const std::vector<ChainPart>& parts,
                           std::optional<std::pair<int64_t, int64_t>> kept = std::nullopt) {
  return choose_chain(
      parts, kept ? std::optional(PartitionRange{Offset{kept->first}, Offset{kept->second}})
                  : std::nullopt);
}

TEST(SegmentChain, TakesAllPartsThatGoOnInAnyOrder) {
  EXPECT_THAT(chosen({part(20, 30), part(0, 10), part(10, 20)}), ElementsAre(1, 2, 0));
  EXPECT_THAT(chosen({part(20, 30), part(0, 10), part(10, 20)}, {{25, 40}}), ElementsAre(1, 2, 0));
  EXPECT_THAT(chosen({}), IsEmpty());
}

TEST(SegmentChain, OfPartsThatOverlapTakesThoseThatReachFurthest) {
  // A crash left [10, 25), and [10, 20) was cut again.
  EXPECT_THAT(chosen({part(0, 10), part(10, 25), part(10, 20), part(20, 40)}, {{40, 50}}),
              ElementsAre(0, 2, 3));
  // It leads nowhere else: the journal has the rest.
  EXPECT_THAT(chosen({part(0, 10), part(10, 25), part(10, 20)}, {{15, 50}}), ElementsAre(0, 1));
}

TEST(SegmentChain, OfEqualChainsTakesThatOfFewerObjects) {
  EXPECT_THAT(chosen({part(0, 10), part(10, 20), part(0, 20), part(20, 30)}), ElementsAre(2, 3));
  EXPECT_THAT(chosen({part(0, 20), part(0, 10), part(10, 20)}), ElementsAre(0));
}

TEST(SegmentChain, WithoutAJournalTakesTheSideOfAGapThatHoldsMost) {
  EXPECT_THAT(chosen({part(0, 10), part(20, 25), part(25, 60)}), ElementsAre(1, 2));
  EXPECT_THAT(chosen({part(0, 30), part(40, 45)}), ElementsAre(0));
  // A million offsets of a filler are one batch of few bytes.
  EXPECT_THAT(chosen({part(0, 30), filler(40, 1'000'040)}), ElementsAre(0));
  EXPECT_THAT(chosen({filler(0, 1'000'000), part(1'000'002, 1'000'003)}), ElementsAre(1));
  EXPECT_THAT(chosen({part(0, 10), part(20, 30)}), ElementsAre(1)) << "the last of equal ones";
}

std::vector<size_t> all_of(const std::vector<ChainPart>& parts) {
  return choose_parts(parts);
}

TEST(SegmentParts, AreThoseOnBothSidesOfWhatIsMissing) {
  EXPECT_THAT(all_of({}), IsEmpty());
  EXPECT_THAT(all_of({part(40, 45), part(0, 30)}), ElementsAre(1, 0));
  EXPECT_THAT(all_of({part(20, 25), part(0, 10), part(25, 60), part(90, 91), part(10, 12)}),
              ElementsAre(1, 4, 0, 2, 3));
}

TEST(SegmentParts, EndAtOrBeforeALimit) {
  const std::vector<ChainPart> parts{part(0, 10), part(20, 30), part(25, 31)};
  EXPECT_THAT(choose_parts(parts, Offset{30}), ElementsAre(0, 1));
  EXPECT_THAT(choose_parts(parts, Offset{29}), ElementsAre(0));
  EXPECT_THAT(choose_parts(parts, Offset{0}), IsEmpty());
}

TEST(SegmentParts, OfThoseThatOverlapHoldTheMost) {
  // A crash left [10, 25) and [59, 81): they were cut again otherwise.
  EXPECT_THAT(all_of({part(0, 10), part(10, 25), part(10, 20), part(20, 60), part(60, 65),
                      part(59, 81), part(65, 80)}),
              ElementsAre(0, 2, 3, 4, 6));
  EXPECT_THAT(all_of({part(0, 10), part(5, 30)}), ElementsAre(1));
  EXPECT_THAT(all_of({part(0, 30), part(29, 58)}), ElementsAre(0));
  EXPECT_THAT(all_of({part(0, 10), part(10, 20), part(0, 20)}), ElementsAre(2)) << "fewest objects";
  // A filler of what is there after all.
  EXPECT_THAT(all_of({part(0, 10), filler(10, 20), part(10, 20, 1), part(20, 30)}),
              ElementsAre(0, 2, 3));
  // A merge put it beside others, and what is there after all is one large batch.
  EXPECT_THAT(all_of({ChainPart{Offset{0}, Offset{1'000'021}, 22, 2400},
                      ChainPart{Offset{5}, Offset{6}, 1, 60'000}}),
              ElementsAre(0));
  // One long one begins before many and ends before them.
  EXPECT_THAT(all_of({part(0, 100, 50), part(10, 20), part(30, 45), part(50, 90)}),
              ElementsAre(1, 2, 3));
  EXPECT_THAT(all_of({part(0, 100, 66), part(10, 20), part(30, 45), part(50, 90)}), ElementsAre(0));
}

TEST(SegmentChain, MeetsTheJournal) {
  EXPECT_THAT(chosen({part(0, 10), part(20, 30)}, {{30, 50}}), ElementsAre(1));
  EXPECT_THAT(chosen({part(0, 10), part(20, 30)}, {{5, 50}}), ElementsAre(0));
  EXPECT_THAT(chosen({part(0, 10), part(10, 20)}, {{21, 50}}), IsEmpty()) << "20 is nowhere";
  EXPECT_THAT(chosen({part(0, 10), part(10, 20)}, {{20, 20}}), ElementsAre(0, 1));
}

TEST(SegmentChain, NeverBeginsBehindWhatTheJournalBeginsWith) {
  // The journal would be freed up to 20, and offsets 0 to 9 with it.
  EXPECT_THAT(chosen({part(10, 20)}, {{0, 50}}), IsEmpty());
  EXPECT_THAT(chosen({part(10, 20), part(0, 5), part(20, 90)}, {{0, 50}}), ElementsAre(1));
}

TEST(SegmentChain, EndsWithinTheJournal) {
  // The object is newer than the journal, which gives its offsets to other records.
  EXPECT_THAT(chosen({part(0, 10), part(10, 60)}, {{5, 50}}), ElementsAre(0));
  EXPECT_THAT(chosen({part(0, 60)}, {{5, 50}}), IsEmpty());
}

TEST(SegmentChain, WantsWhatTheJournalHasNotMoreThanAnythingElse) {
  EXPECT_THAT(chosen({part(0, 20), part(15, 60, 1000)}, {{15, 80}}), ElementsAre(0));
}

}  // namespace
}  // namespace millrace::broker
