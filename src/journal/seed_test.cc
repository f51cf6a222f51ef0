#include "journal/seed.h"

#include "journal/test_log.h"

#include <gtest/gtest.h>

namespace millrace::journal {
namespace {

const DirectoryId kDirectory(Uuid::parse("00112233-4455-6677-8899-aabbccddeeff").value());
const TopicPartition kPartition = partition_of(1, 3);
const TopicPartition kOther = partition_of(1, 4);

record::SystemFrame topic_frame(std::string value) {
  return {record::SystemKind::kTopic, false,
          std::string(reinterpret_cast<const char*>(kPartition.topic.bytes.data()), 16),
          std::move(value)};
}

Status make(TestLog& log, const Seed& seed) {
  MILLRACE_TRY(
      [[maybe_unused]] const JournalPlace place,
      make_journal(log.disk, TestLog::kDirectory, kDirectory, seed, log.options.writer, log.clock));
  return {};
}

TEST(JournalSeed, KnowsTopicsAndGoesOnWithTheOffsetsThatItIsTold) {
  TestLog log;
  ASSERT_TRUE(make(log, {{topic_frame("t")}, {{kPartition, Offset{41}}, {kOther, {}}}}).ok());
  ASSERT_TRUE(log.start().ok());
  EXPECT_FALSE(log.report.is_new);
  EXPECT_EQ(log.report.directory, kDirectory);
  EXPECT_EQ(log.writer->state().facts(record::SystemKind::kTopic), std::vector{topic_frame("t")});
  EXPECT_EQ(log.index->range(kPartition).start, Offset{41});
  EXPECT_EQ(log.index->range(kPartition).end, Offset{41});
  EXPECT_EQ(log.append(kPartition, "next")->base_offsets.front(), Offset{41});
  EXPECT_EQ(log.append(kOther, "first")->base_offsets.front(), Offset{0});
  ASSERT_TRUE(log.start().ok());
  EXPECT_EQ(log.index->range(kPartition).start, Offset{41});
  EXPECT_EQ(log.texts(kPartition), std::vector<std::string>{"next"});
}

TEST(JournalSeed, IsDurableWhenItIsMade) {
  TestLog log;
  ASSERT_TRUE(make(log, {{topic_frame("t")}, {{kPartition, Offset{41}}}}).ok());
  log.disk.power_cut();
  ASSERT_TRUE(log.start().ok());
  EXPECT_FALSE(log.report.is_new);
  EXPECT_EQ(log.index->range(kPartition).end, Offset{41});
}

TEST(JournalSeed, NamesARunThatAStartFinds) {
  TestLog log;
  const auto place = make_journal(log.disk, TestLog::kDirectory, kDirectory,
                                  {{topic_frame("t")}, {}}, log.options.writer, log.clock);
  ASSERT_TRUE(place.ok());
  log.options.approve = [&](const Findings& found) -> Status {
    EXPECT_EQ(found.look_for(*place).value(), Findings::Presence::kHere);
    return {};
  };
  ASSERT_TRUE(log.start().ok());
}

TEST(JournalSeed, TheFirstFileIsAsLargeAsItsCheckpoint) {
  TestLog log;
  Seed seed;
  seed.facts.push_back(topic_frame(std::string(300 << 10, 'v')));  // more than a file's size
  for (int32_t i = 0; i < 10'000; ++i) {
    seed.partitions.push_back({partition_of(1, i), Offset{i}});
  }
  ASSERT_TRUE(make(log, seed).ok());
  ASSERT_TRUE(log.start().ok());
  for (int32_t i = 0; i < 10'000; ++i) {
    ASSERT_EQ(log.index->range(partition_of(1, i)).end, Offset{i});
  }
}

}  // namespace
}  // namespace millrace::journal
