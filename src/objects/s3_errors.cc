#include "objects/s3_errors.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace millrace::objects {
namespace {

/// The word behind "AWS Error ", e.g. "SLOW_DOWN", "UNKNOWN (HTTP status 418)", "[code 12]"; empty
/// when there is none. A name may hold the same letters, so only what follows the bucket counts.
std::string_view word_of(std::string_view said, const std::string& bucket) {
  constexpr std::string_view kMark = "AWS Error ";
  const std::string before = fmt::format("bucket '{}': {}", bucket, kMark);
  size_t from = 0;
  if (said.starts_with(kMark)) {
    from = kMark.size();
  } else if (const size_t at = said.find(before); at != std::string_view::npos) {
    from = at + before.size();
  } else {
    return {};
  }
  return said.substr(from, said.find(" during ", from) - from);
}

/// 0 when the word has none.
int http_status_of(std::string_view word) {
  constexpr std::string_view kMark = "(HTTP status ";
  const size_t at = word.find(kMark);
  int status = 0;
  if (at != std::string_view::npos) {
    const std::string_view digits = word.substr(at + kMark.size());
    std::from_chars(digits.data(), digits.data() + digits.size(), status);
  }
  return status;
}

bool is_any_of(std::string_view word, std::initializer_list<std::string_view> words) {
  return std::ranges::find(words, word) != words.end();
}

/// Of a connection that did not come about or broke: certificates do not get better by waiting.
bool is_about_certificates(std::string_view said) {
  return std::ranges::any_of(
      std::array<std::string_view, 4>{"curlCode: 51,", "curlCode: 58,", "curlCode: 60,",
                                      "curlCode: 77,"},
      [said](std::string_view code) { return said.find(code) != std::string_view::npos; });
}

bool passes_by_itself(std::string_view word, int status) {
  constexpr int kRequestTimeout = 408;
  constexpr int kConflict = 409;  // another operation on the same key
  constexpr int kTooManyRequests = 429;
  constexpr int kServerErrors = 500;
  return is_any_of(word, {"NETWORK_CONNECTION", "SLOW_DOWN", "SERVICE_UNAVAILABLE", "THROTTLING",
                          "INTERNAL_FAILURE", "REQUEST_TIMEOUT", "NO_SUCH_UPLOAD"}) ||
         is_any_of(word, {"UNKNOWN (HTTP status -1)", "UNKNOWN (HTTP status 0)"}) ||
         status == kRequestTimeout || status == kConflict || status == kTooManyRequests ||
         status >= kServerErrors;
}

/// Of what the client says of an error's text that is longer than the piece it asked for.
std::string_view meaning_of(std::string_view said) {
  return said.find("Failed to flush response stream") == std::string_view::npos
             ? ""
             : " (more bytes came than were asked for: mostly the text of an error, such as "
               "SlowDown)";
}

std::string_view hint_for(std::string_view word, int status) {
  if (is_any_of(word, {"INVALID_ACCESS_KEY_ID", "UNRECOGNIZED_CLIENT", "INVALID_CLIENT_TOKEN_ID",
                       "MISSING_AUTHENTICATION_TOKEN", "REQUEST_EXPIRED"})) {
    return "the server does not know the access key, or it has expired: set another";
  }
  if (is_any_of(word, {"SIGNATURE_DOES_NOT_MATCH", "INVALID_SIGNATURE", "INCOMPLETE_SIGNATURE"})) {
    return "the secret key, or the region, is not the one that belongs to the access key";
  }
  if (word == "REQUEST_TIME_TOO_SKEWED") {
    return "this machine's clock is wrong";
  }
  if (word == "ACCESS_DENIED" || word == "OPT_IN_REQUIRED" || status == 401 || status == 403) {
    return "check the keys, and their rights to get, put, delete and list in the bucket (without "
           "the right to list, a missing object looks forbidden)";
  }
  if (status == 301 || status == 307) {
    return "the bucket is in another region or at another endpoint";
  }
  return {};
}

std::string where(const S3Place& place) {
  return fmt::format(
      "bucket \"{}\" at {}", place.bucket,
      !place.endpoint.empty()
          ? place.endpoint
          : fmt::format("Amazon S3, region {}", place.region.empty() ? "not set" : place.region));
}

}  // namespace

Error s3_error(const S3Place& place, std::string_view action, std::string_view said) {
  constexpr int kHttpNotFound = 404;
  if (said.starts_with("Path does not exist")) {
    return make_error(Code::kNotFound, "cannot {}: there is no such object", action);
  }
  const std::string_view word = word_of(said, place.bucket);
  const int status = http_status_of(word);
  if (word == "NO_SUCH_BUCKET") {
    return no_such_bucket(place, action);
  }
  if (is_any_of(word, {"NO_SUCH_KEY", "RESOURCE_NOT_FOUND"}) || status == kHttpNotFound) {
    return make_error(Code::kNotFound, "cannot {}: there is no such object", action);
  }
  if (is_about_certificates(said)) {
    return make_error(Code::kForbidden, "cannot {}: {} is not trusted: {}", action, where(place),
                      said);
  }
  if (passes_by_itself(word, status)) {
    return make_error(Code::kOverloaded, "cannot {} now: {}: {}{}", action, where(place), said,
                      meaning_of(said));
  }
  if (const std::string_view hint = hint_for(word, status); !hint.empty()) {
    return make_error(Code::kForbidden, "cannot {}: {} refuses: {}; {}", action, where(place), hint,
                      said);
  }
  return make_error(Code::kIo, "cannot {}: {}: {}", action, where(place), said);
}

Error no_such_bucket(const S3Place& place, std::string_view action) {
  return make_error(Code::kForbidden,
                    "cannot {}: there is no {}; make the bucket, or set the name of one that is "
                    "there",
                    action, where(place));
}

}  // namespace millrace::objects
