// SQL: {"sql": "..."} → {"columns": [...], "rows": [...]}.
#include "http/body.h"
#include "http/error_map.h"
#include "http/routes/routes.h"
#include "http/sql_body.h"
#include "runtime/coroutine.h"

#include <atomic>
#include <chrono>
#include <memory>
#include <utility>

namespace millrace::http {
namespace {

/// How much longer than the query's time an answer is waited for: a query that DuckDB ends, or that
/// waits for its table, says more about it than we could.
constexpr std::chrono::milliseconds kPatience{200};

Error waited_in_vain(std::chrono::milliseconds allowed) {
  return make_error(Code::kTimeout,
                    "the query waited {:.3g} s for others to end, which is all it has",
                    std::chrono::duration<double>(allowed).count());
}

/// One query on its thread. Owns what it needs: the client may be answered before it ends.
class Run {
 public:
  Run(const Context& context, std::string sql, query::QueryLimits limits)
      : engine_(context.engine),
        allowed_(context.options.query),
        sql_(std::move(sql)),
        limits_(std::move(limits)) {}

  Result<query::QueryAnswer> operator()() {
    *has_begun_ = true;
    if (limits_.deadline.has_passed()) {
      return waited_in_vain(allowed_);
    }
    return engine_.run(sql_, limits_);
  }

  /// To be told by, wherever the query is then.
  std::shared_ptr<const std::atomic<bool>> has_begun() const { return has_begun_; }

 private:
  query::Engine& engine_;  // outlives the pool's threads
  const std::chrono::milliseconds allowed_;
  const std::string sql_;
  const query::QueryLimits limits_;
  const std::shared_ptr<std::atomic<bool>> has_begun_ = std::make_shared<std::atomic<bool>>(false);
};

/// Why a query is not waited for any longer, as the engine says it.
Error in_words(Error error, bool has_begun, std::chrono::milliseconds allowed) {
  if (error.code == Code::kTimeout) {
    return has_begun ? make_error(Code::kTimeout, "the query did not end within {:.3g} s",
                                  std::chrono::duration<double>(allowed).count())
                     : waited_in_vain(allowed);
  }
  if (error.code == Code::kCancelled) {
    return make_error(Code::kCancelled, "the query was cancelled");
  }
  return error;
}

}  // namespace

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
  Run run(context, *sql, limits);
  const auto has_begun = run.has_begun();
  // DuckDB may look at its interrupt late (in one function, while it binds): nobody waits for that.
  const auto until = runtime::Deadline::after(context.options.query + kPatience, context.clock);
  auto answer = co_await context.query_pool.run_until(std::move(run), until, limits.cancel);
  if (!answer.ok()) {
    co_return answer_of(in_words(std::move(answer).error(), *has_begun, context.options.query),
                        ErrorForm::kMillrace);
  }
  if (!answer->ok()) {
    co_return answer_of(answer->error(), ErrorForm::kMillrace);
  }
  net::HttpResponse response = net::HttpResponse::json(200, "");
  response.more = std::move((*answer)->pieces);
  co_return response;
}

}  // namespace millrace::http
