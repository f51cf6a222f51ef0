#include "http/sql_body.h"

#include <gtest/gtest.h>

namespace millrace::http {
namespace {

TEST(SqlBody, IsTheTextAsItStands) {
  EXPECT_EQ(*parse_sql_body(R"({"sql": "SELECT 1"})"), "SELECT 1");
  EXPECT_EQ(*parse_sql_body(" {\"sql\":\"\\u00fc\\n\\\"\" }\n"), "\xc3\xbc\n\"");
  EXPECT_EQ(*parse_sql_body(R"({"sql": ""})"), "");
}

TEST(SqlBody, RefusesWhatIsNoDocument) {
  for (const char* body :
       {"", "SELECT 1", "{", R"({"sql": "a"} x)", R"({"sql": "a")", "{\"sql\": \"\xff\"}"}) {
    const auto sql = parse_sql_body(body);
    ASSERT_FALSE(sql.ok()) << body;
    EXPECT_EQ(sql.error().code, Code::kInvalid) << body;
    EXPECT_NE(sql.error().message.find("not JSON"), std::string::npos) << body;
  }
}

TEST(SqlBody, RefusesAnotherShape) {
  for (const char* body :
       {"{}", "[]", "null", "true", "7", "-7", "0.5", R"("SELECT 1")", R"(["SELECT 1"])",
        R"({"sql": null})", R"({"sql": true})", R"({"sql": 7})", R"({"sql": -7})",
        R"({"sql": 0.5})", R"({"sql": ["a"]})", R"({"sql": {"sql": "a"}})"}) {
    const auto sql = parse_sql_body(body);
    ASSERT_FALSE(sql.ok()) << body;
    EXPECT_EQ(sql.error().message, "the body has no text \"sql\"") << body;
  }
}

TEST(SqlBody, NamesTheKeyItDoesNotKnow) {
  EXPECT_EQ(parse_sql_body(R"({"sql": "a", "limit": 1})").error().message,
            "\"limit\" is unknown; the body has \"sql\" alone");
  EXPECT_EQ(parse_sql_body(R"({"sql": "a", "sql": "b"})").error().message, "\"sql\" stands twice");
}

TEST(SqlBody, DeepNestingEndsAtItsFirstLevel) {
  EXPECT_FALSE(parse_sql_body(std::string(size_t{8} << 20, '[')).ok());
  EXPECT_FALSE(parse_sql_body("{\"sql\":" + std::string(size_t{8} << 20, '[')).ok());
}

}  // namespace
}  // namespace millrace::http
