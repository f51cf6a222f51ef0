#include "journal/scan.h"

#include "io/forwarding_disk.h"
#include "io/simulated_disk.h"

#include <gtest/gtest.h>

#include <gmock/gmock.h>

namespace millrace::journal {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(JournalFile, WhatComesNextIsAskedForOnceHoweverManyRead) {
  class Recording final : public io::ForwardingFile {
   public:
    using ForwardingFile::ForwardingFile;

    void begin_read(uint64_t position, uint64_t bytes) const override {
      asked.emplace_back(position, position + bytes);
    }

    mutable std::vector<std::pair<uint64_t, uint64_t>> asked;
  };

  constexpr uint64_t kMiB = 1 << 20;
  io::SimulatedDisk disk(1);
  ASSERT_TRUE(disk.make_directories("/d").ok());
  auto recording = std::make_unique<Recording>(disk.open("/d/a", io::OpenMode::kCreate).value());
  const Recording& file = *recording;
  const JournalFile journal(FileNumber{1}, 40 * kMiB, std::move(recording));
  const auto asked_at = [&](uint64_t position) {
    const size_t before = file.asked.size();
    journal.read_ahead(position, 39 * kMiB);
    return std::vector(file.asked.begin() + static_cast<std::ptrdiff_t>(before), file.asked.end());
  };
  using Range = std::pair<uint64_t, uint64_t>;
  EXPECT_THAT(asked_at(1 * kMiB), ElementsAre(Range(1 * kMiB, 16 * kMiB)));
  EXPECT_THAT(asked_at(7 * kMiB), IsEmpty());
  EXPECT_THAT(asked_at(0 * kMiB), IsEmpty());  // of another partition
  EXPECT_THAT(asked_at(8 * kMiB), ElementsAre(Range(16 * kMiB, 24 * kMiB)));
  // Readers far apart do not make each other ask again.
  EXPECT_THAT(asked_at(25 * kMiB), ElementsAre(Range(25 * kMiB, 32 * kMiB)));
  EXPECT_THAT(asked_at(9 * kMiB), IsEmpty());
  EXPECT_THAT(asked_at(26 * kMiB), IsEmpty());
  // The last one is not whole: what is behind its end is yet to be written.
  EXPECT_THAT(asked_at(34 * kMiB), IsEmpty());
  // One who comes later asks again: it may be long after.
  EXPECT_THAT(asked_at(2 * kMiB), ElementsAre(Range(2 * kMiB, 8 * kMiB)));
}

}  // namespace
}  // namespace millrace::journal
