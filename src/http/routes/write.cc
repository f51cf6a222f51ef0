// Writes: MessagePack columns, and line protocol as InfluxDB 1 and 2 take it.
#include "http/body.h"
#include "http/error_map.h"
#include "http/routes/routes.h"
#include "runtime/coroutine.h"

#include <algorithm>
#include <array>
#include <span>

namespace millrace::http {
namespace {

constexpr std::chrono::seconds kWait{30};  // for a table that is being rebuilt

/// What clients of InfluxDB send. All but the database and the precision change nothing here.
constexpr std::array<std::string_view, 6> kInflux1Params = {"db", "precision",   "rp",
                                                            "u",  "consistency", "p"};
constexpr std::array<std::string_view, 4> kInflux2Params = {"bucket", "precision", "org", "orgID"};

/// The database of a request: the first of these headers, or the default.
std::string database_of(const net::HttpRequest& request) {
  for (const char* name : {"x-millrace-database", "x-arc-database"}) {
    if (const auto value = request.header(name); value && !value->empty()) {
      return std::string(*value);
    }
  }
  return std::string(tables::kDefaultDatabase);
}

ingest::WriteOptions options_of(const Call& call, std::string database) {
  ingest::WriteOptions options;
  options.database = std::move(database);
  if (const auto id = call.request.header("x-millrace-batch-id")) {
    options.batch_id = std::string(*id);
  }
  options.deadline = runtime::Deadline::after(kWait, call.context.clock);
  return options;
}

/// Influx says in one sentence what was wrong with which lines.
std::string partial_message(const ingest::WriteOutcome& outcome) {
  std::string message = "partial write: ";
  for (const columnar::LineError& error : outcome.errors) {
    message += fmt::format("line {}: {}; ", error.line, error.message);
  }
  if (outcome.error_count > outcome.errors.size()) {
    message += fmt::format("and {} more; ", outcome.error_count - outcome.errors.size());
  }
  return message + fmt::format("dropped={}", outcome.error_count);
}

/// A misspelt parameter would send rows to another database, or to another time.
Status check_params(const net::HttpRequest& request, std::span<const std::string_view> known) {
  for (const std::string& name : request.param_names()) {
    if (std::ranges::find(known, name) == known.end()) {
      return make_error(Code::kInvalid, "the parameter \"{}\": {} takes {}", name, request.path,
                        fmt::join(known, ", "));
    }
  }
  return {};
}

runtime::Task<net::HttpResponse> write_lines(Call call, ingest::WriteOptions options,
                                             ErrorForm form,
                                             std::span<const std::string_view> params) {
  if (const auto checked = check_params(call.request, params); !checked.ok()) {
    co_return answer_of(checked.error(), form);
  }
  if (const auto precision = call.request.param("precision"); precision && !precision->empty()) {
    const auto known = columnar::parse_precision(*precision);
    if (!known) {
      co_return answer_of(
          make_error(Code::kInvalid, "precision={}: must be ns, us, ms, s, m or h", *precision),
          form);
    }
    options.precision = *known;
  }
  const auto body = co_await body_of(call.context, call.request);
  if (!body.ok()) {
    co_return answer_of(body.error(), form);
  }
  const auto outcome =
      co_await call.context.ingestor.write_lines(bytes::as_text(body->bytes), std::move(options));
  if (!outcome.ok()) {
    co_return answer_of(outcome.error(), form);
  }
  if (outcome->error_count > 0) {
    co_return answer_of(400, "invalid", partial_message(*outcome), form);
  }
  co_return net::HttpResponse{.status = 204};
}

}  // namespace

runtime::Task<net::HttpResponse> write_msgpack(Call call) {
  const auto body = co_await body_of(call.context, call.request);
  if (!body.ok()) {
    co_return answer_of(body.error(), ErrorForm::kMillrace);
  }
  const auto outcome = co_await call.context.ingestor.write_msgpack(
      body->bytes, options_of(call, database_of(call.request)));
  if (!outcome.ok()) {
    co_return answer_of(outcome.error(), ErrorForm::kMillrace);
  }
  co_return net::HttpResponse{.status = 204};
}

runtime::Task<net::HttpResponse> write_influx1(Call call) {
  const auto named = call.request.param("db");
  std::string database = named && !named->empty() ? *named : database_of(call.request);
  auto options = options_of(call, std::move(database));
  co_return co_await write_lines(call, std::move(options), ErrorForm::kInflux1, kInflux1Params);
}

runtime::Task<net::HttpResponse> write_influx2(Call call) {
  const auto named = call.request.param("bucket");
  std::string database = named && !named->empty() ? *named : database_of(call.request);
  auto options = options_of(call, std::move(database));
  co_return co_await write_lines(call, std::move(options), ErrorForm::kInflux2, kInflux2Params);
}

}  // namespace millrace::http
