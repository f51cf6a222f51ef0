#include "net/http_server.h"

#include "net/http_connection.h"
#include "runtime/coroutine.h"

#include <utility>

namespace millrace::net {

using runtime::Task;

std::variant<HttpAdmission, HttpResponse> HttpHandler::admit(const HttpRequest&,
                                                             const HttpLimits& limits) {
  return HttpAdmission{limits.body_bytes, {}};
}

HttpResponse HttpHandler::refusal(int status, std::string_view reason, std::string_view) {
  return HttpResponse::text(status, fmt::format("{}\n", reason));
}

struct HttpServer::Impl final : ConnectionHandler {
  Impl(HttpLimits given, HttpHandler& serving) : limits(given), handler(serving) {}

  Task<void> serve(Stream& stream, runtime::CancelToken stop) override {
    HttpConnection connection(stream, std::move(stop), limits, handler);
    co_await connection.run();
  }

  const HttpLimits limits;
  HttpHandler& handler;
  std::unique_ptr<Listener> listener;
};

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

HttpServer::~HttpServer() = default;

Result<std::unique_ptr<HttpServer>> HttpServer::start(runtime::ShardSet& shards,
                                                      const HttpServerOptions& options,
                                                      HttpHandler& handler) {
  auto impl = std::make_unique<Impl>(options.limits, handler);
  MILLRACE_TRY(impl->listener,
               Listener::start(shards, {"http", options.address, options.max_connections}, *impl));
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

const Address& HttpServer::address() const {
  return impl_->listener->address();
}

Listener::Counters HttpServer::counters() const {
  return impl_->listener->counters();
}

Task<void> HttpServer::stop(runtime::Deadline drain) {
  co_await impl_->listener->stop(drain);
}

}  // namespace millrace::net
