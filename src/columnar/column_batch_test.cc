#include "columnar/column_batch.h"

#include "columnar/column_builder.h"
#include "columnar/test_columns.h"
#include "columnar/utf8.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

namespace millrace::columnar {
namespace {

constexpr int64_t kExact = int64_t{1} << 53;
constexpr uint64_t kBeyondI64 = (uint64_t{1} << 63) + 1;

Column built(const std::vector<Value>& values) {
  ColumnBuilder builder;
  for (const Value& value : values) {
    EXPECT_TRUE(builder.append(value)) << builder.refusal_of(value);
  }
  return std::move(builder).finish("c", false);
}

std::string shown(const std::vector<Value>& values) {
  return shown(built(values), values.size());
}

std::string joined(std::string text, std::string_view second, std::string_view third) {
  text += second;
  text += third;
  return text;
}

TEST(ColumnBuilder, KeepsEachTypeAndItsNulls) {
  const Value null;
  EXPECT_EQ(shown({null, null}), "null null null");
  EXPECT_EQ(shown({Value::of_bool(true), null, Value::of_bool(false)}), "bool true null false");
  EXPECT_EQ(shown({null, Value::of_i64(-7)}), "i64 null -7");
  EXPECT_EQ(shown({null, Value::of_string("a"), null, Value::of_string("")}),
            "string null 'a' null ''");
  EXPECT_EQ(shown({Value::of_f64(0.5), null}), "f64 0.5 null");
}

TEST(ColumnBuilder, NullBitmapIsThereOnlyWithNulls) {
  EXPECT_TRUE(built({Value::of_i64(1), Value::of_i64(2)}).validity.empty());
  const Column column = built({Value(), Value::of_i64(2)});
  EXPECT_EQ(column.validity.size(), 1U);
  EXPECT_EQ(column.null_count, 1U);
  EXPECT_EQ(column.values_as<int64_t>()[0], 0);
}

TEST(ColumnBuilder, ValidityIsRightAtEveryByteEdge) {
  for (size_t rows = 1; rows <= 40; ++rows) {
    for (size_t hole = 0; hole < rows; ++hole) {
      ColumnBuilder builder;
      for (size_t row = 0; row < rows; ++row) {
        ASSERT_TRUE(builder.append(row == hole ? Value() : Value::of_i64(1)));
      }
      const Column column = std::move(builder).finish("c", false);
      for (size_t row = 0; row < rows; ++row) {
        ASSERT_EQ(column.is_null(row), row == hole) << rows << " " << row;
      }
    }
  }
}

TEST(ColumnBuilder, IntegersAndFloatsMeetWhileIntegersAreExact) {
  EXPECT_EQ(shown({Value::of_i64(kExact), Value::of_f64(0.5)}), "f64 9007199254740992 0.5");
  EXPECT_EQ(shown({Value::of_f64(0.5), Value::of_i64(-kExact)}), "f64 0.5 -9007199254740992");
  ColumnBuilder integers;
  ASSERT_TRUE(integers.append(Value::of_i64(kExact + 1)));
  EXPECT_FALSE(integers.can_take(Value::of_f64(0.5)));
  EXPECT_FALSE(integers.append(Value::of_f64(0.5)));
  EXPECT_EQ(integers.type(), ColumnType::kI64);
  EXPECT_EQ(integers.rows(), 1U);
  ColumnBuilder floats;
  ASSERT_TRUE(floats.append(Value::of_f64(0.5)));
  EXPECT_FALSE(floats.append(Value::of_i64(-kExact - 1)));
  EXPECT_TRUE(floats.append(Value::of_u64(static_cast<uint64_t>(kExact))));
  EXPECT_FALSE(floats.append(Value::of_u64(kBeyondI64)));
}

TEST(ColumnBuilder, UnsignedAboveSignedStaysExact) {
  EXPECT_EQ(shown({Value::of_i64(1), Value::of_u64(kBeyondI64)}), "u64 1 9223372036854775809");
  EXPECT_EQ(shown({Value::of_i64(-1), Value::of_u64(5)}), "i64 -1 5");
  EXPECT_EQ(shown({Value::of_u64(5), Value::of_i64(6)}), "u64 5 6");
  ColumnBuilder builder;
  ASSERT_TRUE(builder.append(Value::of_u64(kBeyondI64)));
  EXPECT_FALSE(builder.append(Value::of_i64(-1)));
  ColumnBuilder other;
  ASSERT_TRUE(other.append(Value::of_i64(-1)));
  EXPECT_FALSE(other.append(Value::of_u64(kBeyondI64)));
}

TEST(ColumnBuilder, RefusesWhatHasNoCommonType) {
  const std::vector<Value> values = {Value::of_bool(true), Value::of_i64(1), Value::of_string("1")};
  for (const Value& first : values) {
    for (const Value& second : values) {
      ColumnBuilder builder;
      ASSERT_TRUE(builder.append(first));
      EXPECT_EQ(builder.append(second), first.type == second.type);
    }
  }
  ColumnBuilder text;
  ASSERT_TRUE(text.append(Value::of_string("a")));
  EXPECT_EQ(text.refusal_of(Value::of_f64(1)), "f64 does not fit a column of string");
}

TEST(ColumnBuilder, MicrosecondsBecomeNanosecondsWhileTheyFit) {
  const auto us = [](int64_t value) {
    return Value{ColumnType::kTimeUs, static_cast<uint64_t>(value), {}};
  };
  const auto ns = [](int64_t value) {
    return Value{ColumnType::kTimeNs, static_cast<uint64_t>(value), {}};
  };
  EXPECT_EQ(shown({us(5), Value(), us(-7), ns(1), us(2)}), "time_ns 5000 null -7000 1 2000");
  EXPECT_EQ(shown({ns(1), us(-2)}), "time_ns 1 -2000");
  ColumnBuilder far;
  ASSERT_TRUE(far.append(us(kLastNs / 1000 + 1)));
  EXPECT_FALSE(far.append(ns(1)));
  ColumnBuilder fine;
  ASSERT_TRUE(fine.append(ns(1)));
  EXPECT_FALSE(fine.append(us(kLastNs / 1000 + 1)));
  EXPECT_TRUE(fine.append(us(kLastNs / 1000)));
  EXPECT_FALSE(fine.append(Value::of_i64(1)));
}

TEST(ColumnBuilder, GrowsWithoutLosingStrings) {
  ColumnBuilder builder;
  for (size_t i = 0; i < 1000; ++i) {
    ASSERT_TRUE(builder.append(Value::of_string(std::string(i % 50, 'x') + std::to_string(i))));
  }
  const Column column = std::move(builder).finish("c", true);
  for (size_t i = 0; i < 1000; ++i) {
    ASSERT_EQ(column.text(i), std::string(i % 50, 'x') + std::to_string(i));
  }
  EXPECT_TRUE(column.is_tag);
}

TEST(Column, ConvertsOnlyWhatStaysTheSame) {
  const Column small = built({Value::of_i64(1), Value(), Value::of_i64(-2)});
  EXPECT_EQ(shown(*converted(small, ColumnType::kF64, 3), 3), "f64 1 null -2");
  EXPECT_FALSE(converted(small, ColumnType::kU64, 3).has_value());
  EXPECT_FALSE(converted(small, ColumnType::kString, 3).has_value());
  const Column large = built({Value::of_i64(kExact + 1)});
  EXPECT_FALSE(converted(large, ColumnType::kF64, 1).has_value());
  EXPECT_EQ(shown(*converted(large, ColumnType::kU64, 1), 1), "u64 9007199254740993");
  const Column huge = built({Value::of_u64(kBeyondI64)});
  EXPECT_FALSE(converted(huge, ColumnType::kI64, 1).has_value());
  EXPECT_FALSE(converted(huge, ColumnType::kF64, 1).has_value());
  const Column nulls = built({Value(), Value()});
  for (const ColumnType type :
       {ColumnType::kNull, ColumnType::kBool, ColumnType::kI64, ColumnType::kU64, ColumnType::kF64,
        ColumnType::kString, ColumnType::kTimeUs, ColumnType::kTimeNs}) {
    EXPECT_EQ(shown(*converted(nulls, type, 2), 2), fmt::format("{} null null", name_of(type)));
  }
}

TEST(Column, MicrosecondsBecomeNanosecondsWithinTheirYears) {
  Column time = built({Value::of_i64(-1'500'000), Value::of_i64(9'223'372'036'854'775)});
  time.type = ColumnType::kTimeUs;
  EXPECT_EQ(shown(*converted(time, ColumnType::kTimeNs, 2), 2),
            "time_ns -1500000000 9223372036854775000");
  Column late = built({Value::of_i64(9'223'372'036'854'776)});
  late.type = ColumnType::kTimeUs;
  EXPECT_FALSE(converted(late, ColumnType::kTimeNs, 1).has_value());
  Column ns = built({Value::of_i64(1)});
  ns.type = ColumnType::kTimeNs;
  EXPECT_FALSE(converted(ns, ColumnType::kTimeUs, 1).has_value());
}

TEST(Utf8, KnowsTheWrongOnesAndWhereTheyBegin) {
  const auto valid = {"",
                      "plain",
                      "gr\xC3\xBC\xC3\x9F",
                      "\xE2\x82\xAC",
                      "\xF0\x9F\x98\x80",
                      "\xED\x9F\xBF",
                      "\xEE\x80\x80",
                      "\xF4\x8F\xBF\xBF",
                      "\xC2\x80"};
  const auto wrong = {"\x80",
                      "\xC0\x80",
                      "\xC1\xBF",
                      "\xC3",
                      "\xE0\x9F\xBF",
                      "\xED\xA0\x80",
                      "\xE2\x82",
                      "\xF0\x8F\xBF\xBF",
                      "\xF4\x90\x80\x80",
                      "\xF5\x80\x80\x80",
                      "\xFF",
                      "\xE2\x28\xA1",
                      "\xF0\x9F\x98"};
  for (const size_t before : {0U, 1U, 15U, 16U, 17U, 31U, 32U, 100U}) {
    const std::string front(before, 'a');
    for (const size_t after : {0U, 1U, 16U, 40U}) {
      const std::string back(after, 'b');
      for (const std::string text : valid) {
        EXPECT_EQ(find_invalid_utf8(joined(front, text, back)), std::nullopt) << text;
      }
      for (const std::string text : wrong) {
        EXPECT_EQ(find_invalid_utf8(joined(front, text, back)), before) << before << " " << after;
        EXPECT_FALSE(is_ascii(joined(front, text, back)));
      }
      EXPECT_TRUE(is_ascii(front + back));
    }
  }
}

}  // namespace
}  // namespace millrace::columnar
