// Clients that are slow, wrong, too large or hostile.
#include "net/http_fixture.h"

#include <gtest/gtest.h>

namespace millrace::net {
namespace {

using std::chrono::milliseconds;

class HttpAbuse : public testing::Test, protected TestServer {};

TEST_F(HttpAbuse, UnclearFramingIsRefusedAndTheConnectionEnded) {
  const std::string smuggled = "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n";
  for (const char* head : {"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                           "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
                           "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
                           "Content-Length: 3\n\r\n\r\nabc", "Content-Length:\r\n 3\r\n\r\nabc",
                           "Transfer-Encoding: chunked\r\n\r\n3x\r\nabc\r\n0\r\n\r\n",
                           "Transfer-Encoding: chunked\r\n\r\n3\nabc\n0\n\n",
                           "Transfer-Encoding: chunked\r\n\r\n-3\r\nabc\r\n0\r\n\r\n"}) {
    const std::string answer =
        answer_to(fmt::format("POST / HTTP/1.1\r\nHost: h\r\n{}{}", head, smuggled));
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 400 Bad Request\r\n")) << head << answer;
    EXPECT_EQ(answer.find("HTTP/1.1", 1), std::string::npos) << head;
    EXPECT_NE(answer.find("Connection: close"), std::string::npos);
  }
  EXPECT_EQ(handler_.handled, 0);
}

TEST_F(HttpAbuse, LimitsAnswerByName) {
  EXPECT_TRUE(answer_to("GET /" + std::string(9000, 'a')).starts_with("HTTP/1.1 414 "));
  EXPECT_TRUE(answer_to("GET / HTTP/1.1\r\nHost: h\r\nA: " + std::string(17'000, 'a'))
                  .starts_with("HTTP/1.1 431 "));
  EXPECT_TRUE(answer_to("BREW / HTTP/1.1\r\nHost: h\r\n\r\n").starts_with("HTTP/1.1 501 "));
  EXPECT_TRUE(answer_to("GET / HTTP/3.0\r\nHost: h\r\n\r\n").starts_with("HTTP/1.1 505 "));
  EXPECT_EQ(handler_.handled, 0);
}

TEST_F(HttpAbuse, ABodyOverTheLimitIsRefusedBeforeItIsRead) {
  HttpClient c = client();
  const auto announced = c.request("POST", "/ten", {}, std::string(8 << 20, 'x'));
  ASSERT_TRUE(announced.ok()) << announced.error().message;
  EXPECT_EQ(announced->status, 413);
  EXPECT_TRUE(answer_to("POST /ten HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                        "8\r\n12345678\r\n8\r\n12345678\r\n0\r\n\r\n")
                  .starts_with("HTTP/1.1 413 "));
  // The handler's own budget says no first.
  EXPECT_TRUE(
      answer_to("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 18446744073709551615\r\n\r\n")
          .starts_with("HTTP/1.1 503 "));
  EXPECT_EQ(handler_.handled, 0);
}

TEST_F(HttpAbuse, AChunkSizeLineWithoutEndIsRefused) {
  const std::string answer =
      answer_to("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5;" +
                std::string(70'000, 'e'));
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 400 ")) << answer;
}

TEST_F(HttpAbuse, ABodyThatEndsEarlyIsNeverHandled) {
  for (const char* head :
       {"Content-Length: 5", "Content-Length: 50000", "Transfer-Encoding: chunked"}) {
    HttpClient c = client();
    ASSERT_TRUE(
        c.send_raw(fmt::format("POST / HTTP/1.1\r\nHost: h\r\n{}\r\n\r\n3\r\n", head)).ok());
    c.close();
  }
  EXPECT_TRUE(eventually(
      [this] { return server_->counters().accepted == 3 && server_->counters().open == 0; }));
  EXPECT_EQ(handler_.handled, 0);
}

TEST_F(HttpAbuse, BytesOfEveryKindEndOnlyTheirConnection) {
  HttpClient good = client();
  for (int first = 0; first < 256; ++first) {
    const std::string answer = answer_to(std::string(1, static_cast<char>(first)) +
                                         "\r\n\r\n\x16\x03\x01 / HTTP/1.1\r\n\r\n");
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.1 5")) << first;
  }
  EXPECT_EQ(good.get("/").value().status, 200);
}

/// Deadlines short enough to wait for.
class HttpSlow : public testing::Test, protected TestServer {
 protected:
  static HttpLimits short_limits() {
    HttpLimits limits;
    limits.head_read = milliseconds(60);
    limits.request = milliseconds(120);
    limits.response = milliseconds(60);
    limits.idle = milliseconds(60);
    return limits;
  }

  HttpSlow() : TestServer(short_limits()) {}
};

TEST_F(HttpSlow, ASlowHeadOrBodyIsAnswered408) {
  EXPECT_TRUE(answer_to("GET / HTTP/1.1\r\nHo").starts_with("HTTP/1.1 408 "));
  EXPECT_TRUE(answer_to("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nabc")
                  .starts_with("HTTP/1.1 408 "));
  EXPECT_TRUE(answer_to("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc")
                  .starts_with("HTTP/1.1 408 "));
  EXPECT_EQ(handler_.handled, 0);
}

TEST_F(HttpSlow, DrippingBytesDoesNotMoveTheDeadline) {
  HttpClient c = client();
  const std::string head = "GET / HTTP/1.1\r\nHost: h\r\nX: " + std::string(2000, 'x');
  const auto started = std::chrono::steady_clock::now();
  for (size_t sent = 0; sent < 2000; ++sent) {
    if (!c.send_raw(std::string_view(head).substr(sent, 1)).ok() ||
        (server_->counters().accepted == 1 && server_->counters().open == 0)) {
      break;
    }
    std::this_thread::sleep_for(milliseconds(1));  // the abuse itself: a byte a millisecond
  }
  EXPECT_LT(std::chrono::steady_clock::now() - started, std::chrono::seconds(10));
  EXPECT_EQ(handler_.handled, 0);
}

TEST_F(HttpSlow, AnIdleConnectionIsClosedWithoutAWord) {
  HttpClient c = client();
  ASSERT_TRUE(c.get("/").ok());
  EXPECT_EQ(c.read_to_end().value(), "");
}

TEST_F(HttpSlow, AClientThatDoesNotReadIsGivenUp) {
  HttpClient c = client();
  std::string many;
  for (int i = 0; i < 20; ++i) {
    many += "GET /parts HTTP/1.1\r\nHost: h\r\n\r\n";
  }
  ASSERT_TRUE(c.send_raw(many).ok());
  EXPECT_TRUE(eventually(
      [this] { return server_->counters().accepted == 1 && server_->counters().open == 0; }));
}

}  // namespace
}  // namespace millrace::net
