// SQL: {"sql": "..."} → {"columns": [...], "rows": [...]}.
#include "http/body.h"
#include "http/error_map.h"
#include "http/routes/routes.h"
#include "runtime/coroutine.h"

#include <nlohmann/json.hpp>

#include <optional>
#include <utility>

namespace millrace::http {
namespace {

/// Takes {"sql": "text"} and ends at the first thing that is something else: a document of arrays
/// in arrays would take a hundred times its size in memory.
class SqlReader final : public nlohmann::json_sax<nlohmann::json> {
 public:
  Result<std::string> read(std::string_view text) {
    const bool is_whole = nlohmann::json::sax_parse(text, this);
    if (problem_) {
      return *std::move(problem_);
    }
    if (!is_whole || !sql_) {
      return make_error(Code::kInvalid, "the body has no text \"sql\"");
    }
    return *std::move(sql_);
  }

  bool null() override { return false; }

  bool boolean(bool) override { return false; }

  bool number_integer(number_integer_t) override { return false; }

  bool number_unsigned(number_unsigned_t) override { return false; }

  bool number_float(number_float_t, const string_t&) override { return false; }

  bool binary(binary_t&) override { return false; }

  bool start_array(size_t) override { return false; }

  bool end_array() override { return false; }

  bool end_object() override { return true; }

  bool start_object(size_t) override { return !std::exchange(is_within_, true); }

  bool key(string_t& name) override {
    if (name != "sql") {
      return refuse("\"{}\" is unknown; the body has \"sql\" alone", name.substr(0, 100));
    }
    return !sql_ || refuse("\"sql\" stands twice");
  }

  bool string(string_t& value) override {
    sql_ = std::move(value);
    return is_within_;
  }

  bool parse_error(size_t, const std::string&, const nlohmann::json::exception&) override {
    return refuse("the body is not JSON; it must be {{\"sql\": \"SELECT ...\"}}");
  }

 private:
  template <typename... Args>
  bool refuse(fmt::format_string<Args...> format, Args&&... args) {
    problem_ = make_error(Code::kInvalid, format, std::forward<Args>(args)...);
    return false;
  }

  bool is_within_ = false;
  std::optional<std::string> sql_;
  std::optional<Error> problem_;
};

}  // namespace

runtime::Task<net::HttpResponse> query(Call call) {
  Context& context = call.context;
  const auto body = co_await body_of(context, call.request);
  if (!body.ok()) {
    co_return answer_of(body.error(), ErrorForm::kMillrace);
  }
  const auto sql = SqlReader().read(bytes::as_text(body->bytes));
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
