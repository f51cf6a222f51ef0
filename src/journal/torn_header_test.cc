#include "journal/format.h"
#include "journal/test_log.h"

#include <gtest/gtest.h>

#include <gmock/gmock.h>

namespace millrace::journal {
namespace {

using testing::ElementsAre;

const TopicPartition kA = partition_of(1, 0);

/// The newest run, which nothing proves: no other place of the journal says what stood there.
TEST(TornHeader, IsCutReportedAndQuarantinedWhateverByteIsDamaged) {
  for (uint64_t at = 0; at < kRunHeaderBytes; ++at) {
    TestLog log;
    ASSERT_TRUE(log.start().ok());
    ASSERT_TRUE(log.append(kA, "kept").ok());
    const uint64_t torn_at = end_of_log(log);
    ASSERT_TRUE(log.append(kA, "torn").ok());
    log.kill();
    log.flip(log.path(1), torn_at + at);
    ASSERT_TRUE(log.start().ok()) << at;
    ASSERT_TRUE(log.report.torn.has_value()) << at;
    EXPECT_EQ(log.report.torn->position, torn_at) << at;
    EXPECT_GE(log.disk.read_file(log.report.torn->quarantined_as)->size(), kRunHeaderBytes) << at;
    EXPECT_THAT(log.texts(kA), ElementsAre("kept"));
    ASSERT_EQ(log.append(kA, "next")->base_offsets[0], Offset{1});
    log.kill();
    ASSERT_TRUE(log.start().ok());
    EXPECT_FALSE(log.report.torn.has_value()) << at;
    EXPECT_THAT(log.texts(kA), ElementsAre("kept", "next"));
  }
}

TEST(TornHeader, IsNotSeenInZerosOtherRunsOrAnotherLife) {
  RunHeader expected;
  expected.directory = DirectoryId(Uuid::random());
  expected.file = FileNumber{3};
  expected.position = 8 * kBlock;
  expected.run = RunNumber{70};
  expected.previous_crc = 7;
  const auto found = [&](RunHeader header, int damaged_byte) {
    header.length = kRunHeaderBytes;
    auto block = header.encode();
    if (damaged_byte >= 0) {
      block[static_cast<size_t>(damaged_byte)] ^= std::byte{1};
    }
    return damaged_header_in(block, expected).has_value();
  };
  EXPECT_FALSE(damaged_header_in(std::array<std::byte, kRunHeaderBytes>{}, expected));
  EXPECT_FALSE(found(expected, -1)) << "it is whole";
  EXPECT_TRUE(found(expected, kRunHeaderBytes - 1));
  RunHeader older = expected;
  older.file = FileNumber{1};
  EXPECT_FALSE(found(older, -1));
  older.run = RunNumber{20};
  EXPECT_FALSE(found(older, kRunHeaderBytes - 1)) << "damaged too, but not ours";
}

}  // namespace
}  // namespace millrace::journal
