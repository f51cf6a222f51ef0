#include "objects/s3_errors.h"

#include <gmock/gmock.h>

namespace millrace::objects {
namespace {

using ::testing::HasSubstr;

const S3Place kPlace = {"127.0.0.1:9000", "eu-west-1", "logs"};

/// As Arrow puts it.
Error error_for(std::string_view word, std::string_view text = "some text") {
  return s3_error(kPlace, "write s3://logs/a",
                  fmt::format("When uploading object with key 'a' in bucket 'logs': AWS Error {} "
                              "during PutObject operation: {}",
                              word, text));
}

TEST(S3Errors, WhatPassesByItselfSaysSo) {
  for (const std::string word :
       {"SLOW_DOWN", "SERVICE_UNAVAILABLE", "INTERNAL_FAILURE", "THROTTLING", "REQUEST_TIMEOUT",
        "NETWORK_CONNECTION", "NO_SUCH_UPLOAD", "UNKNOWN (HTTP status 500)",
        "UNKNOWN (HTTP status 503)", "UNKNOWN (HTTP status 504)", "UNKNOWN (HTTP status 429)",
        "UNKNOWN (HTTP status 409)", "UNKNOWN (HTTP status -1)"}) {
    const Error error = error_for(word);
    EXPECT_EQ(error.code, Code::kOverloaded) << word;
    EXPECT_EQ(error.retry, Retry::kBackoff) << word;
    EXPECT_THAT(error.message, HasSubstr("127.0.0.1:9000"));
    EXPECT_THAT(error.message, HasSubstr("logs"));
  }
}

TEST(S3Errors, WhatSomebodyMustMendSaysWhat) {
  const std::vector<std::pair<std::string, std::string>> hints = {
      {"ACCESS_DENIED", "rights"},
      {"UNKNOWN (HTTP status 403)", "rights"},
      {"INVALID_ACCESS_KEY_ID", "does not know the access key"},
      {"SIGNATURE_DOES_NOT_MATCH", "secret key"},
      {"REQUEST_TIME_TOO_SKEWED", "clock"},
      {"UNKNOWN (HTTP status 301)", "another region"},
      {"NO_SUCH_BUCKET", "make the bucket"}};
  for (const auto& [word, hint] : hints) {
    const Error error = error_for(word);
    EXPECT_EQ(error.code, Code::kForbidden) << word;
    EXPECT_EQ(error.retry, Retry::kNo) << word;
    EXPECT_THAT(error.message, HasSubstr(hint));
    EXPECT_THAT(error.message, HasSubstr("bucket \"logs\" at 127.0.0.1:9000"));
  }
}

TEST(S3Errors, CertificatesDoNotGetBetterByWaiting) {
  const Error error = error_for("NETWORK_CONNECTION",
                                "curlCode: 60, SSL peer certificate or SSH remote key was not OK");
  EXPECT_EQ(error.code, Code::kForbidden);
  EXPECT_THAT(error.message, HasSubstr("not trusted"));
}

TEST(S3Errors, WhatIsNotThere) {
  EXPECT_EQ(error_for("NO_SUCH_KEY").code, Code::kNotFound);
  EXPECT_EQ(error_for("RESOURCE_NOT_FOUND").code, Code::kNotFound);
  EXPECT_EQ(s3_error(kPlace, "read", "Path does not exist 'logs/a'").code, Code::kNotFound);
  EXPECT_EQ(s3_error(kPlace, "read", "AWS Error NO_SUCH_KEY during GetObject operation: gone").code,
            Code::kNotFound);
}

TEST(S3Errors, TheRestIsNotRepeated) {
  EXPECT_EQ(error_for("UNKNOWN (HTTP status 400)").code, Code::kIo);
  EXPECT_EQ(error_for("[code 130]").code, Code::kIo);
  EXPECT_EQ(s3_error(kPlace, "write", "something else").code, Code::kIo);
  EXPECT_EQ(error_for("[code 130]").retry, Retry::kNo);
}

TEST(S3Errors, ANameThatLooksLikeAnErrorIsNone) {
  const Error error = s3_error(kPlace, "write",
                               "When uploading object with key 'AWS Error NO_SUCH_KEY during x' in "
                               "bucket 'logs': AWS Error SLOW_DOWN during PutObject operation: y");
  EXPECT_EQ(error.code, Code::kOverloaded);
}

TEST(S3Errors, AmazonIsNamedByItsRegion) {
  EXPECT_THAT(s3_error({"", "eu-west-1", "logs"}, "write", "x").message,
              HasSubstr("Amazon S3, region eu-west-1"));
}

}  // namespace
}  // namespace millrace::objects
