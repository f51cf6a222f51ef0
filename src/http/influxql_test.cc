#include "http/influxql.h"

#include <gtest/gtest.h>

#include <gmock/gmock.h>

namespace millrace::http {
namespace {

using testing::HasSubstr;

InfluxqlStatement only(std::string_view text) {
  auto statements = parse_influxql(text);
  EXPECT_TRUE(statements.ok()) << text << ": " << statements.error().message;
  EXPECT_EQ(statements->size(), 1U) << text;
  return statements->front();
}

std::string refused(std::string_view text) {
  const auto statements = parse_influxql(text);
  EXPECT_FALSE(statements.ok()) << text;
  return statements.ok() ? "" : statements.error().message;
}

TEST(Influxql, TheThreeStatements) {
  EXPECT_EQ(only("SHOW DATABASES").kind, InfluxqlKind::kShowDatabases);
  EXPECT_EQ(only("  show\n\tDatabases ; ").kind, InfluxqlKind::kShowDatabases);
  EXPECT_EQ(only("SHOW MEASUREMENTS").kind, InfluxqlKind::kShowMeasurements);
  EXPECT_EQ(only("SHOW MEASUREMENTS").database, "");
  EXPECT_EQ(only("SHOW MEASUREMENTS ON telegraf").database, "telegraf");
  EXPECT_EQ(only("CREATE DATABASE telegraf").kind, InfluxqlKind::kCreateDatabase);
  EXPECT_EQ(only("create database _x9").database, "_x9");
}

TEST(Influxql, NamesInQuotes) {
  EXPECT_EQ(only(R"(CREATE DATABASE "my db-1;é")").database, "my db-1;é");
  EXPECT_EQ(only(R"(CREATE DATABASE"a\"b\\c\nd")").database, "a\"b\\c\nd");
  EXPECT_EQ(only(R"(CREATE DATABASE "")").database, "");  // its name is judged later
  EXPECT_EQ(only(R"(SHOW MEASUREMENTS ON "ON")").database, "ON");
}

TEST(Influxql, SeveralKeepTheirText) {
  const auto statements =
      parse_influxql("; SHOW DATABASES;;create database  \"x\" ;show measurements");
  ASSERT_TRUE(statements.ok());
  ASSERT_EQ(statements->size(), 3U);
  EXPECT_EQ((*statements)[1].text, "create database  \"x\"");
  EXPECT_EQ((*statements)[2].text, "show measurements");
}

TEST(Influxql, ErrorsSayWhatAndWhere) {
  EXPECT_THAT(refused("SELECT * FROM cpu"), HasSubstr("found SELECT, expected SHOW DATABASES, "));
  EXPECT_THAT(refused("SELECT 1"),
              HasSubstr("queries are SQL: POST /api/v1/query) at line 1, char 1"));
  EXPECT_EQ(refused("SHOW\n  SERIES"),
            "found SERIES, expected DATABASES, MEASUREMENTS at line 2, char 3");
  EXPECT_EQ(refused("CREATE DATABASE"), "found EOF, expected a name at line 1, char 16");
  EXPECT_EQ(refused("CREATE DATABASE 9a"), "found 9a, expected a name at line 1, char 17");
  EXPECT_EQ(refused("CREATE DATABASE a-b"), "found -, expected ; or the end at line 1, char 18");
  EXPECT_EQ(refused("CREATE DATABASE a WITH DURATION 1d"),
            "found WITH, expected ; or the end at line 1, char 19");
  EXPECT_EQ(refused("CREATE DATABASE \"a"),
            "found EOF, expected the quote that ends the name at line 1, char 19");
  EXPECT_THAT(refused(R"(CREATE DATABASE "a\t")"), HasSubstr("behind a backslash"));
  EXPECT_THAT(refused("CREATE DATABASE \"a\\"), HasSubstr("found EOF"));
  EXPECT_THAT(refused("SHOW DATABASES x"), HasSubstr("found x"));
  for (const std::string_view text : {"", " ; ;\n"}) {
    EXPECT_THAT(refused(text), HasSubstr("found EOF")) << text;
  }
}

TEST(Influxql, StatementsAreBounded) {
  std::string text;
  for (int i = 0; i < 1000; ++i) {
    text += "SHOW DATABASES;";
  }
  EXPECT_EQ(parse_influxql(text)->size(), 1000U);
  EXPECT_EQ(refused(text + "SHOW DATABASES"), "more than 1000 statements");
}

}  // namespace
}  // namespace millrace::http
