#include "columnar/decode_msgpack_test.h"

#include <limits>
#include <string>
#include <vector>

namespace millrace::columnar {
namespace {

using std::string_literals::operator""s;
using namespace test_msgpack;  // NOLINT(google-build-using-namespace): one letter a word

TEST(DecodeMsgpack, MissingTimeIsTheArrivalOfEveryRow) {
  const auto result = decode(one({i64(1), i64(2)}));
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->batch.time_column, 1U);
  EXPECT_EQ(result->batch.time().name, "time");
  EXPECT_EQ(shown(result->batch.time(), 2), "time_us 1700000000123456 1700000000123456");
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

TEST(DecodeMsgpack, TheTimeMayBeOfADeclaredPrecision) {
  const auto of = [](Precision precision, const std::vector<std::string>& values) {
    const auto result = decode(times(values), kMsgpackDecoderVersion, precision);
    return result.ok() ? shown(result->batch.time(), result->batch.rows) : result.error().message;
  };
  EXPECT_EQ(of(Precision::kNs, {i64(5'000), i64(-1'000)}), "time_us 5 -1");
  EXPECT_EQ(of(Precision::kNs, {i64(5'000), i64(1)}), "time_ns 5000 1");
  EXPECT_EQ(of(Precision::kNs, {i64(kFirstNs), i64(kLastNs)}),
            "time_ns -9223286400000000000 9223372036854775806");
  EXPECT_EQ(of(Precision::kNs, {i64(0), i64(kLastNs + 1)}),
            "column \"time\", row 1, byte 39: nanoseconds outside 1677-09-22 to 2262-04-11");
  EXPECT_EQ(of(Precision::kUs, {i64(5), i64(17'000'000'000'000'000)}),
            "time_us 5 17000000000000000");
  EXPECT_EQ(of(Precision::kMs, {i64(5), i64(-5)}), "time_us 5000 -5000");
  EXPECT_EQ(of(Precision::kS, {i64(17'000'000'000)}), "time_us 17000000000000000");
  EXPECT_EQ(of(Precision::kMinute, {i64(2)}), "time_us 120000000");
  EXPECT_EQ(of(Precision::kHour, {i64(2), moment(1)}), "time_us 7200000000 1000000");
  EXPECT_EQ(of(Precision::kS, {i64(kFirstSecond), i64(kLastSecond)}),
            "time_us -62135596800000000 253402300799000000");
  EXPECT_EQ(of(Precision::kUs, {i64(kLastSecond * 1'000'000 + 999'999)}),
            "time_us 253402300799999999");
  for (const int64_t outside : {kFirstSecond - 1, kLastSecond + 1, kLastNs, -kLastNs}) {
    EXPECT_EQ(of(Precision::kS, {i64(outside)}),
              "column \"time\", row 0, byte 30: a time outside the years 1 to 9999");
  }
}

}  // namespace
}  // namespace millrace::columnar
