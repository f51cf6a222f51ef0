// Writes: MessagePack columns, and line protocol as InfluxDB 1 and 2 and Arc take it.
#include "http/body.h"
#include "http/error_map.h"
#include "http/routes/routes.h"
#include "runtime/coroutine.h"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <span>

namespace millrace::http {
namespace {

constexpr std::chrono::seconds kWait{30};  // for a table that is being rebuilt

/// What clients send. All but the database and the precision change nothing here; u and p are a
/// user's name and password, or a token.
constexpr std::array<std::string_view, 6> kInflux1Params = {"db", "precision",   "rp",
                                                            "u",  "consistency", "p"};
constexpr std::array<std::string_view, 8> kInflux2Params = {"bucket", "precision", "org", "orgID",
                                                            "db",     "rp",        "u",   "p"};
constexpr std::array<std::string_view, 3> kArcParams = {"precision", "u", "p"};

/// The first of them that says something, or "".
std::string first_param(const net::HttpRequest& request, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    if (auto value = request.param(name); value && !value->empty()) {
      return *std::move(value);
    }
  }
  return {};
}

/// The database of a request: the first of these headers, or what its parameters name, or the
/// default.
std::string database_of(const net::HttpRequest& request, std::string named = {}) {
  for (const char* header : {"x-millrace-database", "x-arc-database"}) {
    if (const auto value = request.header(header); value && !value->empty()) {
      return std::string(*value);
    }
  }
  return named.empty() ? std::string(tables::kDefaultDatabase) : std::move(named);
}

/// "db/rp" is how clients of InfluxDB 2 name a database and retention policy of 1.8; `rp` changes
/// nothing, as where it is a parameter.
std::string without_policy(std::string bucket) {
  const size_t slash = bucket.find('/');
  if (slash != std::string::npos && slash > 0) {
    bucket.resize(slash);
  }
  return bucket;
}

/// In the words of each version.
std::string bad_precision(std::string_view precision, ErrorForm form) {
  return form == ErrorForm::kInflux2
             ? "invalid precision; valid precision units are ns, us, ms, and s"
             : fmt::format("invalid precision \"{}\" (use n, u, ms, s, m or h)",
                           precision.substr(0, 40));
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

Status take_precision(const net::HttpRequest& request, ErrorForm form,
                      ingest::WriteOptions& options) {
  const auto precision = request.param("precision");
  if (!precision || precision->empty()) {
    return {};
  }
  options.precision = columnar::parse_precision(*precision);
  return options.precision ? Status()
                           : make_error(Code::kInvalid, "{}", bad_precision(*precision, form));
}

runtime::Task<net::HttpResponse> write_lines(Call call, ingest::WriteOptions options,
                                             ErrorForm form,
                                             std::span<const std::string_view> params) {
  if (const auto checked = check_params(call.request, params); !checked.ok()) {
    co_return answer_of(checked.error(), form);
  }
  if (const auto taken = take_precision(call.request, form, options); !taken.ok()) {
    co_return answer_of(taken.error(), form);
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
  constexpr ErrorForm kForm = ErrorForm::kMillrace;
  if (const auto checked = check_params(call.request, kArcParams); !checked.ok()) {
    co_return answer_of(checked.error(), kForm);
  }
  ingest::WriteOptions options = options_of(call, database_of(call.request));
  if (const auto taken = take_precision(call.request, kForm, options); !taken.ok()) {
    co_return answer_of(taken.error(), kForm);
  }
  const auto body = co_await body_of(call.context, call.request);
  if (!body.ok()) {
    co_return answer_of(body.error(), kForm);
  }
  const auto outcome =
      co_await call.context.ingestor.write_msgpack(body->bytes, std::move(options));
  if (!outcome.ok()) {
    co_return answer_of(outcome.error(), kForm);
  }
  co_return net::HttpResponse{.status = 204};
}

runtime::Task<net::HttpResponse> write_influx1(Call call) {
  auto options = options_of(call, database_of(call.request, first_param(call.request, {"db"})));
  co_return co_await write_lines(call, std::move(options), ErrorForm::kInflux1, kInflux1Params);
}

runtime::Task<net::HttpResponse> write_influx2(Call call) {
  auto named = without_policy(first_param(call.request, {"bucket", "db"}));
  auto options = options_of(call, database_of(call.request, std::move(named)));
  co_return co_await write_lines(call, std::move(options), ErrorForm::kInflux2, kInflux2Params);
}

runtime::Task<net::HttpResponse> write_arc(Call call) {
  auto options = options_of(call, database_of(call.request));
  co_return co_await write_lines(call, std::move(options), ErrorForm::kMillrace, kArcParams);
}

}  // namespace millrace::http
