#include "tables/hot_chunk.h"

#include "columnar/column_builder.h"

#include <gtest/gtest.h>

#include <thread>

namespace millrace::tables {
namespace {

using columnar::ColumnBatch;
using columnar::ColumnBuilder;
using columnar::ColumnType;
using columnar::Value;

/// Rows of (time, name, value); a name or value of row i is missing where i % 5 or i % 7 is 4.
ColumnBatch batch_of(size_t rows, int64_t first) {
  ColumnBuilder time;
  ColumnBuilder name;
  ColumnBuilder value;
  for (size_t i = 0; i < rows; ++i) {
    const int64_t n = first + static_cast<int64_t>(i);
    time.append(Value::of_i64(n));
    if (n % 5 == 4) {
      name.append_nulls(1);
    } else {
      name.append(Value::of_string("name-" + std::to_string(n)));
    }
    if (n % 7 == 4) {
      value.append_nulls(1);
    } else {
      value.append(Value::of_f64(static_cast<double>(n) / 2));
    }
  }
  ColumnBatch batch{.rows = rows, .time_column = 0};
  batch.columns.push_back(std::move(time).finish("time", false));
  batch.columns.back().type = ColumnType::kTimeUs;
  batch.columns.push_back(std::move(name).finish("name", true));
  batch.columns.push_back(std::move(value).finish("value", false));
  if (rows < 8) {  // a column may be all null: bring it into the schema's form
    return *columnar::convert(batch, *columnar::admit({}, batch_of(8, 0))->schema);
  }
  return batch;
}

SchemaPtr schema_of(const ColumnBatch& batch) {
  auto change = columnar::admit({}, batch);
  return std::make_shared<SchemaVersion>(SchemaVersion{1, *change->schema});
}

/// Row `row` of the chunk is row `n` of the endless batch.
void expect_row(const HotChunk& chunk, size_t row, int64_t n) {
  const auto time = chunk.column(0);
  const auto name = chunk.column(1);
  const auto value = chunk.column(2);
  ASSERT_EQ(reinterpret_cast<const int64_t*>(time.values)[row], n);
  ASSERT_EQ(name.is_null(row), n % 5 == 4);
  ASSERT_EQ(name.text_of(row), n % 5 == 4 ? "" : "name-" + std::to_string(n));
  ASSERT_EQ(value.is_null(row), n % 7 == 4);
  if (n % 7 != 4) {
    ASSERT_EQ(reinterpret_cast<const double*>(value.values)[row], static_cast<double>(n) / 2);
  }
}

TEST(HotChunk, KeepsWhatWasAppended) {
  const ColumnBatch first = batch_of(4, 0);  // no null in it
  HotChunk chunk(schema_of(batch_of(8, 0)), 100, first, Offset{7});
  ASSERT_TRUE(chunk.append(first, Offset{7}));
  ASSERT_TRUE(chunk.append(batch_of(50, 4), Offset{8}));
  ASSERT_EQ(chunk.rows(), 54U);
  for (size_t row = 0; row < 54; ++row) {
    expect_row(chunk, row, static_cast<int64_t>(row));
  }
  EXPECT_EQ(chunk.first(), Offset{7});
  EXPECT_EQ(chunk.next(), Offset{9});
  EXPECT_EQ(chunk.min_time(), 0);
  EXPECT_EQ(chunk.max_time(), 53);
}

TEST(HotChunk, RefusesWhatDoesNotFitAndChangesNothing) {
  const ColumnBatch batch = batch_of(10, 0);
  HotChunk chunk(schema_of(batch), 10, batch, Offset{0});
  ASSERT_TRUE(chunk.append(batch_of(9, 0), Offset{0}));
  EXPECT_FALSE(chunk.append(batch_of(2, 9), Offset{1}));
  EXPECT_EQ(chunk.rows(), 9U);
  EXPECT_EQ(chunk.next(), Offset{1});
  EXPECT_TRUE(chunk.append(batch_of(1, 9), Offset{1}));
  EXPECT_FALSE(chunk.append(batch_of(1, 10), Offset{2}));
}

TEST(HotChunk, RefusesStringsThatDoNotFit) {
  const ColumnBatch small = batch_of(2, 0);
  HotChunk chunk(schema_of(small), 20, small, Offset{0});
  ASSERT_TRUE(chunk.append(small, Offset{0}));
  EXPECT_FALSE(chunk.append(batch_of(18, 1'000'000'000'000'000'000), Offset{1}));
  EXPECT_EQ(chunk.rows(), 2U);
}

TEST(HotChunk, TakesABatchLargerThanAskedFor) {
  const ColumnBatch batch = batch_of(300, 0);
  HotChunk chunk(schema_of(batch), 10, batch, Offset{0});
  EXPECT_TRUE(chunk.append(batch, Offset{0}));
}

TEST(HotChunk, AnEmptyRecordMovesTheOffsetAlone) {
  const ColumnBatch batch = batch_of(10, 0);
  HotChunk chunk(schema_of(batch), 10, batch, Offset{0});
  ASSERT_TRUE(chunk.append(batch_of(0, 0), Offset{0}));
  EXPECT_EQ(chunk.rows(), 0U);
  EXPECT_EQ(chunk.next(), Offset{1});
  EXPECT_TRUE(chunk.is_sorted());
}

TEST(HotChunk, KnowsWhetherItIsSorted) {
  const ColumnBatch batch = batch_of(10, 0);
  HotChunk chunk(schema_of(batch), 100, batch, Offset{0});
  chunk.append(batch_of(5, 10), Offset{0});
  chunk.append(batch_of(5, 14), Offset{1});  // equal times are in order
  EXPECT_TRUE(chunk.is_sorted());
  chunk.append(batch_of(5, 17), Offset{2});
  EXPECT_FALSE(chunk.is_sorted());
  EXPECT_EQ(chunk.max_time(), 21);
}

TEST(HotChunk, ReadersSeeWholeRowsWhileOneThreadAppends) {
  constexpr size_t kRows = 20'000;
  const ColumnBatch probe = batch_of(50, 0);
  HotChunk chunk(schema_of(probe), kRows, batch_of(10, 100'000), Offset{0});
  std::thread writer([&] {
    for (size_t at = 0; at < kRows; at += 50) {
      ASSERT_TRUE(chunk.append(batch_of(50, static_cast<int64_t>(at)),
                               Offset{static_cast<int64_t>(at / 50)}));
    }
  });
  size_t rows = 0;
  while (rows < kRows) {
    rows = chunk.rows();
    if (rows > 0) {
      for (size_t row = rows > 100 ? rows - 100 : 0; row < rows; ++row) {
        expect_row(chunk, row, static_cast<int64_t>(row));
      }
      EXPECT_GE(chunk.max_time(), static_cast<int64_t>(rows) - 1);
      EXPECT_EQ(chunk.min_time(), 0);
    }
  }
  writer.join();
}

}  // namespace
}  // namespace millrace::tables
