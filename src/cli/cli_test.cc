#include "cli/arguments.h"
#include "cli/topics.h"

#include <gtest/gtest.h>

#include <gmock/gmock.h>

namespace millrace::cli {
namespace {

using Kind = client::StartAt::Kind;
using testing::HasSubstr;

std::pair<Kind, int64_t> start_of(std::string_view text) {
  const auto start = parse_start(text);
  EXPECT_TRUE(start.ok()) << text;
  return start.ok() ? std::pair(start->kind, start->value) : std::pair(Kind::kLatest, int64_t{-1});
}

TEST(ConsumeFrom, TakesWordsOffsetsAndTimes) {
  EXPECT_EQ(start_of("earliest").first, Kind::kEarliest);
  EXPECT_EQ(start_of("latest").first, Kind::kLatest);
  EXPECT_EQ(start_of("0"), std::pair(Kind::kOffset, int64_t{0}));
  EXPECT_EQ(start_of("9223372036854775807"), std::pair(Kind::kOffset, INT64_MAX));
  EXPECT_EQ(start_of("@1700000000000"), std::pair(Kind::kTimestampMs, int64_t{1'700'000'000'000}));
  EXPECT_EQ(start_of("1970-01-01"), std::pair(Kind::kTimestampMs, int64_t{0}));
  EXPECT_EQ(start_of("2023-11-14T22:13:20Z").second, 1'700'000'000'000);
  EXPECT_EQ(start_of("2023-11-14T22:13:20.250Z").second, 1'700'000'000'250);
  EXPECT_EQ(start_of("2024-02-29").second, 1'709'164'800'000);
}

TEST(ConsumeFrom, RefusesWhatIsNoPlaceByName) {
  for (const char* bad :
       {"", "yesterday", "-1", "1x", "@", "@-1", "9223372036854775808", "2023-02-29", "2023-13-01",
        "2023-11-14T22:13:20", "2023-11-14T24:00:00Z", "2023-11-14T22:13:20.25Z",
        "2023-11-14T22:13:20Zz", "2023-11-14 22:13:20Z"}) {
    const auto start = parse_start(bad);
    ASSERT_FALSE(start.ok()) << bad;
    EXPECT_EQ(start.error().code, Code::kInvalid);
    EXPECT_THAT(start.error().message, HasSubstr("must be earliest, latest, an offset"));
  }
}

TEST(Pairs, SplitAtTheFirstEqualsSign) {
  EXPECT_EQ(*parse_pair("--header", "a=b=c"), std::pair(std::string("a"), std::string("b=c")));
  EXPECT_EQ(*parse_pair("--header", "a="), std::pair(std::string("a"), std::string()));
  EXPECT_EQ(parse_pair("--header", "a").error().message, "--header a: must be NAME=VALUE");
  EXPECT_FALSE(parse_pair("--header", "=a").ok());
  EXPECT_FALSE(parse_pair("--header", "").ok());
}

TEST(TableNames, AreOneWordOrTwo) {
  const auto name_of = [](const std::vector<std::string>& words) {
    const auto name = parse_table(words);
    return name.ok() ? name->database + "|" + name->measurement : name.error().message;
  };
  EXPECT_EQ(name_of({"cpu"}), "main|cpu");
  EXPECT_EQ(name_of({"telemetry.cpu"}), "telemetry|cpu");
  EXPECT_EQ(name_of({"a.b", "c.d"}), "a.b|c.d");
  EXPECT_EQ(name_of({"my db", "\u00e4"}), "my db|\u00e4");
  EXPECT_THAT(name_of({"a.b.c"}), HasSubstr("DATABASE MEASUREMENT"));
  for (const std::vector<std::string>& bad : std::vector<std::vector<std::string>>{
           {}, {""}, {"."}, {".cpu"}, {"db."}, {"", "cpu"}, {"db", ""}, {"db", "a\nb"}}) {
    EXPECT_FALSE(parse_table(bad).ok());
  }
}

TEST(Base64, HasTheVectorsOfRfc4648) {
  EXPECT_EQ(to_base64(""), "");
  EXPECT_EQ(to_base64("f"), "Zg==");
  EXPECT_EQ(to_base64("fo"), "Zm8=");
  EXPECT_EQ(to_base64("foo"), "Zm9v");
  EXPECT_EQ(to_base64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(to_base64("\xff\xfe\xfd"), "//79");
}

TEST(Base64, IsReadBackOrRefused) {
  for (const std::string bytes : {"", "f", "fo", "foo", "foob", "\xff\xfe\xfd", "a\nb"}) {
    EXPECT_EQ(from_base64(to_base64(bytes)), bytes);
  }
  EXPECT_EQ(from_base64("AA=="), std::string(1, '\0'));
  for (const char* bad : {"Z", "Zg", "Zg=", "Zg==x", "Zh==", "Z*==", "Zm9v\n", "===="}) {
    EXPECT_EQ(from_base64(bad), std::nullopt) << bad;
  }
}

TEST(Utf8, IsToldFromOtherBytes) {
  for (const char* text : {"", "abc", "\u00e4", "\u6771\u4eac", "\U0001F600"}) {
    EXPECT_TRUE(is_utf8(text));
  }
  for (const char* bytes : {"\xff", "\xc3", "\xc0\x80", "\xed\xa0\x80"}) {
    EXPECT_FALSE(is_utf8(bytes));
  }
}

TEST(Counts, HaveAPlural) {
  EXPECT_EQ(count_of(0, "row"), "0 rows");
  EXPECT_EQ(count_of(1, "row"), "1 row");
  EXPECT_EQ(count_of(2, "file"), "2 files");
}

TEST(Topics, ThatAreNotThereAreToldTheNearest) {
  const std::vector<client::TopicInfo> topics = {{"orders", {}}, {"cpu", {}}};
  const Error slip = unknown_topic("oders", topics);
  EXPECT_EQ(slip.code, Code::kNotFound);
  EXPECT_EQ(slip.message,
            "there is no topic oders; did you mean orders? Or see: millrace topic list");
  EXPECT_EQ(unknown_topic("nothing", topics).message,
            "there is no topic nothing; see: millrace topic list");
}

TEST(Topics, OfTablesAreFoundInTheListOfTables) {
  const std::string answer =
      R"({"tables":[{"database":"b2","measurement":"cpu","topic":"b2.cpu","hot_rows":3,"file_rows":4},)"
      R"({"database":"b2","measurement":"mem","topic":"b2.mem"}]})";
  const auto table = table_in(answer, "b2.cpu");
  ASSERT_TRUE(table);
  EXPECT_EQ(table->name, "b2.cpu");
  EXPECT_EQ(table->rows, 7U);
  EXPECT_EQ(table_in(answer, "b2.mem")->rows, 0U);
  EXPECT_FALSE(table_in(answer, "b2"));
  EXPECT_FALSE(table_in("{}", "b2.cpu"));
  EXPECT_FALSE(table_in("no JSON", "b2.cpu"));
}

}  // namespace
}  // namespace millrace::cli
