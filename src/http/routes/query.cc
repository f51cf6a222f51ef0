// SQL: {"sql": "..."} → {"columns": [...], "rows": [...]}.
#include "http/body.h"
#include "http/error_map.h"
#include "http/routes/routes.h"
#include "http/sql_body.h"
#include "runtime/coroutine.h"

#include <utility>

namespace millrace::http {
runtime::Task<net::HttpResponse> query(Call call) {
  Context& context = call.context;
  const auto body = co_await body_of(context, call.request);
  if (!body.ok()) {
    co_return answer_of(body.error(), ErrorForm::kMillrace);
  }
  const auto sql = parse_sql_body(bytes::as_text(body->bytes));
  if (!sql.ok()) {
    co_return answer_of(sql.error(), ErrorForm::kMillrace);
  }
  ++context.counters.queries;
  const query::QueryLimits limits{
      .deadline = runtime::Deadline::after(context.options.query, context.clock),
      .max_rows = context.options.query_rows,
      .cancel = call.request.cancel};
  const auto run = [&]() -> Result<query::QueryAnswer> {
    if (limits.deadline.has_passed()) {
      return make_error(Code::kTimeout,
                        "the query waited {:.3g} s for others to end, which is all it has",
                        std::chrono::duration<double>(context.options.query).count());
    }
    return context.engine.run(*sql, limits);
  };
  auto answer = co_await context.query_pool.run(run);
  if (!answer.ok()) {
    co_return answer_of(answer.error(), ErrorForm::kMillrace);
  }
  net::HttpResponse response = net::HttpResponse::json(200, "");
  response.more = std::move(answer->pieces);
  co_return response;
}

}  // namespace millrace::http
