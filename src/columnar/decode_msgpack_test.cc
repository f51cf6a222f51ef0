#include "columnar/decode_msgpack.h"

#include "columnar/msgpack_reader.h"
#include "columnar/test_columns.h"
#include "columnar/test_msgpack.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace millrace::columnar {
namespace {

using std::string_literals::operator""s;
using namespace test_msgpack;  // NOLINT(google-build-using-namespace): one letter a word

constexpr ArrivalTime kArrival{std::chrono::microseconds(1'700'000'000'123'456)};

/// {"m":"cpu","columns":{...}}
std::string request(const std::vector<std::pair<std::string, std::string>>& columns) {
  std::string text = map(2) + str("m") + str("cpu") + str("columns") + map(columns.size());
  for (const auto& [name, array] : columns) {
    text += str(name);
    text += array;
  }
  return text;
}

std::string one(const std::vector<std::string>& values) {
  return request({{"v", array_of(values)}});
}

std::string times(const std::vector<std::string>& values) {
  return request({{"time", array_of(values)}});
}

Result<MeasurementBatch> decode(std::string_view body, int version = kMsgpackDecoderVersion) {
  // A copy of its own, so that the address sanitizer sees a read past its end.
  const std::vector<std::byte> copy(bytes::as_bytes(body).begin(), bytes::as_bytes(body).end());
  auto decoded = decode_msgpack(copy, kArrival, version);
  if (!decoded.ok()) {
    return std::move(decoded).error();
  }
  EXPECT_EQ(decoded->batches.size(), 1U);
  EXPECT_EQ(decoded->payloads, std::vector<std::string>(1));
  return std::move(decoded->batches.front());
}

/// The first column, or the refusal.
std::string outcome(std::string_view body, int version = kMsgpackDecoderVersion) {
  const auto result = decode(body, version);
  if (!result.ok()) {
    EXPECT_EQ(result.error().code, Code::kInvalid);
    return result.error().message;
  }
  return shown(result->batch.columns[0], result->batch.rows);
}

struct Case {
  const char* what;
  std::string body;
  std::string outcome;
};

void check(const std::vector<Case>& cases) {
  for (const Case& each : cases) {
    EXPECT_EQ(outcome(each.body), each.outcome) << each.what;
  }
}

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

TEST(DecodeMsgpack, MissingTimeIsTheArrivalOfEveryRow) {
  const auto result = decode(one({i64(1), i64(2)}));
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->batch.time_column, 1U);
  EXPECT_EQ(result->batch.time().name, "time");
  EXPECT_EQ(shown(result->batch.time(), 2), "time_us 1700000000123456 1700000000123456");
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

TEST(DecodeMsgpack, TimestampsAreExactInEveryForm) {
  constexpr auto kBillion = 1'000'000'000ULL;
  const auto eight = [](uint64_t ns, uint64_t seconds) {
    return "\xd7\xff" + be(ns << 34 | seconds, 8);
  };
  const std::string second_range = "a timestamp outside the years 1 to 9999";
  const std::string at = "column \"v\", row 0, byte 27: ";
  check({
      {"4 bytes", one({"\xd6\xff" + be(0, 4), "\xd6\xff" + be(0xffffffff, 4)}),
       "time_us 0 4294967295000000"},
      {"8 bytes", one({eight(0, 0), eight(999'999'000, (1ULL << 34) - 1)}),
       "time_us 0 17179869183999999"},
      {"8 bytes of nanoseconds", one({eight(1, 5), kNil}), "time_ns 5000000001 null"},
      {"12 bytes", one({moment(-1, 999'999'000), moment(5)}), "time_us -1 5000000"},
      {"12 bytes of nanoseconds", one({moment(-1, 999'999'999)}), "time_ns -1"},
      {"first nanosecond", one({moment(-9'223'286'400, 0), moment(-9'223'286'400, 1)}),
       "time_ns -9223286400000000000 -9223286399999999999"},
      {"before it", one({moment(-9'223'286'401, 1)}),
       at + "a timestamp with nanoseconds outside 1677-09-22 to 2262-04-11"},
      {"last", one({moment(9'223'372'036, 854'775'806)}), "time_ns 9223372036854775806"},
      {"behind it", one({moment(9'223'372'036, 854'775'807)}),
       at + "a timestamp with nanoseconds outside 1677-09-22 to 2262-04-11"},
      {"years", one({moment(-62'135'596'800), moment(253'402'300'799, 999'999'000)}),
       "time_us -62135596800000000 253402300799999999"},
      {"before year 1", one({moment(-62'135'596'801, 999'999'999)}), at + second_range},
      {"behind year 9999", one({moment(253'402'300'800)}), at + second_range},
      {"least", one({moment(std::numeric_limits<int64_t>::min())}), at + second_range},
      {"most", one({moment(std::numeric_limits<int64_t>::max())}), at + second_range},
      {"a whole second", one({moment(0, kBillion)}),
       at + "a timestamp with 1000000000 nanoseconds, a whole second or more"},
      {"5 bytes", one({ext(-1, "12345")}), at + "a timestamp of 5 bytes, not of 4, 8 or 12"},
      {"none", one({ext(-1, "")}), at + "a timestamp of 0 bytes, not of 4, 8 or 12"},
      {"far and fine", one({moment(253'402'300'799), moment(0, 1)}),
       "column \"v\", row 1, byte 42: time_ns does not fit a column of time_us: a time is outside "
       "1677 to 2262, which nanoseconds cannot hold"},
      {"fine and far", one({moment(0, 1), moment(253'402'300'799)}),
       "column \"v\", row 1, byte 42: time_us does not fit a column of time_ns: a time is outside "
       "1677 to 2262, which nanoseconds cannot hold"},
      {"among integers", one({moment(0), i64(1)}),
       "column \"v\", row 1, byte 42: i64 does not fit a column of time_us"},
  });
}

TEST(DecodeMsgpack, TheTimeMayBeTimestampsAmongIntegers) {
  check({
      {"alone", times({moment(5), moment(6, 1000)}), "time_us 5000000 6000001"},
      {"behind integers", times({i64(5), i64(1'700'000'000'001), moment(7)}),
       "time_us 5000000 1700000000001000 7000000"},
      {"nanoseconds", times({i64(5), moment(7, 1), i64(6)}),
       "time_ns 5000000000 7000000001 6000000000"},
      {"far ones", times({moment(253'402'300'799)}), "time_us 253402300799000000"},
      {"nil", times({moment(5), kNil}),
       "column \"time\", row 1, byte 45: a time is an integer or a timestamp, this is nil"},
      {"a float before", times({f64(5), moment(5)}),
       "column \"time\", row 0, byte 30: a time is an integer or a timestamp, this is a float"},
      {"too large", times({moment(5), u64(1ULL << 63)}),
       "column \"time\", row 1, byte 45: nanoseconds end in 2262"},
      {"another extension", times({ext(1, "x")}),
       "column \"time\", row 0, byte 30: a time is an integer or a timestamp, this is an "
       "extension"},
  });
  const auto result = decode(times({moment(5, 1), i64(6)}));
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->batch.time().name, "time");
  EXPECT_EQ(result->batch.time().null_count, 0U);
}

TEST(DecodeMsgpack, TimeUnitIsByMagnitudeAndExact) {
  check({
      {"seconds", times({i64(0), i64(1), i64(9'999'999'999)}),
       "time_us 0 1000000 9999999999000000"},
      {"milliseconds", times({i64(10'000'000'000), i64(9'999'999'999'999)}),
       "time_us 10000000000000 9999999999999000"},
      {"microseconds", times({i64(10'000'000'000'000), i64(9'999'999'999'999'999)}),
       "time_us 10000000000000 9999999999999999"},
      {"whole nanoseconds", times({i64(10'000'000'000'000'000)}), "time_us 10000000000000"},
      {"nanoseconds", times({i64(1'700'000'000'000'000'001)}), "time_ns 1700000000000000001"},
      {"before 1970", times({i64(-1), i64(-10'000'000'000), i64(-10'000'000'000'000)}),
       "time_us -1000000 -10000000000000 -10000000000000"},
      {"nanoseconds before 1970", times({i64(-1'700'000'000'000'000'001)}),
       "time_ns -1700000000000000001"},
      {"mixed units",
       times({i64(1'700'000'000), u64(1'700'000'000'001), i64(1'700'000'000'000'002),
              i64(1'700'000'000'000'003'000)}),
       "time_us 1700000000000000 1700000000001000 1700000000000002 1700000000000003"},
      {"one nanosecond makes all ns",
       times({"\x01"s, i64(-1'700'000'000'000), i64(1'700'000'000'000'000'005)}),
       "time_ns 1000000000 -1700000000000000000 1700000000000000005"},
      {"edges of nanoseconds",
       times({i64(-9'223'286'400'000'000'000), i64(std::numeric_limits<int64_t>::max() - 1)}),
       "time_ns -9223286400000000000 9223372036854775806"},
      {"SQL's infinity", times({i64(1), i64(std::numeric_limits<int64_t>::max())}),
       "column \"time\", row 1, byte 39: nanoseconds outside 1677-09-22 to 2262-04-11"},
      {"before the first whole day", times({i64(-9'223'286'400'000'000'001)}),
       "column \"time\", row 0, byte 30: nanoseconds outside 1677-09-22 to 2262-04-11"},
      {"whole microseconds before the first whole day", times({i64(-9'223'286'400'000'001'000)}),
       "column \"time\", row 0, byte 30: nanoseconds outside 1677-09-22 to 2262-04-11"},
      {"small encodings", times({"\x05"s, "\xcc\xff"s, "\xd0\xff"s}),
       "time_us 5000000 255000000 -1000000"},
      {"2263 in microseconds", times({i64(9'250'000'000'000'000)}), "time_us 9250000000000000"},
      {"2263 beside nanoseconds",
       times({i64(1'700'000'000'000'000'005), i64(9'250'000'000'000'000)}),
       "column \"time\", row 1, byte 39: outside 1677-09-22 to 2262-04-11, in a request with times "
       "in nanoseconds"},
      {"unsigned beyond", times({i64(1), u64(uint64_t{1} << 63)}),
       "column \"time\", row 1, byte 39: nanoseconds end in 2262"},
      {"float", times({f64(1.7e9)}),
       "column \"time\", row 0, byte 30: a time is an integer or a timestamp, this is a float"},
      {"nil", times({i64(1), kNil}),
       "column \"time\", row 1, byte 39: a time is an integer or a timestamp, this is nil"},
      {"string", times({str("2024-01-01")}),
       "column \"time\", row 0, byte 30: a time is an integer or a timestamp, this is a string"},
      {"cut short", times({i64(1), "\xd3\x00"s}),
       "column \"time\", row 1, byte 39: a time is an integer or a timestamp, this is the end of "
       "the request"},
      {"no rows", times({}), "time_us"},
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
  const auto result = decode_msgpack(bytes::as_bytes(*body), kArrival);
  body.reset();
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->batches[0].batch.columns[0].text(0), "kept");
  EXPECT_EQ(result->batches[0].batch.columns[0].name, "v");
}

}  // namespace
}  // namespace millrace::columnar
