#include "tables/database_frame.h"

#include <gtest/gtest.h>

#include <gmock/gmock.h>

namespace millrace::tables {
namespace {

using testing::HasSubstr;

TEST(DatabaseFact, GoesThroughItsFrameAndBadOnesAreNamed) {
  const auto frame = to_frame({.name = "é", .created_ms = 17});
  const auto fact = database_fact_from(frame);
  ASSERT_TRUE(fact.ok());
  EXPECT_EQ(fact->name, "é");
  EXPECT_EQ(fact->created_ms, 17);
  for (size_t size = 0; size < frame.value.size(); ++size) {
    auto cut = frame;
    cut.value.resize(size);
    EXPECT_EQ(database_fact_from(cut).error().code, Code::kCorrupt) << size;
  }
  auto bad = frame;
  bad.value += 'x';
  EXPECT_EQ(database_fact_from(bad).error().code, Code::kCorrupt);
  bad = frame;
  bad.key = "";
  EXPECT_EQ(database_fact_from(bad).error().code, Code::kCorrupt);
  bad = frame;
  bad.value[0] = 2;
  EXPECT_EQ(database_fact_from(bad).error().code, Code::kUnsupported);
  EXPECT_THAT(database_fact_from(bad).error().message, HasSubstr("version 2"));
}

}  // namespace
}  // namespace millrace::tables
