// How many keep-alive requests one shard answers:  http_server_bench [CONNECTIONS BODY_BYTES
// SECONDS] One JSON line. The client is one thread that sends to all connections, then reads from
// all, so requests come in bursts; "shard_us" is the shard's own CPU time per request.
#include "net/http_server.h"
#include "runtime/coroutine.h"
#include "runtime/on_shard.h"
#include "runtime/shard.h"

#include <fmt/format.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace millrace;  // NOLINT(google-build-using-namespace): one short program

class NoContent final : public net::HttpHandler {
 public:
  runtime::Task<net::HttpResponse> handle(const net::HttpRequest&) override {
    co_return net::HttpResponse{204, {}, {}, {}};
  }
};

runtime::Task<double> cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_THREAD, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  };
  co_return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

int connect_to(const net::Address& address) {
  const int client = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(address.port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int on = 1;
  setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  return ::connect(client, reinterpret_cast<const sockaddr*>(&to), sizeof(to)) == 0 ? client : -1;
}

/// Reads one answer without a body.
bool skip_answer(int client) {
  std::array<char, 4096> buffer;
  size_t size = 0;
  while (size < 4 || std::string_view(buffer.data(), size).substr(size - 4) != "\r\n\r\n") {
    const ssize_t bytes = ::recv(client, buffer.data() + size, buffer.size() - size, 0);
    if (bytes <= 0) {
      return false;
    }
    size += static_cast<size_t>(bytes);
  }
  return true;
}

runtime::Task<void> stop(net::HttpServer& server) {
  co_await server.stop(runtime::Deadline::after(std::chrono::seconds(1)));
}

}  // namespace

// NOLINTNEXTLINE(bugprone-exception-escape): a benchmark may end any way.
int main(int argc, char** argv) {
  const auto argument = [&](int at, size_t otherwise) {
    return argc > at ? std::strtoull(argv[at], nullptr, 10) : otherwise;
  };
  const size_t connections = argument(1, 64);
  const size_t body_bytes = argument(2, 100);
  const size_t seconds = argument(3, 3);
  auto shards = std::move(runtime::ShardSet::start(1, "bench")).value();
  NoContent handler;
  auto server =
      std::move(net::HttpServer::start(*shards, {net::Address{"127.0.0.1", 0}, 4096, {}}, handler))
          .value();
  std::vector<int> clients;
  clients.reserve(connections);
  for (size_t i = 0; i < connections; ++i) {
    clients.push_back(connect_to(server->address()));
  }
  const std::string request = fmt::format(
      "POST /api/v1/write/msgpack HTTP/1.1\r\nHost: localhost:8086\r\nUser-Agent: bench\r\n"
      "Accept: */*\r\nContent-Type: application/msgpack\r\nContent-Length: {}\r\n\r\n{}",
      body_bytes, std::string(body_bytes, 'x'));
  size_t answered = 0;
  const double cpu_before = runtime::block_on(shards->shard(0), cpu_seconds());
  const auto started = std::chrono::steady_clock::now();
  const auto end = started + std::chrono::seconds(seconds);
  while (std::chrono::steady_clock::now() < end) {
    for (const int client : clients) {
      if (::send(client, request.data(), request.size(), 0) !=
          static_cast<ssize_t>(request.size())) {
        return 1;
      }
    }
    for (const int client : clients) {
      if (!skip_answer(client)) {
        return 1;
      }
      ++answered;
    }
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
  const double cpu = runtime::block_on(shards->shard(0), cpu_seconds()) - cpu_before;
  fmt::print(
      "{{\"connections\":{},\"body_bytes\":{},\"requests\":{},\"per_second\":{:.0f},\"shard_us\":{:"
      ".2f}}}\n",
      connections, body_bytes, answered, static_cast<double>(answered) / took.count(),
      cpu * 1e6 / static_cast<double>(answered));
  for (const int client : clients) {
    ::close(client);
  }
  runtime::block_on(shards->shard(0), stop(*server));
  return 0;
}
