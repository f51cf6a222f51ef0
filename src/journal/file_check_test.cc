#include "journal/file_check.h"

#include "journal/test_log.h"
#include "record/record_batch_builder.h"

#include <gtest/gtest.h>

#include <gmock/gmock.h>

namespace millrace::journal {
namespace {

using testing::HasSubstr;

const TopicPartition kPartition = partition_of(1, 3);

class FileCheckTest : public testing::Test {
 protected:
  /// Some runs in a file, which is sealed by the next.
  void SetUp() override {
    ASSERT_TRUE(log_.start().ok());
    while (log_.index->sealed().empty()) {
      ASSERT_TRUE(log_.append(kPartition, std::string(9'000, 'x'), 2).ok());
    }
    file_ = log_.index->sealed().front();
  }

  std::vector<FileDamage> check() {
    std::vector<FileDamage> damages;
    auto check = FileCheck::open(log_.disk, path_, file_.number, file_.end_position).value();
    bytes_ = 0;
    while (!check.is_done()) {
      bytes_ += check.step(damages);
    }
    return damages;
  }

  /// The `index`th run of the file.
  RunHead run(size_t index) {
    const JournalFile file{file_.number, file_.end_position,
                           log_.disk.open(path_, io::OpenMode::kRead).value()};
    uint64_t position = 0;
    for (size_t i = 0; i < index; ++i) {
      position = read_header(file, position).value()->end();
    }
    return read_run_head(file, position).value().value();
  }

  /// There is this damage and no other.
  FileDamage expect_one(const std::string& problem, uint64_t position) {
    const auto damages = check();
    EXPECT_EQ(damages.size(), 1U);
    EXPECT_EQ(bytes_, file_.end_position) << "it goes on behind the damage";
    if (damages.size() != 1) {
      return {};
    }
    EXPECT_EQ(damages[0].problem, problem);
    EXPECT_EQ(damages[0].position, position);
    return damages[0];
  }

  TestLog log_;
  Index::Sealed file_;
  const std::string path_ = log_.path(1);
  uint64_t bytes_ = 0;
};

TEST_F(FileCheckTest, AWholeFileHasNoDamage) {
  EXPECT_TRUE(check().empty());
  EXPECT_EQ(bytes_, file_.end_position);
}

TEST_F(FileCheckTest, ABitOfAPayloadIsNamedWithItsOffsets) {
  const RunHead damaged = run(3);
  log_.flip(path_, damaged.payload_position(0) + 5'000);
  const auto found = expect_one("payload", damaged.payload_position(0));
  ASSERT_TRUE(found.frame);
  EXPECT_EQ(found.frame->partition, kPartition);
  EXPECT_EQ(found.frame->base_offset, damaged.frames[0].base_offset);
  EXPECT_THAT(found.what, HasSubstr("its frame header says"));
}

/// What the journal keeps is what was sent, and clients will not take it.
TEST_F(FileCheckTest, ABatchWhoseOwnCrcIsWrongIsNamed) {
  record::RecordBatchBuilder builder;
  builder.add(TimestampMs(std::chrono::milliseconds(1)), std::nullopt, bytes::as_bytes("value"));
  const bytes::Buffer good = std::move(builder).build().value();
  std::string bad(bytes::as_text(good));
  bad[18] = static_cast<char>(bad[18] ^ 1);
  const FileNumber number = log_.index->summaries().back().number;
  ASSERT_TRUE(log_.append(kPartition, bytes::as_text(good)).ok());
  ASSERT_TRUE(log_.append(kPartition, bad).ok());
  while (log_.index->sealed().back().number != number) {
    ASSERT_TRUE(log_.append(kPartition, std::string(9'000, 'x')).ok());
  }
  std::vector<FileDamage> damages;
  const auto file = log_.index->sealed().back();
  auto check =
      FileCheck::open(log_.disk, log_.path(number.value), number, file.end_position).value();
  while (!check.is_done()) {
    check.step(damages);
  }
  ASSERT_EQ(damages.size(), 1U);
  EXPECT_THAT(damages[0].what, HasSubstr("its own header says"));
  EXPECT_TRUE(damages[0].frame);
}

TEST_F(FileCheckTest, ABitOfARunHeaderIsNamed) {
  for (const uint64_t at : {uint64_t{1}, uint64_t{8}, uint64_t{50}, uint64_t{86}}) {
    const uint64_t position = run(3).header.position;
    log_.flip(path_, position + at);
    EXPECT_THAT(expect_one("run-header", position).what, HasSubstr("the next is that of run"));
    log_.flip(path_, position + at);
  }
}

TEST_F(FileCheckTest, ABitOfTheFrameHeadersIsNamed) {
  const uint64_t position = run(3).header.position;
  log_.flip(path_, position + kRunHeaderBytes + 30);
  expect_one("frame-header", position + kRunHeaderBytes);
}

TEST_F(FileCheckTest, ABitOfTheCheckpointAndOfTheLastRunAreNamed) {
  log_.flip(path_, 20);
  expect_one("checkpoint", 0);
  log_.flip(path_, 20);
  uint64_t last = 0;
  for (size_t i = 0; run(i).header.end() < file_.end_position; ++i) {
    last = run(i).header.end();
  }
  log_.flip(path_, last + 20);
  EXPECT_THAT(expect_one("run-header", last).what, HasSubstr("nor behind it"));
}

TEST_F(FileCheckTest, AFileThatWasCutIsNamed) {
  const uint64_t position = run(3).header.position;
  ASSERT_TRUE(log_.disk.open(path_, io::OpenMode::kReadWrite).value()->resize(position).ok());
  expect_one("run-header", position);
}

TEST_F(FileCheckTest, AFileOfAnotherNumberIsDamage) {
  const auto damages = [&] {
    std::vector<FileDamage> found;
    auto check = FileCheck::open(log_.disk, log_.path(2), file_.number, kBlock).value();
    check.step(found);
    return found;
  }();
  EXPECT_EQ(damages.size(), 1U);
}

}  // namespace
}  // namespace millrace::journal
