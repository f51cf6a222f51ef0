#include "columnar/schema.h"

#include "columnar/column_builder.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

namespace millrace::columnar {
namespace {

constexpr int64_t kExact = int64_t{1} << 53;

Column column_of(std::string name, const std::vector<Value>& values) {
  ColumnBuilder builder;
  for (const Value& value : values) {
    EXPECT_TRUE(builder.append(value));
  }
  return std::move(builder).finish(std::move(name), false);
}

Column time_of(const std::vector<int64_t>& times, ColumnType type = ColumnType::kTimeUs) {
  std::vector<Value> values;
  values.reserve(times.size());
  for (const int64_t time : times) {
    values.push_back(Value::of_i64(time));
  }
  Column column = column_of("time", values);
  column.type = type;
  return column;
}

/// One column beside the time, as many rows as it has values.
ColumnBatch batch_of(const std::vector<Value>& values) {
  return {.columns = {time_of(std::vector<int64_t>(values.size(), 5)), column_of("v", values)},
          .rows = values.size()};
}

SchemaColumn named(std::string name, ColumnType type = ColumnType::kNull) {
  return {.name = std::move(name), .type = type};
}

Schema admitted(const Schema& schema, const ColumnBatch& batch) {
  auto change = admit(schema, batch);
  EXPECT_TRUE(change.ok()) << change.error().message;
  return change->schema.value_or(schema);
}

std::string refusal(const Schema& schema, const ColumnBatch& batch) {
  const auto change = admit(schema, batch);
  EXPECT_FALSE(change.ok());
  if (change.ok()) {
    return "admitted";
  }
  EXPECT_EQ(change.error().code, Code::kInvalid);
  return change.error().message;
}

TEST(Schema, FirstBatchMakesTheColumns) {
  const auto change = admit(Schema(), batch_of({Value::of_f64(1)}));
  ASSERT_TRUE(change.ok());
  EXPECT_EQ(change->added, 2U);
  EXPECT_TRUE(change->widened.empty());
  ASSERT_TRUE(change->schema.has_value());
  EXPECT_EQ(change->schema->columns()[0].type, ColumnType::kTimeUs);
  EXPECT_EQ(change->schema->columns()[1].name, "v");
  EXPECT_EQ(change->schema->find("v"), 1U);
  EXPECT_EQ(change->schema->find("w"), std::nullopt);
}

TEST(Schema, SameBatchAgainChangesNothing) {
  for (const Value& value : {Value(), Value::of_bool(true), Value::of_i64(-kExact - 1),
                             Value::of_f64(1), Value::of_string("x")}) {
    const Schema schema = admitted(Schema(), batch_of({value}));
    const auto change = admit(schema, batch_of({value}));
    ASSERT_TRUE(change.ok());
    EXPECT_FALSE(change->schema.has_value());
  }
}

TEST(Schema, AllNullColumnWidensToWhatComes) {
  const Schema schema = admitted(Schema(), batch_of({Value(), Value()}));
  EXPECT_EQ(schema.columns()[1].type, ColumnType::kNull);
  const auto change = admit(schema, batch_of({Value::of_string("x")}));
  ASSERT_TRUE(change.ok());
  ASSERT_EQ(change->widened.size(), 1U);
  EXPECT_EQ(change->widened[0].column, 1U);
  EXPECT_EQ(change->widened[0].from, ColumnType::kNull);
  EXPECT_EQ(change->widened[0].to, ColumnType::kString);
}

TEST(Schema, IntegersBecomeFloatsWhileAllSoFarAreExact) {
  const Schema schema = admitted(Schema(), batch_of({Value::of_i64(kExact)}));
  EXPECT_EQ(admitted(schema, batch_of({Value::of_f64(0.5)})).columns()[1].type, ColumnType::kF64);
  // A value beyond 2^53 changes no type, but closes that way for good.
  const Schema large = admitted(schema, batch_of({Value::of_i64(kExact + 1)}));
  EXPECT_EQ(large.columns()[1].type, ColumnType::kI64);
  EXPECT_EQ(refusal(large, batch_of({Value(), Value::of_f64(0.5)})),
            "column \"v\", row 1: f64 does not fit a column of i64: an integer is beyond 2^53, "
            "which a double cannot hold exactly");
}

TEST(Schema, FloatsTakeExactIntegersAndNameTheRowOfOthers) {
  const Schema schema = admitted(Schema(), batch_of({Value::of_f64(0.5)}));
  EXPECT_FALSE(admit(schema, batch_of({Value::of_i64(-kExact)}))->schema.has_value());
  EXPECT_EQ(
      refusal(schema, batch_of({Value::of_i64(1), Value::of_i64(kExact + 1), Value::of_i64(2)})),
      "column \"v\", row 1: i64 does not fit a column of f64: an integer is beyond 2^53, which a "
      "double cannot hold exactly");
}

TEST(Schema, UnsignedBeyondSignedNeedsAColumnWithoutNegatives) {
  const Value huge = Value::of_u64(std::numeric_limits<uint64_t>::max());
  const Schema positive = admitted(Schema(), batch_of({Value::of_i64(1)}));
  const Schema widened = admitted(positive, batch_of({huge}));
  EXPECT_EQ(widened.columns()[1].type, ColumnType::kU64);
  EXPECT_EQ(admitted(widened, batch_of({Value::of_i64(3)})).columns()[1].type, ColumnType::kU64);
  EXPECT_NE(refusal(widened, batch_of({Value::of_i64(3), Value::of_i64(-3)})).find("row 1"),
            std::string::npos);
  const Schema negative = admitted(positive, batch_of({Value::of_i64(-1)}));
  EXPECT_NE(refusal(negative, batch_of({huge})).find("below 0"), std::string::npos);
  EXPECT_EQ(admitted(negative, batch_of({Value::of_u64(7)})).columns()[1].type, ColumnType::kI64);
}

TEST(Schema, TimeWidensToNanosecondsUnlessARowIsOutside) {
  const ColumnBatch ns{.columns = {time_of({1}, ColumnType::kTimeNs)}, .rows = 1};
  const ColumnBatch late{.columns = {time_of({5, 9'300'000'000'000'000})}, .rows = 2};
  const Schema us = admitted(Schema(), {.columns = {time_of({5})}, .rows = 1});
  const Schema both = admitted(us, ns);
  EXPECT_EQ(both.columns()[0].type, ColumnType::kTimeNs);
  EXPECT_NE(refusal(both, late).find("row 1: time_us does not fit a column of time_ns"),
            std::string::npos);
  EXPECT_NE(refusal(admitted(us, late), ns).find("1677"), std::string::npos);
}

TEST(Schema, OtherTypesClashBothWays) {
  const std::vector<Value> values = {Value::of_bool(true), Value::of_i64(1), Value::of_string("1")};
  for (const Value& first : values) {
    for (const Value& second : values) {
      if (first.type != second.type) {
        const Schema schema = admitted(Schema(), batch_of({first}));
        EXPECT_EQ(refusal(schema, batch_of({Value(), Value(), second})),
                  fmt::format("column \"v\", row 2: {} does not fit a column of {}",
                              name_of(second.type), name_of(first.type)));
      }
    }
  }
}

TEST(Schema, TagStaysATagAndIsAString) {
  ColumnBatch tagged = batch_of({Value::of_string("a")});
  const Schema plain = admitted(Schema(), tagged);
  tagged.columns[1].is_tag = true;
  const Schema schema = admitted(plain, tagged);
  EXPECT_TRUE(schema.columns()[1].is_tag);
  EXPECT_FALSE(admit(schema, batch_of({Value::of_string("b")}))->schema.has_value());
  EXPECT_FALSE(admit(schema, batch_of({Value::of_i64(1)})).ok());
  const auto converted = convert(batch_of({Value::of_string("b")}), schema);
  EXPECT_TRUE(converted->columns[1].is_tag);
}

TEST(Schema, RefusesNamesTwiceEmptyOrTooLongAndTooManyColumns) {
  EXPECT_FALSE(Schema::make({named("a"), named("b"), named("a")}).ok());
  EXPECT_FALSE(Schema::make({named("")}).ok());
  EXPECT_FALSE(Schema::make({named(std::string(kMostNameBytes + 1, 'x'))}).ok());
  EXPECT_FALSE(Schema::make({{.name = "a", .type = ColumnType::kI64, .is_tag = true}}).ok());
  std::vector<SchemaColumn> many;
  many.reserve(kMostColumns);
  for (size_t i = 0; i < kMostColumns; ++i) {
    many.push_back(named(fmt::format("c{}", i)));
  }
  const auto full = Schema::make(many);
  ASSERT_TRUE(full.ok());
  EXPECT_EQ(full->find("c4095"), 4095U);
  EXPECT_FALSE(admit(*full, batch_of({Value()})).ok());
}

TEST(Convert, GivesEveryColumnInTheSchemasOrder) {
  const auto schema =
      Schema::make({named("gone", ColumnType::kString), named("v", ColumnType::kF64),
                    named("time", ColumnType::kTimeNs), named("none", ColumnType::kNull)});
  const ColumnBatch batch = batch_of({Value::of_i64(2), Value()});
  const auto result = convert(batch, *schema);
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->rows, 2U);
  EXPECT_EQ(result->time_column, 2U);
  EXPECT_EQ(result->columns[0].type, ColumnType::kString);
  EXPECT_TRUE(result->columns[0].is_null(0) && result->columns[0].is_null(1));
  EXPECT_EQ(result->columns[0].text(1), "");
  EXPECT_EQ(result->columns[1].values_as<double>()[0], 2.0);
  EXPECT_TRUE(result->columns[1].is_null(1));
  EXPECT_EQ(result->time().values_as<int64_t>()[0], 5000);
  EXPECT_EQ(result->columns[3].null_count, 2U);
}

TEST(Convert, SharesWhatNeedsNoChangeAndRefusesWhatIsMissing) {
  const ColumnBatch batch = batch_of({Value::of_i64(2)});
  const Schema schema = admitted(Schema(), batch);
  const auto same = convert(batch, schema);
  ASSERT_TRUE(same.ok());
  EXPECT_EQ(same->columns[1].values.data(), batch.columns[1].values.data());
  EXPECT_FALSE(convert(batch, Schema()).ok());
  EXPECT_FALSE(convert(batch, *Schema::make({named("time", ColumnType::kTimeUs),
                                             named("v", ColumnType::kString)}))
                   .ok());
}

}  // namespace
}  // namespace millrace::columnar
