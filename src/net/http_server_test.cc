#include "net/http_server.h"

#include "net/http_fixture.h"

#include <gtest/gtest.h>

namespace millrace::net {
namespace {

class HttpServerTest : public testing::Test, protected TestServer {};

TEST_F(HttpServerTest, AnswersManyRequestsOnOneConnection) {
  HttpClient c = client();
  for (int i = 0; i < 100; ++i) {
    const std::string body(static_cast<size_t>(i) * 37, 'x');
    const auto response = c.request("POST", "/echo%20it?a=b", {{"X-A", "1"}}, body);
    ASSERT_TRUE(response.ok()) << response.error().message;
    EXPECT_EQ(response->status, 200);
    EXPECT_EQ(response->body, body);
    EXPECT_EQ(response->header("x-path"), "/echo%20it");
    EXPECT_EQ(response->header("content-length"), std::to_string(body.size()));
    EXPECT_TRUE(response->header("date").has_value());
  }
  EXPECT_EQ(server_->counters().accepted, 1U);
}

TEST_F(HttpServerTest, BodiesOfEverySizeAroundTheBuffersArriveWhole) {
  HttpClient c = client();
  for (const size_t base : {size_t{0}, size_t{1}, size_t{4096}, size_t{8000}, size_t{8192},
                            size_t{16384}, size_t{65536}, size_t{3} << 20}) {
    for (size_t size = base; size < base + 3; ++size) {
      std::string body(size, 'x');
      for (size_t i = 0; i < size; ++i) {
        body[i] = static_cast<char>('a' + i % 23);
      }
      auto response = c.request("POST", "/echo", {}, body);
      ASSERT_TRUE(response.ok()) << response.error().message;
      EXPECT_TRUE(response->body == body) << size;
    }
  }
}

TEST_F(HttpServerTest, PipelinedRequestsAreAnsweredInOrder) {
  HttpClient c = client();
  std::string all;
  constexpr int kRequests = 500;
  for (int i = 0; i < kRequests; ++i) {
    const std::string body(static_cast<size_t>(i % 50) * 10, 'b');
    all += i % 3 == 0 ? fmt::format(
                            "POST /{} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                            "3\r\nabc\r\n0\r\n\r\n",
                            i)
                      : fmt::format("POST /{} HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{}",
                                    i, body.size(), body);
  }
  std::thread sender([&] { EXPECT_TRUE(c.send_raw(all).ok()); });
  sender.join();
  for (int i = 0; i < kRequests; ++i) {
    const auto response = c.read_response();
    ASSERT_TRUE(response.ok()) << response.error().message;
    ASSERT_EQ(response->header("x-path"), fmt::format("/{}", i));
    EXPECT_EQ(response->body.size(), i % 3 == 0 ? 3U : static_cast<size_t>(i % 50) * 10);
  }
}

TEST_F(HttpServerTest, HeadAndNoContentHaveNoBody) {
  HttpClient c = client();
  const auto head = c.request("HEAD", "/parts");
  ASSERT_TRUE(head.ok());
  EXPECT_EQ(head->header("content-length"), "3000000");
  EXPECT_EQ(head->body, "");
  const auto none = c.request("POST", "/none");
  ASSERT_TRUE(none.ok());
  EXPECT_EQ(none->status, 204);
  EXPECT_EQ(none->header("content-length"), std::nullopt);
  const auto parts = c.get("/parts");
  ASSERT_TRUE(parts.ok());
  EXPECT_EQ(parts->body.size(), 3'000'000U);
  EXPECT_EQ(server_->counters().accepted, 1U);
}

TEST_F(HttpServerTest, Http10ClosesUnlessAskedToKeepTheConnection) {
  const std::string once = answer_to("GET / HTTP/1.0\r\n\r\n");
  EXPECT_TRUE(once.starts_with("HTTP/1.1 200 OK\r\n")) << once;
  EXPECT_NE(once.find("Connection: close"), std::string::npos);
  HttpClient c = client();
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(c.send_raw("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").ok());
    EXPECT_EQ(c.read_response().value().header("connection"), "keep-alive");
  }
}

TEST_F(HttpServerTest, ConnectionCloseIsObeyed) {
  const std::string answer =
      answer_to("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\nGET /");
  EXPECT_NE(answer.find("Connection: close"), std::string::npos);
  EXPECT_EQ(answer.find("HTTP/1.1", 1), std::string::npos);
}

TEST_F(HttpServerTest, ContinueComesOnlyAfterAdmission) {
  HttpClient c = client();
  const std::string head = "Host: h\r\nExpect: 100-continue\r\nContent-Length: 11\r\n\r\n";
  ASSERT_TRUE(c.send_raw("POST /echo HTTP/1.1\r\n" + head).ok());
  ASSERT_EQ(c.read_response(true).value().status, 100);
  ASSERT_TRUE(c.send_raw("hello world").ok());
  EXPECT_EQ(c.read_response().value().body, "hello world");
  EXPECT_EQ(handler_.handled, 1);
  const std::string refused = answer_to("POST /ten HTTP/1.1\r\n" + head);
  EXPECT_TRUE(refused.starts_with("HTTP/1.1 413 ")) << refused;
  const std::string busy = answer_to("POST /busy HTTP/1.1\r\n" + head);
  EXPECT_TRUE(busy.starts_with("HTTP/1.1 503 ")) << busy;
  EXPECT_NE(busy.find("Retry-After: 1\r\n"), std::string::npos);
  EXPECT_EQ(handler_.handled, 1);
}

TEST_F(HttpServerTest, ARefusalWithoutBodyKeepsTheConnection) {
  HttpClient c = client();
  EXPECT_EQ(c.get("/busy").value().status, 503);
  EXPECT_EQ(c.get("/").value().status, 200);
  EXPECT_EQ(server_->counters().accepted, 1U);
}

TEST_F(HttpServerTest, StopLetsARequestFinishAndEndsIdleConnections) {
  // The shards drain in turn: with the busy one on the first, the end of the idle one tells that
  // both know.
  HttpClient busy = client();
  ASSERT_TRUE(busy.send_raw("GET /wait HTTP/1.1\r\nHost: h\r\n\r\n").ok());
  ASSERT_TRUE(runtime::block_on(shards_->shard(0), wait_for(handler_.waiting)));
  HttpClient idle = client();
  ASSERT_TRUE(idle.get("/").ok());
  std::thread stopper([this] { stop(std::chrono::seconds(30)); });
  EXPECT_EQ(idle.read_to_end().value(), "");
  handler_.release.set();
  const auto response = busy.read_response();
  ASSERT_TRUE(response.ok()) << response.error().message;
  EXPECT_EQ(response->body, "released");
  EXPECT_EQ(response->header("connection"), "close");
  stopper.join();
  EXPECT_FALSE(client().get("/").ok());
}

TEST_F(HttpServerTest, StopCancelsWhatIsBusyAtTheDrainDeadline) {
  HttpClient busy = client();
  ASSERT_TRUE(busy.send_raw("GET /wait HTTP/1.1\r\nHost: h\r\n\r\n").ok());
  HttpClient half = client();
  ASSERT_TRUE(half.send_raw("GET /wait HT").ok());
  ASSERT_TRUE(runtime::block_on(shards_->shard(0), wait_for(handler_.waiting)));
  ASSERT_TRUE(eventually([this] { return server_->counters().open == 2; }));
  stop(std::chrono::milliseconds(1));
  EXPECT_EQ(server_->counters().open, 0U);
}

TEST_F(HttpServerTest, AClientGoneBeforeTheAnswerLeavesNothingBehind) {
  HttpClient gone = client();
  ASSERT_TRUE(
      gone.send_raw("POST /wait HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello").ok());
  ASSERT_TRUE(runtime::block_on(shards_->shard(0), wait_for(handler_.waiting)));
  gone.close();
  handler_.release.set();
  EXPECT_TRUE(eventually([this] { return server_->counters().open == 0; }));
}

TEST_F(HttpServerTest, AClientThatGoesEndsWhatWasDoneForItAlone) {
  HttpClient gone = client();
  ASSERT_TRUE(
      gone.send_raw("POST /watched HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello").ok());
  ASSERT_TRUE(runtime::block_on(shards_->shard(0), wait_for(handler_.waiting)));
  gone.close();
  EXPECT_TRUE(eventually([this] { return server_->counters().open == 0; }));
  EXPECT_EQ(handler_.cancelled, 1);
}

TEST_F(HttpServerTest, AClientThatStaysIsAnsweredAndGoesOn) {
  HttpClient c = client();
  ASSERT_TRUE(c.send_raw("GET /watched HTTP/1.1\r\nHost: h\r\n\r\n").ok());
  ASSERT_TRUE(runtime::block_on(shards_->shard(0), wait_for(handler_.waiting)));
  // What comes behind it is not lost to the watch.
  ASSERT_TRUE(c.send_raw("GET /watched HTTP/1.1\r\nHost: h\r\n\r\n").ok());
  handler_.release.set();
  EXPECT_EQ(c.read_response().value().body, "released");
  EXPECT_EQ(c.read_response().value().body, "released");
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(c.get("/watched").value().body, "released");
  }
  EXPECT_EQ(server_->counters().accepted, 1U);
  EXPECT_EQ(handler_.cancelled, 0);
}

TEST_F(HttpServerTest, StopCancelsAlsoWhatIsWatched) {
  HttpClient busy = client();
  ASSERT_TRUE(busy.send_raw("GET /watched HTTP/1.1\r\nHost: h\r\n\r\n").ok());
  ASSERT_TRUE(runtime::block_on(shards_->shard(0), wait_for(handler_.waiting)));
  stop(std::chrono::milliseconds(1));
  EXPECT_EQ(handler_.cancelled, 1);
}

TEST_F(HttpServerTest, ClientsOfTwoShardsAtOnce) {
  std::vector<std::thread> threads;
  threads.reserve(8);
  std::atomic<int> right = 0;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([this, t, &right] {
      HttpClient c = client();
      for (int i = 0; i < 200; ++i) {
        const std::string body =
            fmt::format("{}-{}-{}", t, i, std::string(static_cast<size_t>(i * 50), 'x'));
        const auto response = c.request("POST", "/echo", {}, body);
        right += response.ok() && response->body == body ? 1 : 0;
      }
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(right, 1600);
}

}  // namespace
}  // namespace millrace::net
