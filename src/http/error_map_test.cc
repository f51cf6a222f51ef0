#include "http/error_map.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

namespace millrace::http {
namespace {

TEST(HttpErrorMap, EveryCodeHasItsStatus) {
  const std::map<Code, int> expected{
      {Code::kNotFound, 404},   {Code::kCorrupt, 500},        {Code::kIo, 500},
      {Code::kTimeout, 504},    {Code::kOutcomeUnknown, 503}, {Code::kCancelled, 503},
      {Code::kOverloaded, 503}, {Code::kConflict, 409},       {Code::kFenced, 409},
      {Code::kReadOnly, 503},   {Code::kForbidden, 403},      {Code::kInvalid, 400},
      {Code::kTooLarge, 413},   {Code::kUnsupported, 400},    {Code::kInternal, 500},
  };
  for (int code = 0; code <= static_cast<int>(Code::kInternal); ++code) {
    const auto each = static_cast<Code>(code);
    ASSERT_TRUE(expected.contains(each)) << name_of(each);
    EXPECT_EQ(status_of(each), expected.at(each)) << name_of(each);
  }
}

TEST(HttpErrorMap, EachFamilyHasItsForm) {
  const Error error = make_error(Code::kInvalid, "row 3 \"x\" \xff");
  EXPECT_EQ(answer_of(error, form_of("/api/v1/query")).body,
            R"({"error":{"code":"invalid","detail":null,"message":"row 3 \"x\" )"
            "\xef\xbf\xbd"
            R"("}})");
  EXPECT_EQ(answer_of(make_error(Code::kConflict, "no"), form_of("/write")).body,
            R"({"error":"no"})");
  EXPECT_EQ(answer_of(make_error(Code::kOverloaded, "no"), form_of("/api/v2/write")).body,
            R"({"code":"unavailable","message":"no"})");
}

TEST(HttpErrorMap, AnUnknownOutcomeIsNamedInEveryForm) {
  const Error error = make_error(Code::kOutcomeUnknown, "no sync");
  for (const char* path : {"/write", "/api/v2/write", "/api/v1/query"}) {
    EXPECT_NE(answer_of(error, form_of(path)).body.find("outcome_unknown"), std::string::npos);
  }
}

TEST(HttpErrorMap, WhatHelpsLaterSaysWhen) {
  const auto response = answer_of(make_error(Code::kOverloaded, "full"), ErrorForm::kMillrace);
  ASSERT_EQ(response.status, 503);
  const auto& headers = response.headers;
  EXPECT_TRUE(std::ranges::any_of(headers, [](const auto& h) { return h.first == "Retry-After"; }));
}

}  // namespace
}  // namespace millrace::http
