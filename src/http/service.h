// The HTTP front end: finds the route of a request, counts, and gives errors their form.
#pragma once

#include "http/context.h"
#include "net/http_server.h"

#include <string_view>
#include <variant>

namespace millrace::http {

/// Behind a net::HttpServer, which it outlives. Thread-safe.
class Service final : public net::HttpHandler {
 public:
  explicit Service(Context context) : context_(std::move(context)) {}

  std::variant<net::HttpAdmission, net::HttpResponse> admit(const net::HttpRequest& head,
                                                            const net::HttpLimits& limits) override;
  runtime::Task<net::HttpResponse> handle(const net::HttpRequest& request) override;
  net::HttpResponse refusal(int status, std::string_view reason, std::string_view path) override;

 private:
  /// Counts an answer and gives it the fields of its family.
  net::HttpResponse finished(net::HttpResponse response, std::string_view path,
                             std::string_view request_id);

  Context context_;
};

}  // namespace millrace::http
