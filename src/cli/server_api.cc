#include "cli/server_api.h"

#include <nlohmann/json.hpp>

#include <utility>

namespace millrace::cli {
namespace {

using nlohmann::json;

constexpr size_t kShownBytes = 200;  // of an answer that is no JSON of ours

std::string message_of(std::string_view body) {
  const json document = json::parse(body, nullptr, /*allow_exceptions=*/false);
  if (document.is_object()) {
    const json error = document.value("error", json());
    if (error.is_string()) {
      return error.get<std::string>();
    }
    const json& holder = error.is_object() ? error : document;
    if (holder.contains("message") && holder["message"].is_string()) {
      return holder["message"].get<std::string>();
    }
  }
  return std::string(body.substr(0, kShownBytes));
}

Code code_of(int status) {
  switch (status) {
    case 404:
      return Code::kNotFound;
    case 409:
      return Code::kConflict;
    case 503:
    case 504:
      return Code::kOverloaded;
    default:
      return status >= 400 && status < 500 ? Code::kForbidden : Code::kInternal;
  }
}

}  // namespace

Error refusal(int status, std::string_view body) {
  const std::string message = message_of(body);
  return make_error(code_of(status), "{}",
                    message.empty() ? fmt::format("the server answered {}", status) : message);
}

Error unreachable_if_io(Error error) {
  if (error.code == Code::kIo) {
    error.code = Code::kTimeout;
  }
  return error;
}

Result<ServerApi> ServerApi::open(const std::string& address, std::chrono::milliseconds timeout) {
  MILLRACE_TRY(auto server, net::Address::parse(address));
  return ServerApi(net::HttpClient(std::move(server), {.request = timeout}));
}

Result<std::string> ServerApi::call(std::string_view method, std::string_view target,
                                    std::string_view body) {
  auto answer = client_.request(method, target, {}, body);
  if (!answer.ok()) {
    Error error = unreachable_if_io(std::move(answer).error());
    if (error.code == Code::kOutcomeUnknown || error.code == Code::kCorrupt) {
      error.message += fmt::format(
          "; if this goes on: is that HTTP? {} may serve another protocol (by default HTTP is on "
          "8086, Kafka on 9092)",
          client_.server().to_string());
    }
    return error;
  }
  if (answer->status < 200 || answer->status > 299) {
    return refusal(answer->status, answer->body);
  }
  return std::move(answer->body);
}

}  // namespace millrace::cli
