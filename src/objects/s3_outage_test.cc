#include "objects/s3_store.h"
#include "objects/store_conformance_test.h"
#include "objects/test_s3_server.h"

#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cctype>
#include <thread>

namespace millrace::objects {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr auto kLong = std::chrono::seconds(30);

/// `patience`: without a byte moving; a server that has just started needs some.
S3StoreOptions options_of(const std::string& endpoint,
                          std::chrono::milliseconds patience = std::chrono::seconds(1)) {
  S3StoreOptions options;
  options.endpoint = endpoint;
  options.scheme = "http";
  options.region = "us-east-1";
  options.bucket = S3Server::kBucket;
  options.access_key = S3Server::kAccessKey;
  options.secret_key = S3Server::kSecretKey;
  options.request_timeout = patience;
  return options;
}

/// Every call is answered by an error that passes, and `read_at` is one of them.
void expect_away(S3Store& store, const ObjectReader* reader) {
  std::vector<Status> all;
  const auto note = [&all](auto result) {
    all.push_back(result.ok() ? Status{} : Status(result.error()));
  };
  note(store.look("kept"));
  note(store.read("kept"));
  note(store.list(""));
  note(store.remove("kept"));
  note(put(store, "new", "new"));
  if (reader != nullptr) {
    std::byte byte{};
    note(reader->read_at(0, {&byte, 1}));
  }
  for (const Status& status : all) {
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, Code::kOverloaded) << status.error().message;
    EXPECT_EQ(status.error().retry, Retry::kBackoff);
    EXPECT_THAT(status.error().message, HasSubstr("127.0.0.1:"));
  }
}

TEST(S3Outage, TheStoreWorksAgainWhenTheServerIsBack) {
  auto started = S3Server::start();
  ASSERT_TRUE(started.ok()) << started.error().message;
  S3Server& server = **started;
  const auto store = *S3Store::open(options_of(server.endpoint(), kLong));
  ASSERT_TRUE(put(*store, "kept", "kept").ok());
  const auto reader = store->read("kept");
  ASSERT_TRUE(reader.ok());
  auto given_up = store->create("given up");
  ASSERT_TRUE((*given_up)->write(content_of(3 * S3Store::kPartBytes)).ok());
  ASSERT_THAT(server.unfinished_uploads(), SizeIs(1));
  auto failing = store->create("failing");

  server.stop();
  expect_away(*store, reader->get());
  *given_up = nullptr;  // its upload cannot be aborted now
  const auto content = content_of(5 * S3Store::kPartBytes);
  Status failed = (*failing)->write(content);
  if (failed.ok()) {
    failed = (*failing)->publish();
  }
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().retry, Retry::kBackoff);
  *failing = nullptr;

  const Status back = server.start_again();
  ASSERT_TRUE(back.ok()) << back.error().message;
  EXPECT_THAT(names_of(*store, ""), ElementsAre("kept"));
  ASSERT_THAT(server.unfinished_uploads(), SizeIs(1));
  const Status written = put(*store, "new", "new");
  ASSERT_TRUE(written.ok()) << written.error().message;
  EXPECT_THAT(server.unfinished_uploads(), IsEmpty());  // the next writer aborted it
  EXPECT_THAT(names_of(*store, ""), ElementsAre("kept", "new"));
  std::byte byte{};
  ASSERT_TRUE((*reader)->read_at(0, {&byte, 1}).ok());
  EXPECT_EQ(byte, std::byte{'k'});
}

TEST(S3Outage, WhatCouldNotBeAbortedIsNotPublishedByTheEndOfItsStore) {
  auto started = S3Server::start();
  ASSERT_TRUE(started.ok()) << started.error().message;
  S3Server& server = **started;
  {
    const auto store = *S3Store::open(options_of(server.endpoint(), kLong));
    const auto writer = store->create("given up");
    ASSERT_TRUE((*writer)->write(content_of(2 * S3Store::kPartBytes)).ok());
    ASSERT_THAT(server.unfinished_uploads(), SizeIs(1));
    server.stop();
  }
  ASSERT_TRUE(server.start_again().ok());
  const auto store = *S3Store::open(options_of(server.endpoint(), kLong));
  EXPECT_THAT(names_of(*store, ""), IsEmpty());
}

constexpr const char* kReset = "reset";

/// Answers every request alike, and counts them.
class AnsweringServer {
 public:
  /// Empty: takes requests and never answers. kReset: breaks the connection instead.
  explicit AnsweringServer(std::string answer)
      : answer_(std::move(answer)), listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    EXPECT_EQ(::listen(listener_, 64), 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }

  ~AnsweringServer() {
    ::shutdown(listener_, SHUT_RDWR);  // ends accept
    thread_.join();
    for (const int connection : unanswered_) {
      ::close(connection);
    }
    ::close(listener_);
  }

  AnsweringServer(const AnsweringServer&) = delete;
  AnsweringServer& operator=(const AnsweringServer&) = delete;

  std::string endpoint() const { return fmt::format("127.0.0.1:{}", port_); }

  int requests() const { return requests_; }

 private:
  void serve() {
    int connection = 0;
    while ((connection = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC)) >= 0) {
      std::string request;
      std::array<char, 4096> part{};
      ssize_t n = 0;
      while (request.find("\r\n\r\n") == std::string::npos &&
             (n = ::recv(connection, part.data(), part.size(), 0)) > 0) {
        request.append(part.data(), static_cast<size_t>(n));
      }
      ++requests_;
      if (answer_.empty()) {
        unanswered_.push_back(connection);
        continue;
      }
      if (answer_ == kReset) {
        const linger none{.l_onoff = 1, .l_linger = 0};
        ::setsockopt(connection, SOL_SOCKET, SO_LINGER, &none, sizeof none);
        ::close(connection);
        continue;
      }
      take_body(connection, request);
      ::send(connection, answer_.data(), answer_.size(), MSG_NOSIGNAL);
      ::shutdown(connection, SHUT_WR);
      while (::recv(connection, part.data(), part.size(), 0) > 0) {  // until the client closes
      }
      ::close(connection);
    }
  }

  /// What follows the head that `request` ends with, or ends in.
  static void take_body(int connection, const std::string& request) {
    constexpr std::string_view kLength = "content-length: ";
    std::string head = request.substr(0, request.find("\r\n\r\n"));
    std::ranges::transform(head, head.begin(), [](unsigned char c) { return std::tolower(c); });
    const size_t at = head.find(kLength);
    if (at == std::string::npos) {
      return;
    }
    const size_t body = std::stoul(head.substr(at + kLength.size()));
    if (head.find("expect: 100-continue") != std::string::npos) {
      constexpr std::string_view kGoOn = "HTTP/1.1 100 Continue\r\n\r\n";
      ::send(connection, kGoOn.data(), kGoOn.size(), MSG_NOSIGNAL);
    }
    std::array<char, 65536> part{};
    for (size_t have = request.size() - head.size() - 4; have < body;) {
      const ssize_t n = ::recv(connection, part.data(), part.size(), 0);
      if (n <= 0) {
        return;
      }
      have += static_cast<size_t>(n);
    }
  }

  const std::string answer_;
  const int listener_;
  uint16_t port_ = 0;
  std::atomic<int> requests_{0};
  std::vector<int> unanswered_;
  std::thread thread_;
};

std::string answer(std::string_view status, std::string_view code) {
  const std::string body = fmt::format(
      "<?xml version=\"1.0\"?><Error><Code>{0}</Code><Message>as told</Message></Error>", code);
  return fmt::format(
      "HTTP/1.1 {}\r\nContent-Type: application/xml\r\nContent-Length: {}\r\n"
      "Connection: close\r\n\r\n{}",
      status, body.size(), body);
}

TEST(S3Outage, ARefusedRequestIsTriedOnceMoreAndThenItIsTheCallers) {
  for (const auto& [status, code] : {std::pair{"503 Slow Down", "SlowDown"},
                                     std::pair{"503 Service Unavailable", "ServiceUnavailable"},
                                     std::pair{"500 Internal Server Error", "InternalError"}}) {
    AnsweringServer server(answer(status, code));
    const auto store = *S3Store::open(options_of(server.endpoint()));
    const Status written = put(*store, "a", "a");
    ASSERT_FALSE(written.ok());
    EXPECT_EQ(written.error().code, Code::kOverloaded) << written.error().message;
    EXPECT_EQ(written.error().retry, Retry::kBackoff);
    EXPECT_EQ(server.requests(), 2) << status;
    EXPECT_EQ(store->list("").error().code, Code::kOverloaded);
    EXPECT_EQ(server.requests(), 4) << status;
    EXPECT_EQ(store->look("a").error().code, Code::kOverloaded);
    EXPECT_EQ(store->counters().failures, 3U);
  }
}

TEST(S3Outage, ErrorsOfServersInBetweenPassToo) {
  for (const auto& status : {"502 Bad Gateway", "503 Service Unavailable", "504 Gateway Timeout",
                             "429 Too Many Requests"}) {
    AnsweringServer server(answer(status, "UnheardOf"));
    const auto store = *S3Store::open(options_of(server.endpoint()));
    const Status written = put(*store, "a", "a");
    ASSERT_FALSE(written.ok());
    EXPECT_EQ(written.error().code, Code::kOverloaded) << written.error().message;
    EXPECT_EQ(store->look("a").error().code, Code::kOverloaded);
    EXPECT_LE(server.requests(), 4) << status;
  }
}

TEST(S3Outage, ASmallObjectIsOneRequest) {
  AnsweringServer server(
      "HTTP/1.1 200 OK\r\nETag: \"1\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  const auto store = *S3Store::open(options_of(server.endpoint()));
  int requests = 0;
  for (const size_t size : {size_t{0}, size_t{1}, S3Store::kPartBytes - 1}) {
    const Status written = put(*store, "a", content_of(size), 3'000'000);
    EXPECT_TRUE(written.ok()) << written.error().message;
    EXPECT_EQ(server.requests(), ++requests) << size;
  }
}

TEST(S3Outage, ARefusalThatStaysIsNotTriedAgain) {
  AnsweringServer server(answer("403 Forbidden", "AccessDenied"));
  const auto store = *S3Store::open(options_of(server.endpoint()));
  const Status written = put(*store, "a", "a");
  EXPECT_EQ(written.error().code, Code::kForbidden) << written.error().message;
  EXPECT_EQ(server.requests(), 1);
}

TEST(S3Outage, AServerThatNeverAnswersIsGivenUp) {
  AnsweringServer server("");
  const auto store = *S3Store::open(options_of(server.endpoint()));
  const auto looked = store->look("a");
  ASSERT_FALSE(looked.ok());
  EXPECT_EQ(looked.error().code, Code::kOverloaded) << looked.error().message;
  EXPECT_EQ(looked.error().retry, Retry::kBackoff);
  EXPECT_EQ(server.requests(), 2);
}

TEST(S3Outage, AConnectionThatBreaksInAWriteMayBeTriedAgain) {
  AnsweringServer server(kReset);
  const auto store = *S3Store::open(options_of(server.endpoint()));
  const Status written = put(*store, "a", content_of(S3Store::kPartBytes - 1));
  ASSERT_FALSE(written.ok());
  EXPECT_EQ(written.error().code, Code::kOverloaded) << written.error().message;
  EXPECT_EQ(written.error().retry, Retry::kBackoff);
  EXPECT_EQ(server.requests(), 2);
}

TEST(S3Outage, OpeningAsksNothing) {
  AnsweringServer server("");
  const auto store = S3Store::open(options_of(server.endpoint()));
  ASSERT_TRUE(store.ok());
  EXPECT_EQ((*store)->look("a/").error().code, Code::kInvalid);
  EXPECT_EQ(server.requests(), 0);
}

}  // namespace
}  // namespace millrace::objects
