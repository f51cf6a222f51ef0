#include "net/listener.h"

#include "net/bound_socket.h"
#include "net/http_fixture.h"

#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <vector>

namespace millrace::net {
namespace {

using runtime::Deadline;
using runtime::Task;

/// Sends back what it reads.
class Echo final : public ConnectionHandler {
 public:
  Task<void> serve(Stream& stream, runtime::CancelToken) override {
    std::vector<std::byte> buffer(1000);
    while (true) {
      const auto bytes = co_await stream.read_some(buffer, Deadline::never(), ReadKind::kIdle);
      if (!bytes.ok() || *bytes == 0) {
        co_return;
      }
      const ConstSpan part = std::span(buffer).first(*bytes);
      const auto written = co_await stream.write_all(std::span(&part, 1), Deadline::never());
      if (!written.ok()) {
        co_return;
      }
    }
  }
};

class ListenerTest : public testing::Test {
 protected:
  Result<std::unique_ptr<Listener>> listen(Address address, size_t max_connections = 4096) {
    return Listener::start(*shards_, {"echo", std::move(address), max_connections}, echo_);
  }

  static Task<void> stop_listener(Listener& listener) {
    co_await listener.stop(Deadline::after(std::chrono::seconds(10)));
  }

  void stop(Listener& listener) { runtime::block_on(shards_->shard(0), stop_listener(listener)); }

  static bool eventually(const std::function<bool()>& condition) {
    const auto deadline = Deadline::after(std::chrono::seconds(30));
    while (!condition() && !deadline.has_passed()) {
      std::this_thread::yield();
    }
    return condition();
  }

  std::unique_ptr<runtime::ShardSet> shards_ =
      std::move(runtime::ShardSet::start(2, "test")).value();
  Echo echo_;
};

TEST_F(ListenerTest, PortZeroTakesAFreeOneOnBothFamilies) {
  for (const char* host : {"127.0.0.1", "::1", "localhost"}) {
    auto listener = listen({host, 0});
    if (!listener.ok() && std::string_view(host) == "::1") {
      continue;  // a machine without IPv6
    }
    ASSERT_TRUE(listener.ok()) << listener.error().message;
    EXPECT_NE((*listener)->address().port, 0);
    HttpClient client((*listener)->address());
    EXPECT_TRUE(client.send_raw("x").ok());
    stop(**listener);
  }
}

TEST_F(ListenerTest, ErrorsNameAddressReasonAndRemedy) {
  auto first = listen({"127.0.0.1", 0}).value();
  const auto second = listen(first->address());
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, Code::kConflict);
  EXPECT_NE(second.error().message.find(first->address().to_string()), std::string::npos);
  EXPECT_NE(second.error().message.find("choose another"), std::string::npos);
  const auto elsewhere = listen({"203.0.113.1", 0});
  ASSERT_FALSE(elsewhere.ok());
  EXPECT_EQ(elsewhere.error().code, Code::kInvalid);
  EXPECT_EQ(listen({"no.such.host", 0}).error().code, Code::kInvalid);
  stop(*first);
}

TEST_F(ListenerTest, BeyondTheLimitConnectionsAreClosedAndCounted) {
  auto listener = listen({"127.0.0.1", 0}, 2).value();
  HttpClient first(listener->address());
  HttpClient second(listener->address());
  ASSERT_TRUE(first.send_raw("a").ok());
  ASSERT_TRUE(second.send_raw("b").ok());
  ASSERT_TRUE(eventually([&] { return listener->counters().open == 2; }));
  HttpClient third(listener->address());
  static_cast<void>(third.send_raw("c"));
  ASSERT_TRUE(eventually([&] { return listener->counters().refused_at_limit == 1; }));
  first.close();
  ASSERT_TRUE(eventually([&] { return listener->counters().open == 1; }));
  HttpClient fourth(listener->address());
  ASSERT_TRUE(fourth.send_raw("d").ok());
  EXPECT_TRUE(eventually([&] { return listener->counters().open == 2; }));
  stop(*listener);
  EXPECT_EQ(listener->counters().open, 0U);
}

TEST_F(ListenerTest, OutOfDescriptorsItRefusesAndRecovers) {
#if __has_feature(undefined_behavior_sanitizer)
  GTEST_SKIP() << "its runtime looks at objects through a pipe, for which nothing is left; the "
                  "other trees run this";
#endif
  auto listener = listen({"127.0.0.1", 0}).value();
  const Descriptor client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit tight = before;
  tight.rlim_cur = static_cast<rlim_t>(client.get()) + 50;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &tight), 0);
  std::vector<Descriptor> fillers;
  do {
    fillers.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  } while (fillers.back().get() >= 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(listener->address().port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int connected = ::connect(client.get(), reinterpret_cast<const sockaddr*>(&to), sizeof(to));
  const bool was_refused = eventually([&] { return listener->counters().out_of_descriptors > 0; });
  fillers.clear();
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_EQ(connected, 0);
  EXPECT_TRUE(was_refused);
  EXPECT_LT(listener->counters().out_of_descriptors, 20U);  // it backs off
  HttpClient after(listener->address());
  EXPECT_TRUE(after.send_raw("y").ok());
  EXPECT_TRUE(eventually([&] { return listener->counters().open == 1; }));
  stop(*listener);
}

TEST_F(ListenerTest, ConnectionsLeaveTheLastDescriptorsToFiles) {
  auto listener = listen({"127.0.0.1", 0}).value();
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const Descriptor lowest(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  rlimit tight = before;
  tight.rlim_cur = static_cast<rlim_t>(lowest.get()) + 60;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &tight), 0);
  std::vector<std::unique_ptr<HttpClient>> clients;
  for (uint64_t tried = 1; tried < 60 && listener->counters().out_of_descriptors == 0; ++tried) {
    clients.push_back(std::make_unique<HttpClient>(listener->address()));
    static_cast<void>(clients.back()->send_raw("x"));
    EXPECT_TRUE(eventually([&] {
      const auto counters = listener->counters();
      return counters.accepted + counters.out_of_descriptors == tried;
    }));
  }
  EXPECT_EQ(listener->counters().out_of_descriptors, 1U);
  EXPECT_GT(listener->counters().accepted, 10U);
  std::vector<Descriptor> files;
  for (int i = 0; i < 10; ++i) {
    files.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    EXPECT_GE(files.back().get(), 0) << i;
  }
  files.clear();
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  stop(*listener);
}

TEST_F(ListenerTest, ConnectionsThatComeWhileItStopsAreAllEnded) {
  for (int round = 0; round < 20; ++round) {
    auto listener = listen({"127.0.0.1", 0}).value();
    std::thread other([&] {
      for (int i = 0; i < 20; ++i) {
        HttpClient client(listener->address());
        static_cast<void>(client.send_raw("x"));
      }
    });
    stop(*listener);
    EXPECT_EQ(listener->counters().open, 0U);
    other.join();
  }
}

}  // namespace
}  // namespace millrace::net
