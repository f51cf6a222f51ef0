// GET and POST /query of InfluxDB 1: the few statements that its clients send before they write.
#include "http/body.h"
#include "http/error_map.h"
#include "http/influxql.h"
#include "http/routes/routes.h"
#include "runtime/coroutine.h"

#include <nlohmann/json.hpp>

#include <set>

namespace millrace::http {
namespace {

using nlohmann::ordered_json;

constexpr std::string_view kForm = "application/x-www-form-urlencoded";

ordered_json series_of(const char* name, const std::set<std::string>& names) {
  ordered_json values = ordered_json::array();
  for (const std::string& each : names) {
    values.push_back(ordered_json::array({each}));
  }
  const ordered_json series{
      {"name", name}, {"columns", ordered_json::array({"name"})}, {"values", std::move(values)}};
  return ordered_json::array({series});
}

std::set<std::string> measurements_of(const tables::Tables& tables, const std::string& database) {
  std::set<std::string> names;
  for (const tables::TablePtr& table : tables.all()) {
    if (table->name().database == database) {
      names.insert(table->name().measurement);
    }
  }
  return names;
}

/// What one statement answers, beside its number. Errors: as Influx, they stand in its result.
runtime::Task<ordered_json> run(const Call& call, InfluxqlStatement statement,
                                std::string database) {
  ordered_json result = ordered_json::object();
  switch (statement.kind) {
    case InfluxqlKind::kShowDatabases:
      result["series"] = series_of("databases", call.context.tables.databases());
      break;
    case InfluxqlKind::kShowMeasurements: {
      if (statement.database.empty()) {
        statement.database = std::move(database);
      }
      if (statement.database.empty()) {
        result["error"] = "database name required";
        break;
      }
      const auto names = measurements_of(call.context.tables, statement.database);
      if (!names.empty()) {
        result["series"] = series_of("measurements", names);
      }
      break;
    }
    case InfluxqlKind::kCreateDatabase: {
      const auto created = co_await call.context.tables.create_database(statement.database);
      if (!created.ok()) {
        result["error"] = created.error().message;
      } else if (call.request.method == net::HttpMethod::kGet) {
        const std::string text = fmt::format(
            "deprecated use of '{}' in a read only context, please use a POST request instead",
            statement.text);
        result["messages"] = ordered_json::array({{{"level", "warning"}, {"text", text}}});
      }
      break;
    }
  }
  co_return result;
}

}  // namespace

runtime::Task<net::HttpResponse> influx_query(Call call) {
  constexpr ErrorForm kErrors = ErrorForm::kInflux1;
  const auto body = co_await body_of(call.context, call.request);
  if (!body.ok()) {
    co_return answer_of(body.error(), kErrors);
  }
  net::HttpRequest form;
  if (call.request.header("content-type").value_or("").starts_with(kForm)) {
    form.query = bytes::as_text(body->bytes);
  }
  const auto param = [&](const char* name) {
    auto value = call.request.param(name);
    return value ? *value : form.param(name).value_or("");
  };
  const std::string text = param("q");
  if (text.empty()) {
    co_return answer_of(400, "invalid", R"(missing required parameter "q")", kErrors);
  }
  auto statements = parse_influxql(text);
  if (!statements.ok()) {
    co_return answer_of(400, "invalid", "error parsing query: " + statements.error().message,
                        kErrors);
  }
  ordered_json results = ordered_json::array();
  for (size_t i = 0; i < statements->size(); ++i) {
    ordered_json result{{"statement_id", i}};
    result.update(co_await run(call, std::move((*statements)[i]), param("db")));
    const bool is_error = result.contains("error");
    results.push_back(std::move(result));
    if (is_error) {  // the rest is not run, as in Influx
      break;
    }
  }
  const int indent = param("pretty") == "true" ? 4 : -1;
  co_return net::HttpResponse::json(
      200, ordered_json{{"results", std::move(results)}}.dump(
               indent, ' ', false, nlohmann::json::error_handler_t::replace) +
               "\n");
}

}  // namespace millrace::http
