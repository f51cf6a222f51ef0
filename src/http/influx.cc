#include "http/influx.h"

#include "base/ids.h"

namespace millrace::http {

bool is_influx(std::string_view path) {
  return path == "/write" || path == "/query" || path == "/ping" || path == "/health" ||
         path.starts_with("/api/v2/");
}

void add_influx_fields(net::HttpResponse& response, std::string_view request_id) {
  const std::string id = request_id.empty() ? Uuid::random().to_string() : std::string(request_id);
  response.with("X-Influxdb-Version", kInfluxVersion)
      .with("X-Influxdb-Build", "millrace")
      .with("Request-Id", id)
      .with("X-Request-Id", id);
}

std::string_view request_id_of(const net::HttpRequest& request) {
  for (const char* name : {"x-request-id", "request-id"}) {
    if (const auto id = request.header(name); id && !id->empty()) {
      return *id;
    }
  }
  return {};
}

}  // namespace millrace::http
