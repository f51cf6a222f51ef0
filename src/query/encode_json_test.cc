#include "query/encode_json.h"

#include "columnar/utf8.h"
#include "query/engine_test.h"
#include "query/time_text.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <gmock/gmock.h>

#include <cmath>
#include <cstring>
#include <limits>

namespace millrace::query {
namespace {

using testing::HasSubstr;

class EncodeJson : public EngineTest {
 protected:
  /// The one value of a SELECT, and its column's type in front of it.
  std::string value(const std::string& expression) {
    std::string document = answer("SELECT " + expression + " AS x");
    const auto type = document.find("\"type\":\"");
    const auto rows = document.find("\"}],\"rows\":[[");
    if (type == std::string::npos || rows == std::string::npos) {
      return document;
    }
    EXPECT_TRUE(nlohmann::json::accept(document)) << document;
    return document.substr(type + 8, rows - type - 8) + " " +
           document.substr(rows + 13, document.size() - rows - 13 - 3);
  }
};

TEST_F(EncodeJson, Integers) {
  EXPECT_EQ(value("(-128)::TINYINT"), "TINYINT -128");
  EXPECT_EQ(value("32767::SMALLINT"), "SMALLINT 32767");
  EXPECT_EQ(value("(-2147483648)::INTEGER"), "INTEGER -2147483648");
  EXPECT_EQ(value("255::UTINYINT"), "UTINYINT 255");
  EXPECT_EQ(value("65535::USMALLINT"), "USMALLINT 65535");
  EXPECT_EQ(value("4294967295::UINTEGER"), "UINTEGER 4294967295");
  EXPECT_EQ(value("9007199254740992"), "BIGINT 9007199254740992");
  EXPECT_EQ(value("9007199254740993"), "BIGINT \"9007199254740993\"");
  EXPECT_EQ(value("-9007199254740992"), "BIGINT -9007199254740992");
  EXPECT_EQ(value("-9007199254740993"), "BIGINT \"-9007199254740993\"");
  EXPECT_EQ(value("'-9223372036854775808'::BIGINT"), "BIGINT \"-9223372036854775808\"");
  EXPECT_EQ(value("18446744073709551615::UBIGINT"), "UBIGINT \"18446744073709551615\"");
  EXPECT_EQ(value("7::UBIGINT"), "UBIGINT 7");
  EXPECT_EQ(value("'-170141183460469231731687303715884105728'::HUGEINT"),
            "HUGEINT \"-170141183460469231731687303715884105728\"");
  EXPECT_EQ(value("12::HUGEINT"), "HUGEINT 12");
  EXPECT_EQ(value("'340282366920938463463374607431768211455'::UHUGEINT"),
            "UHUGEINT \"340282366920938463463374607431768211455\"");
  EXPECT_EQ(value("12::UHUGEINT"), "UHUGEINT 12");
}

TEST_F(EncodeJson, Fractions) {
  EXPECT_EQ(value("0.1::DOUBLE"), "DOUBLE 0.1");
  EXPECT_EQ(value("1e300::DOUBLE"), "DOUBLE 1e+300");
  EXPECT_EQ(value("'5e-324'::DOUBLE"), "DOUBLE 5e-324");
  EXPECT_EQ(value("0.1::FLOAT"), "FLOAT 0.1");
  for (const char* odd : {"nan", "inf", "-inf"}) {
    EXPECT_EQ(value(fmt::format("'{}'::DOUBLE", odd)), "DOUBLE null");
    EXPECT_EQ(value(fmt::format("'{}'::FLOAT", odd)), "FLOAT null");
  }
  EXPECT_EQ(value("12.50"), "DECIMAL(4,2) 12.50");
  EXPECT_EQ(value("-0.05::DECIMAL(4,2)"), "DECIMAL(4,2) -0.05");
  EXPECT_EQ(value("1.5::DECIMAL(9,3)"), "DECIMAL(9,3) 1.500");
  EXPECT_EQ(value("90071992547409.93::DECIMAL(18,2)"), "DECIMAL(18,2) \"90071992547409.93\"");
  EXPECT_EQ(value("'-99999999999999999999999999999999999.999'::DECIMAL(38,3)"),
            "DECIMAL(38,3) \"-99999999999999999999999999999999999.999\"");
  EXPECT_EQ(value("'0.00000000000000000000000000000000000001'::DECIMAL(38,38)"),
            "DECIMAL(38,38) 0.00000000000000000000000000000000000001");
}

TEST_F(EncodeJson, Times) {
  EXPECT_EQ(value("TIMESTAMP '2013-01-01 05:00:00'"), "TIMESTAMP \"2013-01-01T05:00:00Z\"");
  EXPECT_EQ(value("TIMESTAMP '2013-01-01 05:00:00.5'"),
            "TIMESTAMP \"2013-01-01T05:00:00.500000Z\"");
  EXPECT_EQ(value("TIMESTAMP '1969-12-31 23:59:59.999999'"),
            "TIMESTAMP \"1969-12-31T23:59:59.999999Z\"");
  EXPECT_EQ(value("make_timestamp_ns(1700000000000000001)"),
            "TIMESTAMP_NS \"2023-11-14T22:13:20.000000001Z\"");
  EXPECT_EQ(value("make_timestamp_ns(-9223372036854775806)"),
            "TIMESTAMP_NS \"1677-09-21T00:12:43.145224194Z\"");
  EXPECT_EQ(value("'2013-01-01 05:00:00.25'::TIMESTAMP_MS"),
            "TIMESTAMP_MS \"2013-01-01T05:00:00.250Z\"");
  EXPECT_EQ(value("'2013-01-01 05:00:00'::TIMESTAMP_S"), "TIMESTAMP_S \"2013-01-01T05:00:00Z\"");
  EXPECT_EQ(value("TIMESTAMPTZ '2013-01-01 05:00:00+02'"),
            "TIMESTAMP WITH TIME ZONE \"2013-01-01T03:00:00Z\"");
  EXPECT_EQ(value("'infinity'::TIMESTAMP"), "TIMESTAMP \"infinity\"");
  EXPECT_EQ(value("'-infinity'::TIMESTAMP"), "TIMESTAMP \"-infinity\"");
  EXPECT_EQ(value("DATE '2000-02-29'"), "DATE \"2000-02-29\"");
  EXPECT_EQ(value("DATE '0044-03-15 (BC)'"), "DATE \"-0043-03-15\"");
  EXPECT_EQ(value("DATE '12345-01-02'"), "DATE \"+12345-01-02\"");
  EXPECT_EQ(value("'-infinity'::DATE"), "DATE \"-infinity\"");
  EXPECT_EQ(value("TIME '05:06:07'"), "TIME \"05:06:07\"");
  EXPECT_EQ(value("TIME '23:59:59.000001'"), "TIME \"23:59:59.000001\"");
  EXPECT_EQ(value("'05:06:07.5-03:30'::TIMETZ"), "TIME WITH TIME ZONE \"05:06:07.500000-03:30\"");
  EXPECT_EQ(value("INTERVAL '1 year 2 months 3 days 04:05:06.5'"),
            "INTERVAL \"1 year 2 months 3 days 04:05:06.5\"");
  EXPECT_EQ(value("INTERVAL '-25 hours'"), "INTERVAL \"-25:00:00\"");
  EXPECT_EQ(value("INTERVAL '0 days'"), "INTERVAL \"00:00:00\"");
}

TEST_F(EncodeJson, DaysAreThoseOfDuckDb) {
  EXPECT_EQ(rows("SELECT count(*) FROM range(-800000, 3000000, 37) t(d) WHERE strftime(DATE "
                 "'1970-01-01' + d::INTEGER, '%Y-%m-%d') IS NULL"),
            "[[0]]");
  const auto result =
      run("SELECT DATE '1970-01-01' + range::INTEGER, strftime(DATE '1970-01-01' + "
          "range::INTEGER, '%Y-%m-%d') FROM range(-719162, 2932896, 997)");
  ASSERT_TRUE(result.ok()) << result.error().message;
  const auto document = nlohmann::json::parse(result->pieces.front());
  ASSERT_GT(document["rows"].size(), 3000U);
  for (const auto& row : document["rows"]) {
    ASSERT_EQ(row[0], row[1]);
  }
}

TEST_F(EncodeJson, TextAndBytes) {
  EXPECT_EQ(value("'plain'"), "VARCHAR \"plain\"");
  EXPECT_EQ(value("''"), "VARCHAR \"\"");
  EXPECT_EQ(value("'a\"b\\c' || chr(10) || chr(13) || chr(9) || chr(1) || chr(31)"),
            "VARCHAR \"a\\\"b\\\\c\\n\\r\\t\\u0001\\u001f\"");
  EXPECT_EQ(value("'größe 日本 🙂'"), "VARCHAR \"größe 日本 🙂\"");
  EXPECT_EQ(value("'\\x00\\xFF'::BLOB"), "BLOB \"AP8=\"");
  EXPECT_EQ(value("'abc'::BLOB"), "BLOB \"YWJj\"");
  EXPECT_EQ(value("'a'::BLOB"), "BLOB \"YQ==\"");
  EXPECT_EQ(value("''::BLOB"), "BLOB \"\"");
  EXPECT_EQ(value("'0101101011'::BIT"), "BIT \"0101101011\"");
  EXPECT_EQ(value("'00112233-4455-6677-8899-aabbccddeeff'::UUID"),
            "UUID \"00112233-4455-6677-8899-aabbccddeeff\"");
  EXPECT_EQ(value("'y'::ENUM('x', 'y', 'it''s')"), "ENUM('x', 'y', 'it''s') \"y\"");
  EXPECT_EQ(value("true"), "BOOLEAN true");
  EXPECT_EQ(value("NULL"), "INTEGER null");
  EXPECT_EQ(value("'{\"a\": 1}'::JSON"), "VARCHAR \"{\\\"a\\\": 1}\"");
}

TEST_F(EncodeJson, NestedValues) {
  EXPECT_EQ(value("[1, NULL, 3]"), "INTEGER[] [1,null,3]");
  EXPECT_EQ(value("[]"), "INTEGER[] []");
  EXPECT_EQ(value("[['a'], NULL, []]"), "VARCHAR[][] [[\"a\"],null,[]]");
  EXPECT_EQ(value("array_value(1, 2)"), "INTEGER[2] [1,2]");
  EXPECT_EQ(value("{a: 1, 'b c': [{d: NULL}]}"),
            "STRUCT(a INTEGER, \\\"b c\\\" STRUCT(d INTEGER)[]) {\"a\":1,\"b c\":[{\"d\":null}]}");
  EXPECT_EQ(value("MAP {'k': 1, '\"': 2}"), "MAP(VARCHAR, INTEGER) {\"k\":1,\"\\\"\":2}");
  EXPECT_EQ(value("MAP {1: 'x'}"), "MAP(INTEGER, VARCHAR) [{\"key\":1,\"value\":\"x\"}]");
  EXPECT_EQ(value("union_value(n := 5)::UNION(n INTEGER, s VARCHAR)"),
            "UNION(n INTEGER, s VARCHAR) 5");
  EXPECT_EQ(rows("SELECT * FROM (VALUES ([1]), (NULL), ([2, 3])) ORDER BY ALL"),
            "[[[1]],[[2,3]],[null]]");
}

TEST_F(EncodeJson, WhatHasNoFormIsRefused) {
  EXPECT_THAT(answer("SELECT '1234567890123456789012345678901234567890123'::BIGNUM AS x"),
              HasSubstr("unsupported: column x"));
}

TEST(JsonOut, WhatIsNotUtf8IsReplaced) {
  JsonOut out(1 << 20);
  out.text(
      "a\xff\xfe"
      "b\xc3");
  EXPECT_EQ(std::move(out).finish().front(),
            "\"a\xEF\xBF\xBD\xEF\xBF\xBD"
            "b\xEF\xBF\xBD\"");
}

TEST(JsonOut, PiecesAreCutAnywhereAndTogetherAreTheWhole) {
  JsonOut out(size_t{64} << 20);
  std::string expected;
  for (int i = 0; i < 300'000; ++i) {
    const std::string text(static_cast<size_t>(i % 37), static_cast<char>('a' + i % 26));
    out.text(text);
    expected += '"' + text + '"';
  }
  const std::string large(5 << 20, '\n');
  out.text(large);
  EXPECT_EQ(out.size(), expected.size() + 2 + 2 * large.size());
  const auto pieces = std::move(out).finish();
  EXPECT_GT(pieces.size(), 10U);
  std::string whole;
  for (const auto& piece : pieces) {
    EXPECT_LE(piece.size(), kPieceBytes);
    whole += piece;
  }
  EXPECT_TRUE(whole.starts_with(expected));
  EXPECT_EQ(whole.size(), expected.size() + 2 + 2 * large.size());
}

}  // namespace
}  // namespace millrace::query
