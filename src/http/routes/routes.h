// The routes, one file per resource. Each task runs on its connection's shard.
#pragma once

#include "http/context.h"
#include "net/http_message.h"
#include "runtime/task.h"

#include <string>
#include <string_view>
#include <vector>

namespace millrace::http {

/// A request that has found its route.
struct Call {
  Context& context;
  const net::HttpRequest& request;
  std::vector<std::string> parts;  // decoded path segments where the route has '*'
};

using Handler = runtime::Task<net::HttpResponse> (*)(Call);

// routes/write.cc
runtime::Task<net::HttpResponse> write_msgpack(Call call);
runtime::Task<net::HttpResponse> write_influx1(Call call);
runtime::Task<net::HttpResponse> write_influx2(Call call);
runtime::Task<net::HttpResponse> write_arc(Call call);

// routes/influx_query.cc
runtime::Task<net::HttpResponse> influx_query(Call call);

// routes/query.cc
runtime::Task<net::HttpResponse> query(Call call);

// routes/tables.cc
runtime::Task<net::HttpResponse> list_tables(Call call);
runtime::Task<net::HttpResponse> describe_table(Call call);
runtime::Task<net::HttpResponse> flush_table(Call call);

// routes/status.cc
runtime::Task<net::HttpResponse> health(Call call);
runtime::Task<net::HttpResponse> ready(Call call);
runtime::Task<net::HttpResponse> metrics(Call call);
runtime::Task<net::HttpResponse> ping(Call call);

}  // namespace millrace::http
