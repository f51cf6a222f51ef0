#include "net/http_parser.h"

#include "net/http_body.h"

#include <gtest/gtest.h>

namespace millrace::net {
namespace {

constexpr size_t kHead = size_t{16} << 10;
constexpr size_t kTarget = size_t{8} << 10;

/// Status of the refusal; 0: taken; -1: more is needed.
int verdict(std::string_view bytes) {
  HttpParser parser(kHead, kTarget);
  HttpRequest request;
  const auto head = parser.parse_head(bytes, request);
  if (head.refusal.has_value()) {
    return head.refusal->status;
  }
  return head.bytes > 0 ? 0 : -1;
}

int verdict_of_fields(std::string_view fields, std::string_view line = "POST / HTTP/1.1") {
  return verdict(fmt::format("{}\r\nHost: a\r\n{}\r\n", line, fields));
}

TEST(HttpParser, ReadsARequest) {
  const std::string text =
      "POST /a%20b/c?x=1&y=a+b%21&flag HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nX-Y:  v "
      "\r\n\r\nhello";
  HttpParser parser(kHead, kTarget);
  HttpRequest request;
  const auto head = parser.parse_head(text, request);
  ASSERT_FALSE(head.refusal.has_value());
  EXPECT_EQ(head.bytes, text.size() - 5);
  EXPECT_EQ(request.method, HttpMethod::kPost);
  EXPECT_EQ(request.path, "/a%20b/c");
  EXPECT_EQ(percent_decode(request.path).value(), "/a b/c");
  EXPECT_EQ(request.param("x"), "1");
  EXPECT_EQ(request.param("y"), "a b!");
  EXPECT_EQ(request.param("flag"), "");
  EXPECT_EQ(request.param("z"), std::nullopt);
  EXPECT_EQ(request.header("x-y"), "v");
  EXPECT_EQ(request.content_length, 5U);
  EXPECT_TRUE(request.keeps_alive);
}

TEST(HttpParser, NeedsTheWholeHeadHoweverItIsCut) {
  const std::string text = "\r\nGET / HTTP/1.1\r\nHost: h\r\nA: b\r\n\r\n";
  HttpParser parser(kHead, kTarget);
  HttpRequest request;
  for (size_t size = 0; size < text.size(); ++size) {
    const auto head = parser.parse_head(std::string_view(text).substr(0, size), request);
    ASSERT_FALSE(head.refusal.has_value()) << size;
    ASSERT_EQ(head.bytes, 0U) << size;
  }
  EXPECT_EQ(parser.parse_head(text, request).bytes, text.size());
  EXPECT_EQ(request.headers.size(), 2U);
}

TEST(HttpParser, RefusesWhatHasTwoReadings) {
  EXPECT_EQ(verdict_of_fields("Content-Length: 5\r\n"), 0);
  EXPECT_EQ(verdict_of_fields("Content-Length: 5\r\nContent-Length: 6\r\n"), 400);
  EXPECT_EQ(verdict_of_fields("Content-Length: 5\r\nContent-Length: 5\r\n"), 400);
  EXPECT_EQ(verdict_of_fields("Content-Length: 5, 5\r\n"), 400);
  for (const char* length : {"+5", "-1", "0x5", "5 5", "", "5a", "99999999999999999999"}) {
    EXPECT_EQ(verdict_of_fields(fmt::format("Content-Length: {}\r\n", length)), 400) << length;
  }
  EXPECT_EQ(verdict_of_fields("Transfer-Encoding: chunked\r\n"), 0);
  EXPECT_EQ(verdict_of_fields("Transfer-Encoding: Chunked\r\n"), 0);
  EXPECT_EQ(verdict_of_fields("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), 400);
  EXPECT_EQ(verdict_of_fields("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), 400);
  EXPECT_EQ(verdict_of_fields("Content-Length: 5\r\nTransfer-Encoding: identity\r\n"), 400);
  EXPECT_EQ(verdict_of_fields("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 400);
  EXPECT_EQ(verdict_of_fields("Transfer-Encoding: chunked, identity\r\n"), 400);
  EXPECT_EQ(verdict_of_fields("Transfer-Encoding: xchunked\r\n"), 400);
  EXPECT_EQ(verdict_of_fields("Transfer-Encoding: gzip, chunked\r\n"), 501);
  EXPECT_EQ(verdict_of_fields("Transfer-Encoding: \vchunked\r\n"), 400);
  EXPECT_EQ(verdict_of_fields("Transfer-Encoding : chunked\r\n"), 400);
  EXPECT_EQ(verdict_of_fields("Transfer-Encoding: chunked\r\n", "POST / HTTP/1.0"), 400);
}

TEST(HttpParser, RefusesBareLineEndsFoldsAndStrayBytes) {
  EXPECT_EQ(verdict("GET / HTTP/1.1\nHost: a\r\n\r\n"), 400);
  EXPECT_EQ(verdict("GET / HTTP/1.1\r\nHost: a\n\r\n"), 400);
  EXPECT_EQ(verdict("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
  EXPECT_EQ(verdict("GET / HTTP/1.1\r\nHost: a\r\n\n"), 400);
  EXPECT_EQ(verdict("\r\n\r\n\r\nGET / HTTP/1.1\r\n"), 400);
  EXPECT_EQ(verdict_of_fields("A: b\r\n c\r\n"), 400);
  EXPECT_EQ(verdict_of_fields("A: b\r\n\tc\r\n"), 400);
  EXPECT_EQ(verdict("GET / HTTP/1.1\r\n Host: a\r\n\r\n"), 400);
  EXPECT_EQ(verdict_of_fields("A: b\rContent-Length: 5\r\n"), 400);
  EXPECT_EQ(verdict_of_fields(std::string_view("A: b\0c\r\n", 8)), 400);
  EXPECT_EQ(verdict_of_fields("A b: c\r\n"), 400);
  EXPECT_EQ(verdict_of_fields("no colon\r\n"), 400);
  EXPECT_EQ(verdict_of_fields(": no name\r\n"), 400);
}

TEST(HttpParser, RefusesByTheStatusThatSaysWhy) {
  EXPECT_EQ(verdict("GET / HTTP/1.1\r\n\r\n"), 400);
  EXPECT_EQ(verdict("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), 400);
  EXPECT_EQ(verdict("GET / HTTP/1.0\r\n\r\n"), 0);
  EXPECT_EQ(verdict_of_fields("", "BREW / HTTP/1.1"), 501);
  EXPECT_EQ(verdict_of_fields("", "CONNECT a:1 HTTP/1.1"), 501);
  EXPECT_EQ(verdict_of_fields("", "get / HTTP/1.1"), 501);
  EXPECT_EQ(verdict_of_fields("", "GET / HTTP/2.0"), 505);
  EXPECT_EQ(verdict_of_fields("", "GET / HTTP/1.2"), 505);
  EXPECT_EQ(verdict_of_fields("", "GET / HTTP/1.1 "), 400);
  EXPECT_EQ(verdict_of_fields("", "GET  / HTTP/1.1"), 400);
  EXPECT_EQ(verdict_of_fields("", "GET / a HTTP/1.1"), 400);
  EXPECT_EQ(verdict_of_fields("", "GET /"), 400);
  EXPECT_EQ(verdict_of_fields("", "GET a HTTP/1.1"), 400);
  EXPECT_EQ(verdict_of_fields("", "GET * HTTP/1.1"), 400);
  EXPECT_EQ(verdict_of_fields("", "OPTIONS * HTTP/1.1"), 0);
  EXPECT_EQ(verdict_of_fields("", "GET /%2 HTTP/1.1"), 400);
  EXPECT_EQ(verdict_of_fields("", "GET http://h/p?q HTTP/1.1"), 0);
  EXPECT_EQ(verdict_of_fields("", "GET http://h HTTP/1.1"), 0);
  EXPECT_EQ(verdict_of_fields("Expect: 200-maybe\r\n"), 417);
}

TEST(HttpParser, LimitsTargetAndHeadToTheByte) {
  const auto with_target = [](size_t bytes) {
    return verdict_of_fields("", fmt::format("GET /{} HTTP/1.1", std::string(bytes - 1, 'a')));
  };
  EXPECT_EQ(with_target(kTarget), 0);
  EXPECT_EQ(with_target(kTarget + 1), 414);
  EXPECT_EQ(verdict("GET /" + std::string(kTarget + 100, 'a')), 414);
  const std::string start = "GET / HTTP/1.1\r\nHost: a\r\nA: ";
  const auto with_head = [&start](size_t bytes) {
    return start + std::string(bytes - start.size() - 4, 'a') + "\r\n\r\n";
  };
  EXPECT_EQ(verdict(with_head(kHead)), 0);
  EXPECT_EQ(verdict(with_head(kHead + 1)), 431);
  EXPECT_EQ(verdict(with_head(kHead).substr(0, kHead - 1)), -1);
}

TEST(HttpParser, KeepAliveFollowsVersionAndConnection) {
  const auto keeps = [](std::string_view version, std::string_view fields) {
    HttpParser parser(kHead, kTarget);
    HttpRequest request;
    const std::string text = fmt::format("GET / {}\r\nHost: a\r\n{}\r\n", version, fields);
    EXPECT_GT(parser.parse_head(text, request).bytes, 0U);
    return request.keeps_alive;
  };
  EXPECT_TRUE(keeps("HTTP/1.1", ""));
  EXPECT_FALSE(keeps("HTTP/1.1", "Connection: foo, Close\r\n"));
  EXPECT_FALSE(keeps("HTTP/1.0", ""));
  EXPECT_TRUE(keeps("HTTP/1.0", "Connection: Keep-Alive\r\n"));
}

/// Feeds `chunks` `step` bytes at a time. Body, or the status of the refusal as "!400"; "?": needs
/// more.
std::string decode(std::string_view chunks, size_t step, size_t limit = 100) {
  ChunkDecoder decoder;
  HttpBody body;
  std::string waiting;
  for (size_t at = 0; at < chunks.size(); at += step) {
    waiting += chunks.substr(at, step);
    const auto taken = decoder.decode(waiting, limit, body);
    if (taken.refusal.has_value()) {
      return fmt::format("!{}", taken.refusal->status);
    }
    waiting.erase(0, taken.bytes);
    if (taken.is_done) {
      return std::string(reinterpret_cast<const char*>(body.bytes().data()), body.size()) +
             (waiting.empty() ? "" : "+" + waiting);
    }
  }
  return "?";
}

TEST(HttpParser, ChunksAreDecodedHoweverTheyAreCut) {
  const std::string text =
      "5\r\nhello\r\n6;name=\"v\"\r\n world\r\n0\r\nTrailer: x\r\nContent-Type: y\r\n\r\n";
  for (size_t step = 1; step <= text.size(); ++step) {
    EXPECT_EQ(decode(text, step), "hello world") << step;
  }
  EXPECT_EQ(decode("1\r\na\r\n0\r\n\r\nGET /", 1000), "a+GET /");
  EXPECT_EQ(decode("0\r\n\r\n", 1), "");
}

TEST(HttpParser, RefusesBadChunks) {
  for (const char* text :
       {"x\r\n", "-1\r\na", "0x5\r\nhello\r\n", "5\nhello\r\n", "5\r\nhelloX\r\n", "5\r\nhello\n",
        "FFFFFFFFFFFFFFFFF\r\n", " 5\r\nhello\r\n", "\r\n", "+5\r\nhello", "5 \r\nhello", "5 x\r\n",
        "5\r\r\nhello", "0\r\nbad trailer\r\n\r\n", "0\r\nContent-Length: 3\r\n\r\n"}) {
    EXPECT_EQ(decode(text, 1000), "!400") << text;
  }
  EXPECT_EQ(decode("5\r\nhello\r\n5\r\nhello\r\n0\r\n\r\n", 1, 10), "hellohello");
  EXPECT_EQ(decode("5\r\nhello\r\n6\r\nhello", 1, 10), "!413");
  EXPECT_EQ(decode("FFFFFFFFFFFFFFFF\r\n", 1, 10), "!413");
}

}  // namespace
}  // namespace millrace::net
