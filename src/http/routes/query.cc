// SQL: {"sql": "..."} → {"columns": [...], "rows": [...]}.
#include "http/body.h"
#include "http/error_map.h"
#include "http/routes/routes.h"
#include "runtime/coroutine.h"

#include <nlohmann/json.hpp>

namespace millrace::http {
namespace {

Result<std::string> sql_of(std::span<const std::byte> body) {
  const std::string_view text = bytes::as_text(body);
  const auto document = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (document.is_discarded()) {
    return make_error(Code::kInvalid,
                      "the body is not JSON; it must be {{\"sql\": \"SELECT ...\"}}");
  }
  if (!document.is_object() || !document.contains("sql") || !document["sql"].is_string()) {
    return make_error(Code::kInvalid, "the body has no text \"sql\"");
  }
  for (const auto& [name, value] : document.items()) {
    if (name != "sql") {
      return make_error(Code::kInvalid, "\"{}\" is unknown; the body has \"sql\" alone", name);
    }
  }
  return document["sql"].get<std::string>();
}

}  // namespace

runtime::Task<net::HttpResponse> query(Call call) {
  Context& context = call.context;
  const auto body = co_await body_of(context, call.request);
  if (!body.ok()) {
    co_return answer_of(body.error(), ErrorForm::kMillrace);
  }
  const auto sql = sql_of(body->bytes);
  if (!sql.ok()) {
    co_return answer_of(sql.error(), ErrorForm::kMillrace);
  }
  ++context.counters.queries;
  const query::QueryLimits limits{
      .deadline = runtime::Deadline::after(context.options.query, context.clock),
      .max_rows = context.options.query_rows,
      .cancel = call.request.cancel};
  const auto run = [&] { return context.engine.run(*sql, limits); };
  auto answer = co_await context.query_pool.run(run);
  if (!answer.ok()) {
    co_return answer_of(answer.error(), ErrorForm::kMillrace);
  }
  net::HttpResponse response = net::HttpResponse::json(200, "");
  response.more = std::move(answer->pieces);
  co_return response;
}

}  // namespace millrace::http
