// Rows and batches in MessagePack; columns are in decode_msgpack_test.cc.
#include "columnar/decode_msgpack.h"
#include "columnar/test_columns.h"
#include "columnar/test_msgpack.h"

#include <gtest/gtest.h>

#include <gmock/gmock.h>

#include <string>
#include <utility>
#include <vector>

namespace millrace::columnar {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using namespace test_msgpack;  // NOLINT(google-build-using-namespace): one letter a word

constexpr ArrivalTime kArrival{std::chrono::microseconds(1'700'000'000'123'456)};

using Pairs = std::vector<std::pair<std::string, std::string>>;

std::string map_of(const Pairs& pairs) {
  std::string text = map(pairs.size());
  for (const auto& [key, value] : pairs) {
    text += str(key) + value;
  }
  return text;
}

/// {"m": measurement, ...}
std::string row(const std::string& measurement, Pairs pairs) {
  pairs.insert(pairs.begin(), {"m", str(measurement)});
  return map_of(pairs);
}

std::string field_row(const std::string& measurement, int64_t value) {
  return row(measurement, {{"t", i64(value)}, {"fields", map_of({{"v", i64(value)}})}});
}

std::string columns(const std::string& measurement, const Pairs& of) {
  return map_of({{"m", str(measurement)}, {"columns", map_of(of)}});
}

Result<MsgpackBatches> decode(std::string_view body) {
  const std::vector<std::byte> copy(bytes::as_bytes(body).begin(), bytes::as_bytes(body).end());
  return decode_msgpack(copy, {kArrival});
}

/// "cpu: time time_us 5000000; host# string 'a'; ..." for each batch, or the refusal.
std::vector<std::string> shown_all(std::string_view body) {
  const auto decoded = decode(body);
  if (!decoded.ok()) {
    EXPECT_EQ(decoded.error().code, Code::kInvalid);
    return {decoded.error().message};
  }
  std::vector<std::string> all;
  for (const MeasurementBatch& each : decoded->batches) {
    std::string text = each.measurement + ":";
    for (const Column& column : each.batch.columns) {
      text += fmt::format(" {}{} {};", column.name, column.is_tag ? "#" : "",
                          shown(column, each.batch.rows));
    }
    all.push_back(text);
  }
  return all;
}

std::string shown_one(std::string_view body) {
  const auto all = shown_all(body);
  EXPECT_EQ(all.size(), 1U);
  return all.empty() ? "" : all.front();
}

TEST(DecodeMsgpackRows, ARowOfEveryPart) {
  EXPECT_EQ(shown_one(row("cpu", {{"t", i64(5)},
                                  {"h", str("a")},
                                  {"tags", map_of({{"rack", str("r1")}})},
                                  {"fields", map_of({{"f", f64(0.5)},
                                                     {"i", i64(-1)},
                                                     {"u", u64(1ULL << 63)},
                                                     {"b", kYes},
                                                     {"s", str("text")},
                                                     {"n", kNil}})}})),
            "cpu: time time_us 5000000; host# string 'a'; rack# string 'r1'; f f64 0.5; i i64 -1; "
            "u u64 9223372036854775808; b bool true; s string 'text'; n null null;");
}

TEST(DecodeMsgpackRows, KeysComeInAnyOrder) {
  const Pairs pairs = {{"m", str("cpu")},
                       {"t", i64(5)},
                       {"tags", map_of({{"rack", str("r")}})},
                       {"fields", map_of({{"v", i64(1)}})}};
  for (size_t first = 0; first < pairs.size(); ++first) {
    Pairs turned(pairs.begin() + static_cast<ptrdiff_t>(first), pairs.end());
    turned.insert(turned.end(), pairs.begin(), pairs.begin() + static_cast<ptrdiff_t>(first));
    EXPECT_EQ(shown_one(map_of(turned)), "cpu: time time_us 5000000; rack# string 'r'; v i64 1;");
  }
}

TEST(DecodeMsgpackRows, TheCompactFormCallsFieldsByNumber) {
  EXPECT_EQ(shown_one(row("cpu", {{"f", array_of({f64(0.5), str("x"), kNil})}})),
            "cpu: time time_us 1700000000123456; field_0 f64 0.5; field_1 string 'x'; field_2 "
            "null null;");
}

TEST(DecodeMsgpackRows, TheHostIsATagAndAMissingOneTakesNothingAway) {
  const std::string fields = map_of({{"v", i64(1)}});
  const std::string tags = map_of({{"host", str("of tags")}, {"z", str("z")}});
  EXPECT_EQ(shown_one(row("m", {{"tags", tags}, {"t", i64(1)}, {"fields", fields}})),
            "m: time time_us 1000000; host# string 'of tags'; z# string 'z'; v i64 1;");
  EXPECT_EQ(shown_one(row("m", {{"h", kNil}, {"tags", tags}, {"t", i64(1)}, {"fields", fields}})),
            "m: time time_us 1000000; host# string 'of tags'; z# string 'z'; v i64 1;");
  EXPECT_EQ(
      shown_one(row("m", {{"tags", tags}, {"h", str("h")}, {"t", i64(1)}, {"f", array_of({kNo})}})),
      "m: time time_us 1000000; host# string 'h'; z# string 'z'; field_0 bool false;");
}

TEST(DecodeMsgpackRows, TagsAreStrings) {
  const std::string tags = map_of({{"i", i64(-7)},
                                   {"u", u64(1ULL << 63)},
                                   {"f", f64(0.1)},
                                   {"whole", f64(2)},
                                   {"b", kYes},
                                   {"none", kNil},
                                   {"empty", str("")}});
  EXPECT_EQ(
      shown_one(row("m", {{"h", i64(9)}, {"t", i64(1)}, {"tags", tags}, {"f", array_of({kYes})}})),
      "m: time time_us 1000000; host# string '9'; i# string '-7'; u# string "
      "'9223372036854775808'; f# string '0.1'; whole# string '2'; b# string 'true'; empty# "
      "string ''; field_0 bool true;");
}

TEST(DecodeMsgpackRows, AFieldCalledAsATagIsRenamed) {
  const auto of = [](const Pairs& fields) {
    return shown_one(
        row("m", {{"t", i64(1)}, {"fields", map_of(fields)}, {"tags", map_of({{"a", str("x")}})}}));
  };
  EXPECT_EQ(of({{"a", i64(1)}, {"b", i64(2)}}),
            "m: time time_us 1000000; a# string 'x'; a_value i64 1; b i64 2;");
  EXPECT_THAT(of({{"a", i64(1)}, {"a_value", i64(2)}}),
              HasSubstr("\"a_value\" stands twice among the row's tags and fields"));
}

TEST(DecodeMsgpackRows, TimesAreReadByTheirSizeAndExact) {
  const auto time_of = [](const std::string& time) {
    const std::string text = shown_one(row("m", {{"t", time}, {"f", array_of({kYes})}}));
    return text.substr(0, text.find(';'));
  };
  EXPECT_EQ(time_of(i64(1'700'000'000)), "m: time time_us 1700000000000000");
  EXPECT_EQ(time_of(i64(-5)), "m: time time_us -5000000");
  EXPECT_EQ(time_of(i64(1'700'000'000'001)), "m: time time_us 1700000000001000");
  EXPECT_EQ(time_of(i64(1'700'000'000'000'001)), "m: time time_us 1700000000000001");
  EXPECT_EQ(time_of(i64(1'700'000'000'000'000'001)), "m: time time_ns 1700000000000000001");
  EXPECT_EQ(time_of(moment(5, 1000)), "m: time time_us 5000001");
  EXPECT_EQ(time_of(moment(5, 1)), "m: time time_ns 5000000001");
  EXPECT_THAT(time_of(moment(253'402'300'799)), HasSubstr("outside 1677-09-22 to 2262-04-11"));
  EXPECT_EQ(time_of(kNil), "m: time time_us 1700000000123456");
  EXPECT_THAT(time_of(i64(9'999'999'999)), HasSubstr("outside 1677-09-22 to 2262-04-11"));
  EXPECT_THAT(time_of(u64(1ULL << 63)), HasSubstr("the time \"t\": nanoseconds end in 2262"));
  EXPECT_THAT(time_of(f64(1)),
              HasSubstr("the time \"t\": a time is an integer or a timestamp, this is a float"));
}

TEST(DecodeMsgpackRows, BinaryDataAndTimestampsAreFields) {
  const std::string fields = map_of({{"raw", bin("\xff")}, {"at", moment(5)}});
  EXPECT_EQ(shown_one(array_of({row("m", {{"t", i64(1)}, {"fields", fields}}),
                                columns("m", {{"time", array_of({i64(2)})},
                                              {"raw", array_of({bin("b")})},
                                              {"at", array_of({moment(0, 1)})}})})),
            "m: time time_us 1000000 2000000; raw binary '\xff' 'b'; at time_ns 5000000000 1;");
}

TEST(DecodeMsgpackRows, BatchesAndArraysGiveRowsByMeasurement) {
  const std::string items = array_of({field_row("a", 1), field_row("b", 2), field_row("a", 3)});
  for (const std::string& body : {items, map_of({{"batch", items}})}) {
    EXPECT_THAT(shown_all(body), ElementsAre("a: time time_us 1000000 3000000; v i64 1 3;",
                                             "b: time time_us 2000000; v i64 2;"));
  }
}

TEST(DecodeMsgpackRows, RowsAndColumnsOfOneMeasurementMeet) {
  const std::string body = array_of({
      field_row("a", 1),
      columns("a", {{"time", array_of({i64(2), i64(3)})},
                    {"v", array_of({f64(0.5), kNil})},
                    {"w", array_of({str("x"), str("y")})}}),
      columns("b", {{"v", array_of({kYes})}}),
      columns("none", {{"v", arr(0)}}),
  });
  EXPECT_THAT(
      shown_all(body),
      ElementsAre("a: time time_us 1000000 2000000 3000000; v f64 1 0.5 null; w string null "
                  "'x' 'y';",
                  "b: time time_us 1700000000123456; v bool true;"));
}

TEST(DecodeMsgpackRows, NothingIsNothing) {
  for (const std::string& body : {arr(0), map_of({{"batch", arr(0)}})}) {
    const auto decoded = decode(body);
    ASSERT_TRUE(decoded.ok()) << decoded.error().message;
    EXPECT_TRUE(decoded->batches.empty());
  }
}

TEST(DecodeMsgpackRows, EachPayloadGivesTheSameRowsAlone) {
  const std::string one_table = array_of({field_row("a", 1), field_row("a", 2)});
  EXPECT_THAT(decode(one_table)->payloads, ElementsAre(""));
  const std::string body = map_of(
      {{"batch", array_of({field_row("a", 1), columns("b", {{"v", array_of({i64(7), i64(8)})}}),
                           row("b", {{"h", str("x")}, {"f", array_of({kNo})}}), field_row("a", 3),
                           columns("none", {{"v", arr(0)}})})}});
  const auto decoded = decode(body);
  ASSERT_TRUE(decoded.ok()) << decoded.error().message;
  ASSERT_EQ(decoded->payloads.size(), 2U);
  const auto all = shown_all(body);
  for (size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(shown_one(decoded->payloads[i]), all[i]);
    EXPECT_THAT(decode(decoded->payloads[i])->payloads, ElementsAre(""));
  }
}

TEST(DecodeMsgpackRows, RefusesTheWholeRequestAndSaysWhere) {
  const std::string good = field_row("a", 1);
  const std::string deep(2'000'000, '\x91');
  const auto cases = std::vector<std::pair<std::string, std::string>>{
      {row("a", {{"t", i64(1)}}), "byte 0: the row has no fields"},
      {row("a", {{"fields", map(0)}}), "byte 0: the row has no fields"},
      {map_of({{"fields", map_of({{"v", i64(1)}})}}), "byte 0: the row has no \"m\""},
      {row("a", {{"t", i64(1)}, {"columns", map(0)}}), "byte 18: the key \"columns\""},
      {row("a", {{"t", i64(1)}, {"x", map(0)}}), "byte 18: the key \"x\""},
      {row("a", {{"t", i64(1)}, {"t", i64(1)}}), "byte 18: \"t\" stands twice"},
      {row("a", {{"f", array_of({kYes})}, {"fields", map(0)}}),
       "\"fields\": the row has its fields already"},
      {row("a", {{"fields", map_of({{"v", i64(1)}, {"v", i64(1)}})}}), "\"v\" stands twice"},
      {row("a", {{"fields", map_of({{"time", i64(1)}})}}), "the row's time is \"t\""},
      {row("a", {{"fields", map_of({{"v", arr(0)}})}}),
       "the field \"v\": an array where a value should be"},
      {row("a", {{"fields", map_of({{"v", ext(1, "x")}})}}),
       "the field \"v\": an extension of type 1: only timestamps"},
      {row("a", {{"tags", map_of({{"v", bin("x")}})}, {"fields", map_of({{"w", i64(1)}})}}),
       "the tag \"v\" is binary data, a tag is text"},
      {row("a", {{"h", moment(1)}, {"fields", map_of({{"w", i64(1)}})}}),
       "the tag \"host\" is a timestamp, a tag is text"},
      {row("a", {{"fields", map_of({{"v", str("\xff")}})}}), "the field \"v\" is not UTF-8"},
      {row("a", {{"fields", map_of({{"", i64(1)}})}}), "a field's name is of 0 bytes"},
      {row("a", {{"tags", map_of({{"v", map(0)}})}, {"fields", map_of({{"w", i64(1)}})}}),
       "the tag \"v\": a map where a value should be"},
      {row("a", {{"t", i64(1)}, {"fields", map(1) + i64(1) + i64(1)}}),
       "a field's name is an integer, not a string"},
      {good + kNil, "1 more bytes after the request"},
      {map_of({{"batch", array_of({good})}, {"m", str("a")}}), "\"batch\" has no other keys"},
      {map_of({{"batch", good}}), "a batch is a map, not an array"},
      {array_of({good, arr(0)}), "item 1: byte 44: a batch within a batch"},
      {array_of({good, map_of({{"batch", arr(0)}})}), "item 1: byte 44: a batch within a batch"},
      {array_of({good, kNil}), "item 1: byte 44: a request is nil, not a map"},
      {array_of({good, row("a", {{"fields", map_of({{"v", str("x")}})}})}),
       "item 1: byte 44: field \"v\": string does not fit a column of i64"},
      {array_of({good, columns("a", {{"v", array_of({i64(1), str("x")})}})}),
       "item 1: column \"v\""},
      {array_of({good, columns("a", {{"v", array_of({kNil, str("x")})}})}),
       "item 1: byte 44: row 1: field \"v\": string does not fit"},
      {array_of(
           {columns("a", {{"time", array_of({i64(9'999'999'999)})}, {"v", array_of({kYes})}})}),
       "column \"time\", row 0: outside 1677-09-22"},
      {array_of({columns("a", {{"time", array_of({i64(1)})}})}), "columns of a time alone"},
      {arr(0xffffffff), "item 0: byte 5: a request is the end of the request"},
      {deep, "a batch within a batch"},
      {map(1) + str("fields") + deep, "\"fields\" is an array, not a map"},
  };
  for (const auto& [body, part] : cases) {
    EXPECT_THAT(shown_one(body), HasSubstr(part));
  }
}

TEST(DecodeMsgpackRows, CutAtEveryByteIsRefused) {
  const std::string body = map_of(
      {{"batch",
        array_of({row("a", {{"t", i64(1)}, {"h", str("x")}, {"fields", map_of({{"v", f64(1)}})}}),
                  columns("b", {{"v", array_of({str("text")})}})})}});
  ASSERT_TRUE(decode(body).ok());
  for (size_t size = 0; size < body.size(); ++size) {
    EXPECT_FALSE(decode(std::string_view(body).substr(0, size)).ok()) << size;
  }
}

}  // namespace
}  // namespace millrace::columnar
