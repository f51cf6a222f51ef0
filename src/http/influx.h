// What every answer of InfluxDB's routes carries, whichever the route.
// Source: InfluxDB 1.8, services/httpd/handler.go; the API reference of InfluxDB 2.
#pragma once

#include "net/http_message.h"

#include <string_view>

namespace millrace::http {

/// Whose routes these are.
inline constexpr const char* kInfluxVersion = "1.8.10";

/// Whether the path is one that clients of InfluxDB ask.
bool is_influx(std::string_view path);

/// X-Influxdb-Version and -Build, and the request's id, which is `request_id` or, where the client
/// gave none, one of our own.
void add_influx_fields(net::HttpResponse& response, std::string_view request_id);

/// The id that a client gave its request, or "".
std::string_view request_id_of(const net::HttpRequest& request);

}  // namespace millrace::http
