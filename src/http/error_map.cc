#include "http/error_map.h"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace millrace::http {
namespace {

constexpr const char* kRetryAfterSeconds = "1";

/// Influx's names for the few kinds of error it has.
std::string_view influx_code_of(int status) {
  switch (status) {
    case 400:
    case 415:
      return "invalid";
    case 404:
      return "not found";
    case 409:
      return "conflict";
    case 413:
      return "request too large";
    case 503:
    case 504:
      return "unavailable";
    default:
      return status < 500 ? "invalid" : "internal error";
  }
}

std::string text_of(const nlohmann::json& document) {
  return document.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string body_of(int status, std::string_view code, std::string_view message, ErrorForm form,
                    const nlohmann::json& detail) {
  switch (form) {
    case ErrorForm::kInflux1:
      return text_of({{"error", message}});
    case ErrorForm::kInflux2:
      return text_of({{"code", influx_code_of(status)}, {"message", message}});
    case ErrorForm::kMillrace:
      break;
  }
  return text_of({{"error", {{"code", code}, {"message", message}, {"detail", detail}}}});
}

net::HttpResponse response_of(int status, std::string_view code, std::string_view message,
                              ErrorForm form, const nlohmann::json& detail) {
  auto response = net::HttpResponse::json(status, body_of(status, code, message, form, detail));
  // Clients of InfluxDB read these, and need not understand the body then.
  if (form == ErrorForm::kInflux1) {
    std::string line(message);
    std::ranges::replace_if(line, [](char c) { return (c >= 0 && c < ' ') || c == '\x7f'; }, ' ');
    response.with("X-Influxdb-Error", std::move(line));
  } else if (form == ErrorForm::kInflux2) {
    response.with("X-Platform-Error-Code", std::string(influx_code_of(status)));
  }
  return response;
}

}  // namespace

int status_of(Code code) {
  switch (code) {
    case Code::kInvalid:
    case Code::kUnsupported:
      return 400;
    case Code::kForbidden:
      return 403;
    case Code::kNotFound:
      return 404;
    case Code::kConflict:
    case Code::kFenced:
      return 409;
    case Code::kTooLarge:
      return 413;
    case Code::kOverloaded:
    case Code::kReadOnly:
    case Code::kOutcomeUnknown:
    case Code::kCancelled:
      return 503;
    case Code::kTimeout:
      return 504;
    case Code::kCorrupt:
    case Code::kIo:
    case Code::kInternal:
      return 500;
  }
  return 500;
}

ErrorForm form_of(std::string_view path) {
  if (path == "/write" || path == "/query") {
    return ErrorForm::kInflux1;
  }
  return path.starts_with("/api/v2/") ? ErrorForm::kInflux2 : ErrorForm::kMillrace;
}

net::HttpResponse answer_of(const Error& error, ErrorForm form) {
  const int status = status_of(error.code);
  nlohmann::json detail = nullptr;
  const bool helps_later = error.retry == Retry::kBackoff;
  if (helps_later) {
    detail = {{"retry_after_s", 1}};
  }
  // Influx's forms have no code of ours, and whether rows may be there must be told all the same.
  const bool must_name = form != ErrorForm::kMillrace && error.code == Code::kOutcomeUnknown;
  const std::string message =
      must_name ? fmt::format("{}: {}", name_of(error.code), error.message) : error.message;
  auto response = response_of(status, name_of(error.code), message, form, detail);
  if (helps_later) {
    response.with("Retry-After", kRetryAfterSeconds);
  }
  return response;
}

net::HttpResponse answer_of(int status, std::string_view code, std::string_view message,
                            ErrorForm form) {
  return response_of(status, code, message, form, nullptr);
}

}  // namespace millrace::http
