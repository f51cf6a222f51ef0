// For this folder's tests: a server with a few paths, on loopback with a port of its own.
#pragma once

#include "base/check.h"
#include "net/http_client.h"
#include "net/http_server.h"
#include "runtime/coroutine.h"
#include "runtime/on_shard.h"
#include "runtime/shard.h"
#include "runtime/signal.h"

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <variant>

namespace millrace::net {

class TestHandler final : public HttpHandler {
 public:
  std::variant<HttpAdmission, HttpResponse> admit(const HttpRequest& head,
                                                  const HttpLimits& limits) override {
    if (head.path == "/busy") {
      return std::move(HttpResponse::text(503, "busy").with("Retry-After", "1"));
    }
    const size_t allowed = head.path == "/ten" ? 10 : limits.body_bytes;
    auto memory = budget.try_reserve(head.content_length.value_or(0));
    if (!memory && head.content_length.value_or(0) > 0) {
      return HttpResponse::text(503, "no memory");
    }
    return HttpAdmission{allowed, std::move(memory), head.path == "/watched"};
  }

  runtime::Task<HttpResponse> handle(const HttpRequest& request) override {
    ++handled;
    if (request.path == "/wait" || request.path == "/watched") {
      const runtime::CancelCallback wake(request.cancel, [this] { release.set(); });
      waiting.set();
      co_await release.wait(runtime::Deadline::never());
      cancelled += request.cancel.is_cancelled() ? 1 : 0;
      co_return HttpResponse::text(200, request.cancel.is_cancelled() ? "cancelled" : "released");
    }
    if (request.path == "/parts") {
      HttpResponse response = HttpResponse::text(200, "");
      for (int i = 0; i < 300; ++i) {
        response.more.push_back(std::string(10'000, static_cast<char>('a' + i % 26)));
      }
      co_return response;
    }
    if (request.path == "/none") {
      co_return HttpResponse{204, {}, {}, {}};
    }
    HttpResponse response = HttpResponse::text(
        200, std::string(reinterpret_cast<const char*>(request.body.data()), request.body.size()));
    response.with("X-Path", std::string(request.path));
    co_return response;
  }

  MemoryBudget budget{"test", size_t{64} << 20};
  std::atomic<int> handled{0};
  std::atomic<int> cancelled{0};
  runtime::Signal waiting;
  runtime::Signal release;
};

/// A base of the tests' fixtures. Stops the server when it goes, and checks that nothing is left.
class TestServer {
 public:
  TestServer(const TestServer&) = delete;
  TestServer& operator=(const TestServer&) = delete;

 protected:
  explicit TestServer(HttpLimits limits = {}) {
    const HttpServerOptions options{Address{"127.0.0.1", 0}, 4096, limits};
    server_ = std::move(HttpServer::start(*shards_, options, handler_)).value();
  }

  // NOLINTNEXTLINE(bugprone-exception-escape): only out of memory, which ends the test anyway.
  ~TestServer() {
    handler_.release.set();
    stop(std::chrono::seconds(10));
    MILLRACE_CHECK(server_->counters().open == 0, "a connection is left");
    MILLRACE_CHECK(handler_.budget.used() == 0, "memory is left reserved");
  }

  static runtime::Task<void> stop_server(HttpServer& server, runtime::Deadline drain) {
    co_await server.stop(drain);
  }

  void stop(std::chrono::nanoseconds drain) {
    runtime::block_on(shards_->shard(1), stop_server(*server_, runtime::Deadline::after(drain)));
  }

  static runtime::Task<bool> wait_for(runtime::Signal& signal) {
    co_return co_await signal.wait(runtime::Deadline::after(std::chrono::seconds(30)));
  }

  HttpClient client() const { return HttpClient(server_->address()); }

  /// Sends `bytes` on a connection of its own; everything that comes until the server ends it.
  std::string answer_to(std::string_view bytes) const {
    HttpClient raw = client();
    if (const Status sent = raw.send_raw(bytes); !sent.ok()) {
      return sent.error().message;
    }
    auto answer = raw.read_to_end();
    return answer.ok() ? *answer : answer.error().message;
  }

  /// Waits, with a deadline, until `condition` holds.
  template <typename Condition>
  static bool eventually(Condition condition) {
    const auto deadline = runtime::Deadline::after(std::chrono::seconds(30));
    while (!condition()) {
      if (deadline.has_passed()) {
        return false;
      }
      std::this_thread::yield();
    }
    return true;
  }

  std::unique_ptr<runtime::ShardSet> shards_ =
      std::move(runtime::ShardSet::start(2, "test")).value();
  TestHandler handler_;
  std::unique_ptr<HttpServer> server_;
};

}  // namespace millrace::net
