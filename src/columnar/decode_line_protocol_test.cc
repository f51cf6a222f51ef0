#include "columnar/decode_line_protocol.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace millrace::columnar {
namespace {

using std::string_literals::operator""s;

constexpr ArrivalTime kArrival{std::chrono::microseconds(1'700'000'000'123'456)};

std::string shown(const Column& column, size_t row) {
  switch (column.type) {
    case ColumnType::kBool:
      return column.values_as<uint8_t>()[row] != 0 ? "true" : "false";
    case ColumnType::kI64:
      return fmt::format("{}i", column.values_as<int64_t>()[row]);
    case ColumnType::kU64:
      return fmt::format("{}u", column.values_as<uint64_t>()[row]);
    case ColumnType::kF64:
      return fmt::format("{}", column.values_as<double>()[row]);
    case ColumnType::kString:
      return fmt::format("'{}'", column.text(row));
    default:
      return "?";
  }
}

/// " @1000" in nanoseconds; "" for the arrival.
std::string shown_time(const Column& time, size_t row) {
  const int64_t value = time.values_as<int64_t>()[row];
  if (time.type == ColumnType::kTimeUs && value == kArrival.time_since_epoch().count()) {
    return "";
  }
  return fmt::format(" @{}{}", value, time.type == ColumnType::kTimeUs ? "us" : "ns");
}

/// Rows as "m #tag='a' field=1i @5us", measurement by measurement, then errors as "!LINE reason".
std::string outcome(std::string_view body, std::string_view precision = "ns") {
  // A copy of its own, so that the address sanitizer sees a read past its end.
  const std::vector<char> copy(body.begin(), body.end());
  const auto result = decode_line_protocol({copy.data(), copy.size()},
                                           parse_precision(precision).value(), kArrival);
  if (!result.ok()) {
    return result.error().message;
  }
  std::string text;
  size_t rows = 0;
  for (const MeasurementBatch& each : result->batches) {
    const ColumnBatch& batch = each.batch;
    rows += batch.rows;
    EXPECT_EQ(batch.time_column, 0U);
    for (size_t row = 0; row < batch.rows; ++row) {
      text += text.empty() ? "" : " | ";
      text += each.measurement;
      for (size_t i = 1; i < batch.columns.size(); ++i) {
        const Column& column = batch.columns[i];
        if (!column.is_null(row)) {
          text +=
              fmt::format(" {}{}={}", column.is_tag ? "#" : "", column.name, shown(column, row));
        }
      }
      text += shown_time(batch.time(), row);
    }
  }
  EXPECT_EQ(rows, result->rows);
  EXPECT_EQ(result->errors.size(), result->error_count);
  for (const LineError& error : result->errors) {
    text += fmt::format("{}!{} {}", text.empty() ? "" : " | ", error.line, error.message);
  }
  return text;
}

struct Case {
  std::string body;
  std::string outcome;
};

void check(const std::vector<Case>& cases) {
  for (const Case& each : cases) {
    EXPECT_EQ(outcome(each.body), each.outcome) << each.body;
  }
}

TEST(LineProtocol, ReadsPlainLines) {
  check({
      {"m f=1", "m f=1"},
      {"m f=1 5000", "m f=1 @5us"},
      {"m f=1 5001", "m f=1 @5001ns"},
      {"m,t=a f=1", "m #t='a' f=1"},
      {"m,t=a,u=b f=1,g=2", "m #t='a' #u='b' f=1 g=2"},
      {"m f=1\n", "m f=1"},
      {"m f=1\r\n", "m f=1"},
      {"m f=1 5000\r\n", "m f=1 @5us"},
      {"m f=1\r", "m f=1"},
      {"m f=\"a\"\r\nm f=\"b\"\r\n", "m f='a' | m f='b'"},
      {"m f=1\nm f=2\n", "m f=1 | m f=2"},
      {"m f=1\nn f=2\nm f=3", "m f=1 | m f=3 | n f=2"},
      {"m   f=1   5000   ", "m f=1 @5us"},
      {"  m f=1", "m f=1"},
      {"\tm f=1", "m f=1"},
      {"m \tf=1 \t5000 \t", "m f=1 @5us"},
      {"", ""},
      {"\n\n", ""},
      {"   ", ""},
      {" \r\n", ""},
      {"# comment", ""},
      {"  # comment\nm f=1", "m f=1"},
      {"# with \"quote\nm f=1", "m f=1"},
      {"#m f=1\n\n#\nm f=2\n#", "m f=2"},
      {"m#x f=1", "m#x f=1"},
      {"m f=1 #5", "!1 timestamp \"#5\" is no integer"},
  });
}

TEST(LineProtocol, ReadsNumbers) {
  check({
      {"m f=0i", "m f=0i"},
      {"m f=-0i", "m f=0i"},
      {"m f=007i", "m f=7i"},
      {"m f=9223372036854775807i", "m f=9223372036854775807i"},
      {"m f=-9223372036854775808i", "m f=-9223372036854775808i"},
      {"m f=9223372036854775808i",
       "!1 field \"f\": \"9223372036854775808i\" is outside 64 bits with sign"},
      {"m f=-9223372036854775809i",
       "!1 field \"f\": \"-9223372036854775809i\" is outside 64 bits with sign"},
      {"m f=0u", "m f=0u"},
      {"m f=18446744073709551615u", "m f=18446744073709551615u"},
      {"m f=18446744073709551616u", "!1 field \"f\": \"18446744073709551616u\" is outside 64 bits"},
      {"m f=-1u", "!1 field \"f\": \"-1u\" is no integer"},
      {"m f=9007199254740993i", "m f=9007199254740993i"},
      {"m f=1.0", "m f=1"},
      {"m f=-1.5", "m f=-1.5"},
      {"m f=1.", "m f=1"},
      {"m f=.5", "m f=0.5"},
      {"m f=-.5", "m f=-0.5"},
      {"m f=00.5", "m f=0.5"},
      {"m f=1e3", "m f=1000"},
      {"m f=1E3", "m f=1000"},
      {"m f=1e+3", "m f=1000"},
      {"m f=1e-3", "m f=0.001"},
      {"m f=-1.25e-2", "m f=-0.0125"},
      {"m f=-0", "m f=-0"},
      {"m f=0.1", "m f=0.1"},
      {"m f=1.7976931348623157e308", "m f=1.7976931348623157e+308"},
      {"m f=5e-324", "m f=5e-324"},
      {"m f=1e-400", "m f=0"},
      {"m f=-1e-400", "m f=-0"},
      {"m f=1e400", "!1 field \"f\": \"1e400\" is too large for a double"},
      {"m f=-1e400", "!1 field \"f\": \"-1e400\" is too large for a double"},
      {"m f=" + std::string(400, '9') + ".5",
       "!1 field \"f\": \"" + std::string(40, '9') + "...\" is too large for a double"},
      {"m f=123456789012345678", "m f=1.2345678901234568e+17"},
      {"m f=1.5i", "!1 field \"f\": \"1.5i\" is no integer"},
      {"m f=1e3i", "!1 field \"f\": \"1e3i\" is no integer"},
      {"m f=1ii", "!1 field \"f\": \"1ii\" is no integer"},
      {"m f=1iu", "!1 field \"f\": \"1iu\" is no integer"},
      {"m f=i", "!1 field \"f\": \"i\" is no number, no bool and not in quotes"},
      {"m f=-i", "!1 field \"f\": \"-i\" is no number, no bool and not in quotes"},
      {"m f=-", "!1 field \"f\": \"-\" is no number, no bool and not in quotes"},
      {"m f=+1", "!1 field \"f\": \"+1\" is no number, no bool and not in quotes"},
      {"m f=.", "!1 field \"f\": \".\" is no number, no bool and not in quotes"},
      {"m f=.i", "!1 field \"f\": \".i\" is no integer"},
      {"m f=1e", "!1 field \"f\": \"1e\" is no number, no bool and not in quotes"},
      {"m f=1.2.3", "!1 field \"f\": \"1.2.3\" is no number, no bool and not in quotes"},
      {"m f=0x10", "!1 field \"f\": \"0x10\" is no number, no bool and not in quotes"},
      {"m f=1_000", "!1 field \"f\": \"1_000\" is no number, no bool and not in quotes"},
      {"m f=1abc", "!1 field \"f\": \"1abc\" is no number, no bool and not in quotes"},
      {"m f=12xi", "!1 field \"f\": \"12xi\" is no integer"},
      {"m f=NaN", "!1 field \"f\": \"NaN\" is no number, no bool and not in quotes"},
      {"m f=nan", "!1 field \"f\": \"nan\" is no number, no bool and not in quotes"},
      {"m f=inf", "!1 field \"f\": \"inf\" is no number, no bool and not in quotes"},
      {"m f=-Inf", "!1 field \"f\": \"-Inf\" is no number, no bool and not in quotes"},
      {"m f=1\\,2", "!1 field \"f\": \"1\\\" is no number, no bool and not in quotes"},
  });
}

TEST(LineProtocol, ReadsBools) {
  for (const std::string yes : {"t", "T", "true", "True", "TRUE"}) {
    EXPECT_EQ(outcome("m f=" + yes), "m f=true");
  }
  for (const std::string no : {"f", "F", "false", "False", "FALSE"}) {
    EXPECT_EQ(outcome("m f=" + no), "m f=false");
  }
  for (const std::string other : {"tRUE", "tr", "yes", "trueX", "FALSEi"}) {
    EXPECT_EQ(outcome("m f=" + other),
              "!1 field \"f\": \"" + other + "\" is no number, no bool and not in quotes");
  }
}

TEST(LineProtocol, ReadsStrings) {
  check({
      {R"(m f="")", "m f=''"},
      {R"(m f="a b")", "m f='a b'"},
      {R"(m f="a,b=c d" 5000)", "m f='a,b=c d' @5us"},
      {R"(m f="a",g="b")", "m f='a' g='b'"},
      {R"(m f="say \"hi\"")", R"(m f='say "hi"')"},
      {R"(m f="back\\slash")", R"(m f='back\slash')"},
      {R"(m f="end\\")", R"(m f='end\')"},
      {R"(m f="end\\",g=1)", R"(m f='end\' g=1)"},
      {R"(m f="\\\"")", R"(m f='\"')"},
      {R"(m f="\n\t\,\ \=")", R"(m f='\n\t\,\ \=')"},
      {"m f=\"two\nlines\"", "m f='two\nlines'"},
      {"m f=\"two\nlines\" 5000\nm f=\"x\"", "m f='two\nlines' @5us | m f='x'"},
      {"m f=\"a\r\nb\"\r\n", "m f='a\r\nb'"},
      {"m f=\"# no comment\n# either\"", "m f='# no comment\n# either'"},
      {"m f=\"gr\xC3\xBC\xC3\x9F\"", "m f='gr\xC3\xBC\xC3\x9F'"},
      {"m f=\"a\0b\""s, "m f='a\0b'"s},
      {R"(m f="a)", "!1 field \"f\": the string is not closed"},
      {R"(m f=")", "!1 field \"f\": the string is not closed"},
      {R"(m f="a\")", "!1 field \"f\": the string is not closed"},
      {R"(m f="a"b)", "!1 field \"f\": text behind the string"},
      {R"(m f="a""b")", "!1 field \"f\": text behind the string"},
      {R"(m f="a"i)", "!1 field \"f\": text behind the string"},
      {R"(m f=a"b")", "!1 field \"f\": \"a\"b\"\" is no number, no bool and not in quotes"},
      {R"(m f='a')", "!1 field \"f\": \"'a'\" is no number, no bool and not in quotes"},
      {R"(m f=\"a\")", "!1 field \"f\": \"\\\"a\\\"\" is no number, no bool and not in quotes"},
      {R"(m f=text)", "!1 field \"f\": \"text\" is no number, no bool and not in quotes"},
  });
}

TEST(LineProtocol, EscapesAreThoseOfInflux) {
  check({
      {R"(a\ b f=1)", "a b f=1"},
      {R"(a\,b f=1)", "a,b f=1"},
      {R"(a=b f=1)", "a=b f=1"},
      {R"(a\=b f=1)", R"(a\=b f=1)"},
      {R"(a\b f=1)", R"(a\b f=1)"},
      {R"(a\\b f=1)", R"(a\\b f=1)"},
      {R"(a\\ b f=1)", R"(a\ b f=1)"},
      {R"("m" f=1)", R"("m" f=1)"},
      {R"("a\ b" f=1)", R"("a b" f=1)"},
      {R"(m,t=a\ b f=1)", "m #t='a b' f=1"},
      {R"(m,t=a\,b f=1)", "m #t='a,b' f=1"},
      {R"(m,t=a\=b f=1)", "m #t='a=b' f=1"},
      {R"(m,t=a\b f=1)", R"(m #t='a\b' f=1)"},
      {R"(m,t=a\\b f=1)", R"(m #t='a\\b' f=1)"},
      {R"(m,t=C:\\\ x f=1)", R"(m #t='C:\\ x' f=1)"},
      {R"(m,t="a" f=1)", R"(m #t='"a"' f=1)"},
      {R"(m,t="a,u=b" f=1)", R"(m #t='"a' #u='b"' f=1)"},
      {R"(m,t=" f=1)", R"(m #t='"' f=1)"},
      {R"(m,t\ x=a f=1)", "m #t x='a' f=1"},
      {R"(m,t\,x=a f=1)", "m #t,x='a' f=1"},
      {R"(m,t\=x=a f=1)", "m #t=x='a' f=1"},
      {R"(m,"t"=a f=1)", R"(m #"t"='a' f=1)"},
      {R"(m f\ x=1)", "m f x=1"},
      {R"(m f\,x=1)", "m f,x=1"},
      {R"(m f\=x=1)", "m f=x=1"},
      {R"(m "f"=1)", R"(m "f"=1)"},
      {R"(m f\"x=1)", R"(m f\"x=1)"},
      {R"(m,t=a\ b,u=c\,d f\ x="q\"r" 5000)", "m #t='a b' #u='c,d' f x='q\"r' @5us"},
      {"m,t=a\\\nm f=1", "m f=1 | !1 there is no field"},
      {R"(m,t=\  f=1)", "m #t=' ' f=1"},
      {"m,gr\xC3\xBC=\xE2\x82\xAC f=1", "m #gr\xC3\xBC='\xE2\x82\xAC' f=1"},
      {"m,t=a\tb f=1", "m #t='a\tb' f=1"},
  });
}

TEST(LineProtocol, ReportsWhatIsMissingOrTwice) {
  check({
      {"m", "!1 there is no field"},
      {"m ", "!1 there is no field"},
      {"m,t=a", "!1 there is no field"},
      {"m,t=a ", "!1 there is no field"},
      {",t=a f=1", "!1 the measurement is missing"},
      {"m, f=1", "!1 a tag key is missing"},
      {"m,=a f=1", "!1 a tag key is missing"},
      {"m,,t=a f=1", "!1 a tag key is missing"},
      {"m,t f=1", "!1 tag \"t\" has no value"},
      {"m,t= f=1", "!1 tag \"t\" has no value"},
      {"m,t=,u=b f=1", "!1 tag \"t\" has no value"},
      {"m,t=a, f=1", "!1 a tag key is missing"},
      {"m,t=a=b f=1", "!1 tag \"t\": an equals sign needs a backslash"},
      {"m =1", "!1 a field key is missing"},
      {"m f", "!1 field \"f\" has no value"},
      {"m f=", "!1 field \"f\": \"\" has no value"},
      {"m f=,g=1", "!1 field \"f\": \"\" has no value"},
      {"m f= 5", "!1 field \"f\": \"\" has no value"},
      {"m f=1,", "!1 a field key is missing"},
      {"m f=1, g=2", "!1 a field key is missing"},
      {"m f=1,,g=2", "!1 a field key is missing"},
      {"m f=1 g=2", "!1 timestamp \"g=2\" is no integer"},
      {"m f=1=2", "!1 field \"f\": \"1=2\" is no number, no bool and not in quotes"},
      {"m,t=a,t=b f=1", "!1 \"t\" stands twice among tags and fields"},
      {"m f=1,f=2", "!1 \"f\" stands twice among tags and fields"},
      {"m,f=a f=1", "!1 \"f\" stands twice among tags and fields"},
      {R"(m,a\ b=x a\ b=1)", "!1 \"a b\" stands twice among tags and fields"},
      {"m,time=a f=1", "!1 \"time\" is the timestamp's name and cannot be a tag or a field"},
      {"m time=1", "!1 \"time\" is the timestamp's name and cannot be a tag or a field"},
      {"m f=1 5 6", "!1 text behind the timestamp \"5\""},
      {"{\"json\":1}", "!1 there is no field"},
      {std::string(1025, 'm') + " f=1", "!1 the measurement's name is longer than 1024 bytes"},
      {"m " + std::string(1025, 'f') + "=1", "!1 a field key is longer than 1024 bytes"},
  });
}

TEST(LineProtocol, TimesAreExactInEveryPrecision) {
  EXPECT_EQ(outcome("m f=1 1", "ns"), "m f=1 @1ns");
  EXPECT_EQ(outcome("m f=1 1", "n"), "m f=1 @1ns");
  EXPECT_EQ(outcome("m f=1 1", "us"), "m f=1 @1us");
  EXPECT_EQ(outcome("m f=1 1", "u"), "m f=1 @1us");
  EXPECT_EQ(outcome("m f=1 1", "ms"), "m f=1 @1000us");
  EXPECT_EQ(outcome("m f=1 1", "s"), "m f=1 @1000000us");
  EXPECT_EQ(outcome("m f=1 1", "m"), "m f=1 @60000000us");
  EXPECT_EQ(outcome("m f=1 1", "h"), "m f=1 @3600000000us");
  EXPECT_EQ(outcome("m f=1 -1", "ns"), "m f=1 @-1ns");
  EXPECT_EQ(outcome("m f=1 -1", "h"), "m f=1 @-3600000000us");
  EXPECT_EQ(outcome("m f=1 0", "s"), "m f=1 @0us");
  EXPECT_EQ(outcome("m f=1 1700000000", "ns"), "m f=1 @1700000us");  // never by magnitude
  EXPECT_EQ(outcome("m f=1 9223372036854775806", "ns"), "m f=1 @9223372036854775806ns");
  EXPECT_EQ(outcome("m f=1 -9223286399999999999", "ns"), "m f=1 @-9223286399999999999ns");
  EXPECT_EQ(outcome("m f=1 9223372036", "s"), "m f=1 @9223372036000000us");
  EXPECT_EQ(outcome("m f=1 1\nm f=2 2000\nm f=3"),
            "m f=1 @1ns | m f=2 @2000ns | m f=3 @1700000000123456000ns");
  EXPECT_EQ(outcome("m f=1 1\nn f=2 2000"), "m f=1 @1ns | n f=2 @2us");
  for (const int64_t arrival : {int64_t{9'700'000'000'123'456}, int64_t{-9'223'286'400'000'001}}) {
    const auto late = decode_line_protocol("m f=1", Precision::kNs,
                                           ArrivalTime(std::chrono::microseconds(arrival)));
    EXPECT_EQ(late.error().code, Code::kInvalid);
  }
  const std::string outside = " is outside 1677-09-22 to 2262-04-11";
  const std::string in_unit = outside + "; is its unit the request's precision?";
  EXPECT_EQ(outcome("m f=1 9223372036854775807"), "!1 timestamp \"9223372036854775807\"" + outside);
  EXPECT_EQ(outcome("m f=1 -9223286400000000001"),
            "!1 timestamp \"-9223286400000000001\"" + outside);
  EXPECT_EQ(outcome("m f=1 9223372037", "s"), "!1 timestamp \"9223372037\"" + in_unit);
  EXPECT_EQ(outcome("m f=1 -9223372037", "s"), "!1 timestamp \"-9223372037\"" + in_unit);
  EXPECT_EQ(outcome("m f=1 1700000000000", "s"), "!1 timestamp \"1700000000000\"" + in_unit);
  EXPECT_EQ(outcome("m f=1 9223372036855", "ms"), "!1 timestamp \"9223372036855\"" + in_unit);
  EXPECT_EQ(outcome("m f=1 9223372036854776", "us"), "!1 timestamp \"9223372036854776\"" + in_unit);
  EXPECT_EQ(outcome("m f=1 2562048", "h"), "!1 timestamp \"2562048\"" + in_unit);
  EXPECT_EQ(outcome("m f=1 9223372036854775808"),
            "!1 timestamp \"9223372036854775808\" is outside 64 bits with sign");
  for (const std::string text :
       {"1.5", "1e9", "5i", "+5", "now", "-", "0x1", "2024-01-01T00:00:00Z"}) {
    EXPECT_EQ(outcome("m f=1 " + text), "!1 timestamp \"" + text + "\" is no integer");
  }
  for (const std::string_view other : {"", "S", "sec", "d", "nanoseconds", "us "}) {
    EXPECT_FALSE(parse_precision(other).has_value()) << other;
  }
}

TEST(LineProtocol, BadLinesKeepTheirNeighbours) {
  check({
      {"m f=1\nbad\nm f=2", "m f=1 | m f=2 | !2 there is no field"},
      {"bad\n\n# c\nbad2\nm f=2", "m f=2 | !1 there is no field | !4 there is no field"},
      {"m f=\"a\nb\"\nbad\nm f=\"c\"", "m f='a\nb' | m f='c' | !3 there is no field"},
      {"m f=x,g=\"a\nm g=\\\"1\nb\"\nm f=2",
       "m f=2 | !1 field \"f\": \"x\" is no number, no bool and not in quotes"},
      {"m f=\"a\nn i=1\n\" x=1 5\nm f=2", "m f=2 | !1 text behind the timestamp \"x=1\""},
      {"m f=\"a\nn i=1\n\"x\nm f=2", "m f=2 | !1 field \"f\": text behind the string"},
      {"m f=\"open\nm f=2", "m f=2 | !1 field \"f\": the string is not closed"},
      {"m f=1,g=\"open\nm f=2\nm f=3", "m f=2 | m f=3 | !1 field \"g\": the string is not closed"},
      {"m f=\"a\nn i=1\n\",g=\"open\nm f=2", "m f=2 | !1 field \"g\": the string is not closed"},
      {R"(m\ x f="a)"
       "\n"
       R"(\"b",g="open)",
       "!1 field \"g\": the string is not closed"},
      {"m,t=\" f=bad\nm,t=\" f=2",
       "m #t='\"' f=2 | !1 field \"f\": \"bad\" is no number, no bool and not in quotes"},
      {"m,t=\"x f=1,f=1\nm f=2", "m f=2 | !1 \"f\" stands twice among tags and fields"},
      {"m f=\xFF\nm f=2", "m f=2 | !1 field \"f\": \"?\" is no number, no bool and not in quotes"},
      {"m f=\"\xFF\"\nm f=2", "m f=2 | !1 not UTF-8 at byte 5 of the line"},
      {"m,t=\xC3 f=1\nm,t=\xC3\xBC f=2",
       "m #t='\xC3\xBC' f=2 | !1 not UTF-8 at byte 4 of the line"},
      {"m f=\"\xC3\nm f=\"\xBC\"", "!1 field \"f\": text behind the string"},
      {"m\xED\xA0\x80 f=1", "!1 not UTF-8 at byte 1 of the line"},
  });
}

TEST(LineProtocol, TypesMeetByTheWideningRules) {
  const std::string beyond =
      ": an integer is beyond 2^53, which a double cannot hold exactly, as earlier rows made it";
  check({
      {"m f=1i\nm f=2.5", "m f=1 | m f=2.5"},
      {"m f=2.5\nm f=1i", "m f=2.5 | m f=1"},
      {"m f=9007199254740993i\nm f=2.5\nm f=3i",
       "m f=9007199254740993i | m f=3i | !2 field \"f\": f64 does not fit a column of i64" +
           beyond},
      {"m f=2.5\nm f=9007199254740993i\nm f=3i",
       "m f=2.5 | m f=3 | !2 field \"f\": i64 does not fit a column of f64" + beyond},
      {"m f=1i\nm f=2u", "m f=1i | m f=2i"},
      {"m f=1u\nm f=2i", "m f=1u | m f=2u"},
      {"m f=1i\nm f=9223372036854775808u", "m f=1u | m f=9223372036854775808u"},
      {"m f=1u\nm f=-1i\nm f=3u",
       "m f=1u | m f=3u | !2 field \"f\": i64 does not fit a column of u64: one column cannot hold "
       "values below 0 and above 2^63-1, as earlier rows made it"},
      {"m f=1\nm f=\"a\"\nm f=2",
       "m f=1 | m f=2 | !2 field \"f\": string does not fit a column of f64, as earlier rows made "
       "it"},
      {"m f=t\nm f=1i",
       "m f=true | !2 field \"f\": i64 does not fit a column of bool, as earlier rows made it"},
      {"m f=\"a\"\nn f=1", "m f='a' | n f=1"},
      {"m g=1,f=1\nm g=2,f=\"a\"\nm g=3",
       "m g=1 f=1 | m g=3 | !2 field \"f\": string does not fit a column of f64, as earlier rows "
       "made it"},
      {"m,a=x f=1\nm a=1", "m #a='x' f=1 | !2 \"a\" is a field here and a tag in an earlier row"},
      {"m a=1\nm,a=x f=1", "m a=1 | !2 \"a\" is a tag here and a field in an earlier row"},
  });
}

TEST(LineProtocol, AbsentFieldsAreNullAndOrderDoesNotMatter) {
  check({
      {"m a=1\nm b=2\nm a=3,b=4\nm b=5,a=6", "m a=1 | m b=2 | m a=3 b=4 | m a=6 b=5"},
      {"m,t=x a=1\nm,u=y a=2\nm a=3", "m #t='x' a=1 | m a=2 #u='y' | m a=3"},
      {"m,t=x,u=y a=1\nm,u=y,t=x a=2", "m #t='x' #u='y' a=1 | m #t='x' #u='y' a=2"},
      {"m s=\"\"\nm a=1", "m s='' | m a=1"},
  });
}

TEST(LineProtocol, TellsAHundredErrorsAndCountsTheRest) {
  std::string body;
  for (int i = 0; i < 250; ++i) {
    body += "bad\nm f=1\n";
  }
  const auto result = decode_line_protocol(body, Precision::kNs, kArrival);
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->rows, 250U);
  EXPECT_EQ(result->error_count, 250U);
  ASSERT_EQ(result->errors.size(), kMostLineErrors);
  EXPECT_EQ(result->errors.back().line, 199U);
}

TEST(LineProtocol, ManyMeasurementsAndColumnsAreRefusedLineByLine) {
  std::string measurements;
  for (size_t i = 0; i <= kMostMeasurements; ++i) {
    measurements += fmt::format("m{} f=1\n", i);
  }
  const auto many = decode_line_protocol(measurements, Precision::kNs, kArrival);
  EXPECT_EQ(many->rows, kMostMeasurements);
  EXPECT_EQ(many->errors.at(0).line, kMostMeasurements + 1);

  std::string wide = "m f0=1";
  for (size_t i = 1; i < kMostColumns - 1; ++i) {
    wide += fmt::format(",f{}=1", i);
  }
  EXPECT_EQ(decode_line_protocol(wide, Precision::kNs, kArrival)->rows, 1U);
  EXPECT_EQ(decode_line_protocol(wide + ",g=1", Precision::kNs, kArrival)->rows, 0U);
  EXPECT_EQ(decode_line_protocol(wide + "\nm g=1", Precision::kNs, kArrival)->rows, 1U);

  // A wide line makes every later row wide: memory stays bounded by the body's size.
  std::string sparse = wide;
  for (int i = 0; i < 10'000; ++i) {
    sparse += "\nm f0=1";
  }
  const auto bounded = decode_line_protocol(sparse, Precision::kNs, kArrival);
  EXPECT_EQ(bounded->rows, (size_t{1} << 20) / kMostColumns);
  EXPECT_LE(bounded->batches[0].batch.size_bytes(), size_t{9} << 20);
  EXPECT_NE(bounded->errors.at(0).message.find("in parts"), std::string::npos);
}

TEST(LineProtocol, AllBadLinesGiveNoBatch) {
  const auto result = decode_line_protocol("bad\n", Precision::kNs, kArrival);
  EXPECT_TRUE(result->batches.empty());
  EXPECT_EQ(result->error_count, 1U);
}

}  // namespace
}  // namespace millrace::columnar
