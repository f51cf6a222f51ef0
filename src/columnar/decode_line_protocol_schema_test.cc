// Line protocol judged line by line against the columns a table has already.
#include "columnar/decode_line_protocol.h"

#include <gtest/gtest.h>

#include <gmock/gmock.h>

namespace millrace::columnar {
namespace {

using testing::ElementsAre;

constexpr ArrivalTime kArrival{std::chrono::microseconds(1'700'000'000'000'000)};

Schema table() {
  return Schema::make({{"time", ColumnType::kTimeUs, false, {}},
                       {"host", ColumnType::kString, true, {}},
                       {"f", ColumnType::kF64, false, {}},
                       {"big", ColumnType::kI64, false, {.fits_f64 = false}},
                       {"below", ColumnType::kI64, false, {.has_negative = true}},
                       {"text", ColumnType::kString, false, {}}})
      .value();
}

LineProtocolBatches decode(std::string_view body, const Schema& schema) {
  const SchemaLookup lookup = [&](std::string_view measurement) {
    return measurement == "m" ? &schema : nullptr;
  };
  return decode_line_protocol(body, Precision::kNs, kArrival, lookup).value();
}

std::vector<std::string> errors_of(const LineProtocolBatches& result) {
  std::vector<std::string> errors;
  for (const LineError& error : result.errors) {
    errors.push_back(fmt::format("{}: {}", error.line, error.message));
  }
  return errors;
}

TEST(LineProtocolSchema, KeepsLinesThatFitAndReportsThoseThatDoNot) {
  const Schema schema = table();
  const auto result = decode(
      "m,host=a f=1i,text=\"x\" 1000\n"
      "m,host=a f=\"x\" 1000\n"
      "m host=1i 1000\n"
      "m,host=a big=1.5 1000\n"
      "m,host=a below=9223372036854775808u 1000\n"
      "m,host=a new=t 1000\n"
      "other f=\"not judged\" 1000\n",
      schema);
  EXPECT_THAT(errors_of(result),
              ElementsAre("2: field \"f\": string does not fit the table's column of f64",
                          "3: \"host\" is a field here and a tag in the table",
                          "4: field \"big\": f64 does not fit the table's column of i64",
                          "5: field \"below\": u64 does not fit the table's column of i64"));
  ASSERT_EQ(result.batches.size(), 2U);
  EXPECT_EQ(result.batches[0].batch.rows, 2U);
  EXPECT_TRUE(admit(schema, result.batches[0].batch).ok());
}

TEST(LineProtocolSchema, AStringFieldMayBecomeATag) {
  EXPECT_EQ(decode("m,text=a f=1 1000\n", table()).error_count, 0U);
}

TEST(LineProtocolSchema, NanosecondsCannotJoinTimesBeyondTheirYears) {
  std::vector<SchemaColumn> columns = table().columns();
  columns[0].facts.fits_ns = false;
  const Schema schema = Schema::make(columns).value();
  const auto result = decode("m f=1 1000\nm f=1 1001\nm f=1\n", schema);
  EXPECT_EQ(result.rows, 2U);
  ASSERT_EQ(result.error_count, 1U);
  EXPECT_EQ(result.errors[0].line, 2U);
  EXPECT_TRUE(admit(schema, result.batches[0].batch).ok());
}

TEST(LineProtocolSchema, GoodLinesAreGivenBackByMeasurement) {
  const auto result = decode(
      "# comment\r\n\n  m f=1 1000\r\n"
      "other x=\"two\nlines\"\n"
      "m f=\"bad\" 3000\n"
      "m f=2 4000",
      table());
  ASSERT_EQ(result.lines.size(), 2U);
  EXPECT_THAT(result.lines[0], ElementsAre("  m f=1 1000\r", "m f=2 4000"));
  EXPECT_THAT(result.lines[1], ElementsAre("other x=\"two\nlines\""));
}

TEST(LineProtocolSchema, LinesGivenBackDecodeToTheSameRows) {
  const auto result = decode("m f=1 1000\nm f=\"bad\" 2000\nm,host=b f=3i\n", table());
  std::string again;
  for (const std::string_view line : result.lines[0]) {
    again.append(line).append("\n");
  }
  const auto replayed = decode_line_protocol(again, Precision::kNs, kArrival);
  EXPECT_EQ(replayed->error_count, 0U);
  ASSERT_EQ(replayed->rows, 2U);
  const auto& first = result.batches[0].batch;
  const auto& second = replayed->batches[0].batch;
  ASSERT_EQ(first.columns.size(), second.columns.size());
  for (size_t i = 0; i < first.columns.size(); ++i) {
    EXPECT_EQ(bytes::as_text(first.columns[i].values), bytes::as_text(second.columns[i].values));
  }
}

}  // namespace
}  // namespace millrace::columnar
