#include "http/service.h"

#include "http/error_map.h"
#include "http/influx.h"
#include "http/routes/routes.h"
#include "runtime/coroutine.h"

#include <algorithm>
#include <array>
#include <optional>

namespace millrace::http {
namespace {

using net::HttpMethod;
using net::HttpRequest;
using net::HttpResponse;

/// Reserved for a body whose length is not said.
constexpr size_t kUnknownBody = size_t{4} << 20;

struct Route {
  HttpMethod method;
  std::string_view path;  // '*' stands for one segment
  Handler handler;
  bool ends_with_client = false;
};

constexpr std::array kRoutes = {
    Route{HttpMethod::kPost, "/api/v1/write/msgpack", write_msgpack},
    Route{HttpMethod::kPost, "/write", write_influx1},
    Route{HttpMethod::kPost, "/api/v2/write", write_influx2},
    Route{HttpMethod::kPost, "/api/v1/write/line-protocol", write_arc},
    Route{HttpMethod::kGet, "/query", influx_query},
    Route{HttpMethod::kPost, "/query", influx_query},
    Route{HttpMethod::kPost, "/api/v1/query", query, true},
    Route{HttpMethod::kGet, "/api/v1/tables", list_tables},
    Route{HttpMethod::kGet, "/api/v1/tables/*/*", describe_table},
    Route{HttpMethod::kPost, "/api/v1/tables/*/*/flush", flush_table},
    Route{HttpMethod::kGet, "/health", health},
    Route{HttpMethod::kGet, "/api/v2/health", health},
    Route{HttpMethod::kGet, "/ready", ready},
    Route{HttpMethod::kGet, "/metrics", metrics},
    Route{HttpMethod::kGet, "/ping", ping},
};

/// "/a/b" → "a" and leaves "/b".
std::string_view take_segment(std::string_view& path) {
  path.remove_prefix(1);
  const size_t end = std::min(path.find('/'), path.size());
  const std::string_view segment = path.substr(0, end);
  path.remove_prefix(end);
  return segment;
}

/// Whether `path` is of the form of `pattern`; what stands for '*' goes to `parts`, undecoded.
bool matches(std::string_view pattern, std::string_view path,
             std::vector<std::string_view>& parts) {
  parts.clear();
  while (!pattern.empty() && !path.empty() && path.front() == '/') {
    const std::string_view wanted = take_segment(pattern);
    const std::string_view given = take_segment(path);
    if (wanted == "*") {
      parts.push_back(given);
    } else if (wanted != given) {
      return false;
    }
  }
  return pattern.empty() && path.empty();
}

/// HEAD is GET without its body, which the server leaves out.
HttpMethod asked_for(const HttpRequest& request) {
  return request.method == HttpMethod::kHead ? HttpMethod::kGet : request.method;
}

struct Found {
  const Route* route = nullptr;
  std::vector<std::string_view> parts;
  std::string allowed;  // methods of the path, when the request's is none of them
};

Found find_route(const HttpRequest& request) {
  Found found;
  for (const Route& route : kRoutes) {
    if (!matches(route.path, request.path, found.parts)) {
      continue;
    }
    if (route.method == asked_for(request)) {
      found.route = &route;
      return found;
    }
    found.allowed += (found.allowed.empty() ? "" : ", ") + std::string(name_of(route.method));
    found.allowed += route.method == HttpMethod::kGet ? ", HEAD" : "";
  }
  return found;
}

HttpResponse no_route(const HttpRequest& request, const Found& found) {
  const ErrorForm form = form_of(request.path);
  if (found.allowed.empty()) {
    return answer_of(404, "not_found", fmt::format("there is no {}", request.path), form);
  }
  auto response = answer_of(
      405, "method_not_allowed",
      fmt::format("{} takes {}, not {}", request.path, found.allowed, name_of(request.method)),
      form);
  response.with("Allow", found.allowed);
  return response;
}

}  // namespace

HttpResponse Service::finished(HttpResponse response, std::string_view path,
                               std::string_view request_id) {
  ++context_.counters.requests;
  if (response.status >= 500) {
    ++context_.counters.failed_5xx;
  } else if (response.status >= 400) {
    ++context_.counters.refused_4xx;
  }
  if (is_influx(path)) {
    add_influx_fields(response, request_id);
  }
  return response;
}

std::variant<net::HttpAdmission, HttpResponse> Service::admit(const HttpRequest& head,
                                                              const net::HttpLimits&) {
  const auto refused = [&](HttpResponse response) {
    return finished(std::move(response), head.path, request_id_of(head));
  };
  const Found found = find_route(head);
  if (found.route == nullptr) {
    return refused(no_route(head, found));
  }
  const size_t limit = std::min(context_.options.body_bytes, context_.bodies.limit());
  const uint64_t length = head.content_length.value_or(head.is_chunked ? kUnknownBody : 0);
  if (length > limit) {
    return refused(answer_of(413, "too_large",
                             fmt::format("the body is {} bytes, {} are allowed", length, limit),
                             form_of(head.path)));
  }
  net::HttpAdmission admission{.body_bytes = limit,
                               .ends_with_client = found.route->ends_with_client};
  if (length > 0) {
    admission.memory = context_.bodies.try_reserve(length);
    if (!admission.memory) {
      return refused(answer_of(
          make_error(Code::kOverloaded, "requests in progress take {} of {} bytes: try later",
                     context_.bodies.used(), context_.bodies.limit()),
          form_of(head.path)));
    }
  }
  return admission;
}

runtime::Task<HttpResponse> Service::handle(const HttpRequest& request) {
  const Found found = find_route(request);
  Call call{context_, request, {}};
  for (const std::string_view part : found.parts) {
    auto decoded = net::percent_decode(part);
    if (!decoded.ok()) {
      co_return finished(answer_of(decoded.error(), form_of(request.path)), request.path,
                         request_id_of(request));
    }
    call.parts.push_back(*std::move(decoded));
  }
  co_return finished(co_await found.route->handler(std::move(call)), request.path,
                     request_id_of(request));
}

HttpResponse Service::refusal(int status, std::string_view reason, std::string_view path) {
  return finished(
      answer_of(status, status == 408 ? "timeout" : "bad_request", reason, form_of(path)), path,
      {});
}

}  // namespace millrace::http
