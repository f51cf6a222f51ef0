#include "columnar/decode_msgpack_test.h"

#include "columnar/msgpack_reader.h"

#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace millrace::columnar {
namespace {

using std::string_literals::operator""s;
using namespace test_msgpack;  // NOLINT(google-build-using-namespace): one letter a word

TEST(DecodeMsgpack, TakesARequestWithEveryColumn) {
  const auto result = decode(request({{"time", array_of({u64(1'700'000'000'000'001), i64(5)})},
                                      {"host", array_of({str("a"), str("")})},
                                      {"value", array_of({f64(0.5), kNil})}}));
  ASSERT_TRUE(result.ok()) << result.error().message;
  EXPECT_EQ(result->measurement, "cpu");
  const ColumnBatch& batch = result->batch;
  EXPECT_EQ(batch.rows, 2U);
  EXPECT_EQ(batch.time_column, 0U);
  ASSERT_EQ(batch.columns.size(), 3U);
  EXPECT_EQ(shown(batch.columns[0], 2), "time_us 1700000000000001 5000000");
  EXPECT_EQ(shown(batch.columns[1], 2), "string 'a' ''");
  EXPECT_EQ(shown(batch.columns[2], 2), "f64 0.5 null");
}

TEST(DecodeMsgpack, KeysComeInAnyOrderAndVersion1SkipsTagKeys) {
  const std::string nested = map(2) + str("a") + array_of({kNil, map(1) + i64(1) + str("x")}) +
                             str("b") + "\xc7\x02\x05xx";
  const std::string body = map(3) + str("columns") + map(1) + str("v") + array_of({kYes}) +
                           str("tag_keys") + nested + str("m") + str("cpu");
  EXPECT_EQ(outcome(body, 1), "bool true");
  EXPECT_EQ(outcome(body), "byte 31: \"tag_keys\" is a map, not an array");
}

/// The columns "s" and "t" of strings, "n" of nulls and "i" of an integer, with these tag keys.
std::string tagged(const std::string& keys) {
  return map(3) + str("m") + str("cpu") + str("tag_keys") + keys + str("columns") + map(4) +
         str("s") + array_of({str("a")}) + str("t") + array_of({str("b")}) + str("n") +
         array_of({kNil}) + str("i") + array_of({i64(1)});
}

TEST(DecodeMsgpack, TagKeysMarkColumnsOfStrings) {
  const auto tags_of = [](const std::string& keys, int version) {
    std::string tags;
    const auto decoded = decode(tagged(keys), version);
    for (const Column& column : decoded->batch.columns) {
      tags += column.is_tag ? column.name : "";
    }
    return tags;
  };
  EXPECT_EQ(tags_of(array_of({str("t"), str("n"), str("absent"), str("t")}), 2), "tn");
  EXPECT_EQ(tags_of(array_of({str("t"), str("n")}), 1), "");
  EXPECT_EQ(tags_of(arr(0), 2), "");
  EXPECT_EQ(outcome(tagged(array_of({str("s"), str("i")}))),
            "byte 25: the tag key \"i\": its column is of type i64, a tag is a string");
  EXPECT_EQ(outcome(tagged(array_of({i64(1)}))), "byte 23: a tag key is an integer, not a string");
  EXPECT_EQ(outcome(tagged(array_of({str("")}))),
            "byte 23: a tag key is of 0 bytes, not within 1 to 1024");
  const std::string twice = map(4) + str("tag_keys") + arr(0) + str("tag_keys") + arr(0);
  EXPECT_EQ(outcome(twice), "byte 17: \"tag_keys\" stands twice");
}

TEST(DecodeMsgpack, AMeasurementMayBeANumber) {
  const std::string columns = str("columns") + map(1) + str("v") + array_of({i64(1)});
  EXPECT_EQ(decode(map(2) + str("m") + i64(-5) + columns)->measurement, "measurement_-5");
  EXPECT_EQ(decode(map(2) + str("m") + u64(1ULL << 63) + columns)->measurement,
            "measurement_9223372036854775808");
}

TEST(DecodeMsgpack, ReadsEveryEncodingOfEveryType) {
  check({
      {"positive fixint", one({"\x00"s, "\x7f"s}), "i64 0 127"},
      {"negative fixint", one({"\xff"s, "\xe0"s}), "i64 -1 -32"},
      {"uint 8", one({"\xcc\xff"s}), "i64 255"},
      {"uint 16", one({"\xcd\xff\xfe"s}), "i64 65534"},
      {"uint 32", one({"\xce\xff\xff\xff\xff"s}), "i64 4294967295"},
      {"uint 64", one({u64(9'007'199'254'740'993)}), "i64 9007199254740993"},
      {"int 8", one({"\xd0\x80"s}), "i64 -128"},
      {"int 16", one({"\xd1\x80\x00"s}), "i64 -32768"},
      {"int 32", one({"\xd2\x80\x00\x00\x00"s}), "i64 -2147483648"},
      {"int 64", one({i64(std::numeric_limits<int64_t>::min())}), "i64 -9223372036854775808"},
      {"mixed widths",
       one({"\x01"s, "\xcc\xff"s, "\xcd\x01\x00"s, "\xd0\xff"s, "\xd1\xff\x00"s,
            "\xce\x00\x01\x00\x00"s, "\xd2\xff\xff\xff\xff"s, i64(-5), u64(6), "\xfe"s}),
       "i64 1 255 256 -1 -256 65536 -1 -5 6 -2"},
      {"above 2^63", one({u64(uint64_t{1} << 63)}), "u64 9223372036854775808"},
      {"largest", one({u64(~uint64_t{0})}), "u64 18446744073709551615"},
      {"float 32", one({"\xca\x3f\x00\x00\x00"s, f64(2), "\xca\xc0\x00\x00\x00"s}), "f64 0.5 2 -2"},
      {"not numbers", one({f64(NAN), f64(INFINITY), f64(-INFINITY), f64(-0.0)}),
       "f64 nan inf -inf -0"},
      {"bool", one({kYes, kNo, kYes, kNo, kYes, kNo, kYes, kNo, kYes, kNo, kNil}),
       "bool true false true false true false true false true false null"},
      {"fixstr", one({str(""), str("a"), str(std::string(31, 'x'))}),
       "string '' 'a' '" + std::string(31, 'x') + "'"},
      {"str 8", one({"\xd9\x02hi"s, "\xd9\x00"s}), "string 'hi' ''"},
      {"str 16", one({"\xda\x00\x02hi"s, "\xda\x00\x00"s}), "string 'hi' ''"},
      {"str 32", one({"\xdb\x00\x00\x00\x02hi"s}), "string 'hi'"},
      {"empty is not null", one({str(""), kNil}), "string '' null"},
      {"UTF-8", one({str("gr\xC3\xBC"), str("\xF0\x9F\x98\x80")}), "string 'grü' '😀'"},
      {"NUL inside", one({str("a\0b"s)}), "string 'a\0b'"s},
      {"all nil", one({kNil, kNil}), "null null null"},
      {"no rows", one({}), "null"},
      {"array 16", request({{"v", "\xdc\x00\x01\x05"s}}), "i64 5"},
      {"fixarray", request({{"v", "\x91\x05"s}}), "i64 5"},
  });
}

TEST(DecodeMsgpack, WidensWithinAColumn) {
  const int64_t exact = int64_t{1} << 53;
  const std::string clash = ": an integer is beyond 2^53, which a double cannot hold exactly";
  check({
      {"nil first", one({kNil, kNil, i64(7)}), "i64 null null 7"},
      {"integer then float", one({i64(exact), f64(2.5)}), "f64 9007199254740992 2.5"},
      {"float then integer", one({f64(2.5), i64(-exact)}), "f64 2.5 -9007199254740992"},
      {"2.5 among integers stays", one({i64(1), f64(2.5), i64(2)}), "f64 1 2.5 2"},
      {"too large before a float", one({i64(exact + 1), f64(2.5)}),
       "column \"v\", row 1, byte 36: f64 does not fit a column of i64" + clash},
      {"too large after a float", one({f64(2.5), i64(exact + 1)}),
       "column \"v\", row 1, byte 36: i64 does not fit a column of f64" + clash},
      {"u64 after i64", one({i64(1), u64(~uint64_t{0}), i64(2)}), "u64 1 18446744073709551615 2"},
      {"u64 after a negative", one({i64(-1), u64(~uint64_t{0})}),
       "column \"v\", row 1, byte 36: u64 does not fit a column of i64: one column cannot hold "
       "values below 0 and above 2^63-1"},
      {"negative after u64", one({u64(~uint64_t{0}), "\xff"s}),
       "column \"v\", row 1, byte 36: i64 does not fit a column of u64: one column cannot hold "
       "values below 0 and above 2^63-1"},
      {"u64 and float", one({u64(~uint64_t{0}), f64(1)}),
       "column \"v\", row 1, byte 36: f64 does not fit a column of u64" + clash},
      {"text among numbers", one({i64(1), kNil, str("2")}),
       "column \"v\", row 2, byte 37: string does not fit a column of i64"},
      {"number among texts", one({str("2"), i64(1)}),
       "column \"v\", row 1, byte 29: i64 does not fit a column of string"},
      {"bool among numbers", one({f64(1), kYes}),
       "column \"v\", row 1, byte 36: bool does not fit a column of f64"},
  });
}

TEST(DecodeMsgpack, BinaryDataIsAnyBytesInEveryForm) {
  const std::string bytes = "\x00\xff'"s;
  const std::string wide(300, 'w');
  check({
      {"short", one({bin(bytes), kNil, bin("")}), "binary '" + bytes + "' null ''"},
      {"two bytes of length", one({"\xc5" + be(300, 2) + wide}), "binary '" + wide + "'"},
      {"four", one({"\xc6" + be(300, 4) + wide}), "binary '" + wide + "'"},
  });
}

TEST(DecodeMsgpack, RefusesTheWholeRequestAndSaysWhere) {
  const std::string good = one({i64(1)});
  const std::string no_measurement = map(1) + str("columns") + map(1) + str("v") + arr(0);
  check({
      {"empty", "", "byte 0: a request is the end of the request, not a map"},
      {"a number", i64(1), "byte 0: a request is an integer, not a map"},
      {"no measurement", no_measurement, "byte 21: the request has no \"m\""},
      {"no columns", map(1) + str("m") + str("x"), "byte 7: the request has no \"columns\""},
      {"empty map", map(0), "byte 3: the request has no \"m\""},
      {"trailing byte", good + "\xc0", "byte 36: 1 more bytes after the request's one map"},
      {"second document", good + good, "byte 36: 36 more bytes after the request's one map"},
      {"m twice", map(3) + str("m") + str("a") + str("m") + str("b") + str("columns") + map(0),
       "byte 7: \"m\" stands twice"},
      {"columns twice", map(3) + str("columns") + map(1) + str("v") + arr(0) + str("columns"),
       "byte 21: \"columns\" stands twice"},
      {"m is a float", map(1) + str("m") + f64(5),
       "byte 5: the measurement \"m\" is a float, not a string"},
      {"m is empty", map(1) + str("m") + str(""),
       "byte 5: the measurement \"m\" is of 0 bytes, not within 1 to 1024"},
      {"m is long", map(1) + str("m") + str(std::string(1025, 'x')),
       "byte 5: the measurement \"m\" is of 1025 bytes, not within 1 to 1024"},
      {"m is not UTF-8", map(1) + str("m") + str("a\xff"),
       "byte 5: the measurement \"m\" is not UTF-8"},
      {"key is a number", map(1) + i64(1) + i64(1), "byte 3: an integer where a key should be"},
      {"key of nothing", map(1) + str("database") + str("x"),
       "byte 3: the key \"database\": a write has \"m\" and \"columns\", or \"m\", \"t\", \"h\", "
       "\"tags\" and \"fields\", or \"batch\"; its database stands in the header "
       "x-millrace-database"},
      {"JSON", "{\"m\": 1}", "byte 0: this looks like JSON; a request is MessagePack"},
      {"tag keys cut", map(1) + str("tag_keys") + arr(3) + str("a"),
       "byte 19: a tag key is the end of the request, not a string"},
      {"tag keys 0xc1", map(1) + str("tag_keys") + "\xc1",
       "byte 12: \"tag_keys\" is the byte 0xc1, which MessagePack never uses, not an array"},
      {"columns is an array", map(1) + str("columns") + arr(0),
       "byte 11: \"columns\" is an array, not a map"},
      {"no column", request({}), "byte 17: 0 columns are not within 1 to 4096"},
      {"too many columns", map(1) + str("columns") + map(4097),
       "byte 11: 4097 columns are not within 1 to 4096"},
      {"columns cut", map(1) + str("columns") + map(1),
       "byte 14: a column's name is the end of the request, not a string"},
      {"column name is nil", map(1) + str("columns") + map(1) + kNil,
       "byte 14: a column's name is nil, not a string"},
      {"column name empty", request({{"", arr(0)}}),
       "byte 20: a column's name is of 0 bytes, not within 1 to 1024"},
      {"column name not UTF-8", request({{"\xc3", arr(0)}}),
       "byte 20: a column's name is not UTF-8"},
      {"column is a number", request({{"v", i64(1)}}),
       "byte 22: column \"v\" is an integer, not an array"},
      {"column is nil", request({{"v", kNil}}), "byte 22: column \"v\" is nil, not an array"},
      {"column is a string", request({{"v", str("abc")}}),
       "byte 22: column \"v\" is a string, not an array"},
      {"unequal", request({{"a", array_of({kYes, kNo})}, {"b", array_of({kYes})}}),
       "byte 31: column \"b\" has 1 rows, \"a\" has 2"},
      {"same name", request({{"a", arr(0)}, {"b", arr(0)}, {"a", arr(0)}}),
       "byte 34: column \"a\" stands twice"},
      {"time twice", request({{"time", arr(0)}, {"time", arr(0)}}),
       "byte 30: column \"time\" stands twice"},
      {"lying length", request({{"v", arr(0xffffffff) + kNil}}),
       "byte 22: column \"v\" says 4294967295 rows, but only 1 bytes follow"},
      {"array too short", request({{"v", arr(2) + i64(1)}}),
       "column \"v\", row 1, byte 36: the end of the request where a value should be"},
      {"extension", one({kNil, ext(5, "x")}),
       "column \"v\", row 1, byte 28: an extension of type 5: only timestamps, -1, are taken"},
      {"binary after a string", one({str("a"), bin("b")}),
       "column \"v\", row 1, byte 29: binary does not fit a column of string"},
      {"nested array", one({arr(0)}),
       "column \"v\", row 0, byte 27: an array where a value should be"},
      {"nested map", one({kNil, map(0)}),
       "column \"v\", row 1, byte 28: a map where a value should be"},
      {"never used", one({"\xc1"s}),
       "column \"v\", row 0, byte 27: the byte 0xc1, which MessagePack never uses where a value "
       "should be"},
      {"string longer than the body", one({"\xdb\xff\xff\xff\xff"s}),
       "column \"v\", row 0, byte 27: the end of the request where a value should be"},
      {"not UTF-8", one({str("ok"), str("gr\xC3\xBC"), kNil, str("no\xC3")}),
       "column \"v\", row 3, byte 36: not UTF-8 at byte 2 of the string"},
      {"UTF-8 only when joined", one({str("\xC3"), str("\xBC")}),
       "column \"v\", row 0, byte 27: not UTF-8 at byte 0 of the string"},
      {"surrogate", one({str("\xED\xA0\x80")}),
       "column \"v\", row 0, byte 27: not UTF-8 at byte 0 of the string"},
  });
}

TEST(DecodeMsgpack, EveryCutOfARequestIsRefused) {
  const std::string body = request({{"time", array_of({i64(5), "\x06"s, u64(7)})},
                                    {"s", array_of({str("a"), str(std::string(40, 'b')), kNil})},
                                    {"f", array_of({f64(1), "\xca\x3f\x00\x00\x00"s, i64(3)})},
                                    {"b", array_of({kYes, kNil, kNo})}});
  ASSERT_TRUE(decode(body).ok());
  for (size_t size = 0; size < body.size(); ++size) {
    EXPECT_FALSE(decode(std::string_view(body).substr(0, size)).ok()) << size;
  }
}

TEST(DecodeMsgpack, BombsCostNothing) {
  constexpr size_t kDepth = 5'000'000;
  const std::string deep = map(1) + str("tag_keys") + std::string(kDepth, '\x91') + kNil;
  EXPECT_EQ(outcome(deep, 1), "byte 5000013: the request has no \"m\"");
  EXPECT_EQ(outcome(deep), "byte 13: a tag key is an array, not a string");
  std::string wide = map(1) + str("tag_keys");
  for (int i = 0; i < 100'000; ++i) {
    wide += arr(0xffffffff);
  }
  EXPECT_FALSE(decode(wide).ok());
  const std::string claims = map(0xffff) + str("columns") + map(4096);
  EXPECT_FALSE(decode(claims).ok());
}

TEST(DecodeMsgpack, LongColumnsOfEveryTypeComeBackWhole) {
  constexpr size_t kRows = 5000;
  std::vector<std::string> texts;
  std::vector<std::string> numbers;
  std::vector<std::string> flags;
  for (size_t row = 0; row < kRows; ++row) {
    texts.push_back(row % 7 == 3 ? kNil
                                 : str(std::string(row % 300, static_cast<char>('a' + row % 26))));
    numbers.push_back(row % 5 == 1 ? kNil : f64(static_cast<double>(row) / 4));
    flags.push_back(row % 11 == 0 ? kNil : row % 2 == 0 ? kYes : kNo);
  }
  const auto result =
      decode(request({{"t", array_of(texts)}, {"n", array_of(numbers)}, {"b", array_of(flags)}}));
  ASSERT_TRUE(result.ok()) << result.error().message;
  const auto& columns = result->batch.columns;
  for (size_t row = 0; row < kRows; ++row) {
    ASSERT_EQ(columns[0].is_null(row), row % 7 == 3) << row;
    ASSERT_EQ(columns[0].text(row),
              row % 7 == 3 ? "" : std::string(row % 300, static_cast<char>('a' + row % 26)));
    ASSERT_EQ(columns[1].is_null(row), row % 5 == 1);
    ASSERT_EQ(columns[1].values_as<double>()[row], row % 5 == 1 ? 0 : static_cast<double>(row) / 4);
    ASSERT_EQ(columns[2].is_null(row), row % 11 == 0);
    ASSERT_EQ(columns[2].values_as<uint8_t>()[row], row % 11 != 0 && row % 2 == 0 ? 1 : 0);
  }
}

TEST(DecodeMsgpack, BatchOutlivesTheBody) {
  auto body = std::make_unique<std::string>(one({str("kept"), str("gr\xC3\xBC\xC3\x9F")}));
  const auto result = decode_msgpack(bytes::as_bytes(*body), {kArrival});
  body.reset();
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->batches[0].batch.columns[0].text(0), "kept");
  EXPECT_EQ(result->batches[0].batch.columns[0].name, "v");
}

}  // namespace
}  // namespace millrace::columnar
