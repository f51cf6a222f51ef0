#include "tables/gather.h"

#include "tables/test_rows.h"

#include <gtest/gtest.h>

#include <gmock/gmock.h>

namespace millrace::tables {
namespace {

using columnar::ColumnBatch;
using columnar::ColumnType;
using testing::ElementsAre;

class GatherTest : public testing::Test {
 protected:
  /// A chunk of its own with this batch; the unit's schema grows with it.
  void add(const ColumnBatch& batch) {
    unit_.schema = admitted(unit_.schema, batch);
    const auto formed = columnar::convert(batch, unit_.schema->schema).value();
    auto chunk = std::make_shared<HotChunk>(unit_.schema, batch.rows, formed, unit_.next);
    ASSERT_TRUE(chunk->append(formed, unit_.next));
    unit_.chunks.push_back(chunk);
    unit_.rows += batch.rows;
    unit_.next = unit_.next + 1;
  }

  ColumnBatch sorted() const {
    const SortedRows rows = sort_by_time(unit_);
    EXPECT_EQ(rows.rows, unit_.rows);
    return gather(unit_, rows.runs);
  }

  FlushUnit unit_;
};

std::vector<int64_t> integers_in(const columnar::Column& column) {
  const auto values = column.values_as<int64_t>();
  return {values.begin(), values.end()};
}

TEST_F(GatherTest, SortedRowsAreTakenAsTheyAre) {
  add(batch_of({times({1, 2}), integers("n", {10, 20})}, 2));
  add(batch_of({times({2, 5}), integers("n", {30, 40})}, 2));
  EXPECT_EQ(sort_by_time(unit_).runs.size(), 2U);
  EXPECT_THAT(integers_in(sorted().columns[1]), ElementsAre(10, 20, 30, 40));
}

TEST_F(GatherTest, EqualTimesStayInTheOrderOfTheLog) {
  add(batch_of({times({5, 1, 5}), integers("n", {1, 2, 3})}, 3));
  add(batch_of({times({5, 1}), integers("n", {4, 5})}, 2));
  const ColumnBatch batch = sorted();
  EXPECT_THAT(integers_in(batch.columns[0]), ElementsAre(1, 1, 5, 5, 5));
  EXPECT_THAT(integers_in(batch.columns[1]), ElementsAre(2, 5, 1, 3, 4));
}

TEST_F(GatherTest, OlderChunksAreWidenedAndFilledWithNulls) {
  add(batch_of({times({30}), integers("n", {7})}, 1));
  add(batch_of({times({10'001, 2}, ColumnType::kTimeNs), doubles("n", {0.5, 1.5}),
                texts("s", {"long enough to be no inline string", ""})},
               2));
  const ColumnBatch batch = sorted();
  EXPECT_EQ(batch.columns[0].type, ColumnType::kTimeNs);
  EXPECT_THAT(integers_in(batch.columns[0]), ElementsAre(2, 10'001, 30'000));
  const auto n = batch.columns[1].values_as<double>();
  EXPECT_THAT(std::vector<double>(n.begin(), n.end()), ElementsAre(1.5, 0.5, 7.0));
  const columnar::Column& s = batch.columns[2];
  EXPECT_TRUE(s.is_null(0));
  EXPECT_EQ(s.text(1), "long enough to be no inline string");
  EXPECT_TRUE(s.is_null(2));
  EXPECT_EQ(s.null_count, 2U);
}

TEST_F(GatherTest, AColumnThatIsAllNullStaysOne) {
  add(batch_of({times({2, 1}), texts("s", {"", ""})}, 2));
  const ColumnBatch batch = sorted();
  EXPECT_EQ(batch.columns[1].type, ColumnType::kNull);
  EXPECT_EQ(batch.columns[1].null_count, 2U);
}

TEST_F(GatherTest, UnsignedTakesOverFromSigned) {
  add(batch_of({times({1}), integers("n", {7})}, 1));
  columnar::ColumnBuilder big;
  big.append(columnar::Value::of_u64(UINT64_MAX));
  add(batch_of({times({0}), std::move(big).finish("n", false)}, 1));
  const ColumnBatch batch = sorted();
  const auto n = batch.columns[1].values_as<uint64_t>();
  EXPECT_THAT(std::vector<uint64_t>(n.begin(), n.end()), ElementsAre(UINT64_MAX, 7U));
}

TEST_F(GatherTest, MicrosecondsOfNanosecondsAreRoundedBothWays) {
  add(batch_of({times({-1, 0, 999, 1000}, ColumnType::kTimeNs)}, 4));
  EXPECT_EQ(time_us_of(unit_, 0, 0), -1);
  EXPECT_EQ(time_us_of(unit_, 0, 0, Rounding::kUp), 0);
  EXPECT_EQ(time_us_of(unit_, 0, 2), 0);
  EXPECT_EQ(time_us_of(unit_, 0, 2, Rounding::kUp), 1);
  EXPECT_EQ(time_us_of(unit_, 0, 3, Rounding::kUp), 1);
}

}  // namespace
}  // namespace millrace::tables
