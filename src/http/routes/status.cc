// How the server is: for people, load balancers, Prometheus and Influx clients.
#include "http/error_map.h"
#include "http/influx.h"
#include "http/routes/routes.h"
#include "runtime/coroutine.h"

#include <nlohmann/json.hpp>

namespace millrace::http {
namespace {

constexpr const char* kPoisoned = "the journal is read-only after a failed write or sync: restart";

}  // namespace

runtime::Task<net::HttpResponse> health(Call call) {
  const journal::JournalLog& log = call.context.broker.journal();
  const bool is_well = !log.is_poisoned();
  const auto full = log.full();
  const std::string well =
      full ? "ready for reads; writes are refused: " + full->message : "ready for reads and writes";
  const nlohmann::json content = {{"name", "millrace"},
                                  {"status", is_well ? "pass" : "fail"},
                                  {"version", call.context.options.version},
                                  {"message", is_well ? well : kPoisoned}};
  co_return net::HttpResponse::json(is_well ? 200 : 503, content.dump());
}

runtime::Task<net::HttpResponse> ready(Call call) {
  const journal::JournalLog& log = call.context.broker.journal();
  if (log.is_poisoned()) {
    co_return answer_of(make_error(Code::kReadOnly, kPoisoned), ErrorForm::kMillrace);
  }
  nlohmann::json content = {{"status", "ready"},
                            {"tables_being_rebuilt", call.context.tables.replaying()},
                            {"tables_damaged", call.context.tables.damaged()}};
  if (const auto full = log.full()) {  // reads, queries, deletes go on: still 200
    content["writes"] = "refused";
    content["message"] = "writes are refused: " + full->message;
    content["journal_bytes"] = log.total_bytes();
    content["journal_max_bytes"] = log.max_bytes();
  }
  if (const auto failure = call.context.broker.object_failure()) {
    content["object_writes"] = "waiting";
    content["object_message"] =
        "writes to durability=object topics wait for the object store: " + failure->message;
  }
  co_return net::HttpResponse::json(200, content.dump());
}

runtime::Task<net::HttpResponse> metrics(Call call) {
  net::HttpResponse response{.status = 200, .body = call.context.metrics.text()};
  response.with("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
  co_return response;
}

/// As InfluxDB 1: its version alone, which is in a field of every answer, or also in the body.
runtime::Task<net::HttpResponse> ping(Call call) {
  const auto verbose = call.request.param("verbose");
  if (!verbose || verbose->empty() || *verbose == "0" || *verbose == "false") {
    co_return net::HttpResponse{.status = 204};
  }
  const nlohmann::json content = {{"version", kInfluxVersion}};
  co_return net::HttpResponse::json(200, content.dump());
}

}  // namespace millrace::http
