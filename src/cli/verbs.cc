#include "cli/verbs.h"

#include "cli/arguments.h"
#include "cli/server_api.h"
#include "net/address.h"

#include <nlohmann/json.hpp>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <chrono>
#include <cstdio>

namespace millrace::cli {
namespace {

void add_address_flag(CLI::App& verb, const char* flag, const char* variable, const char* help,
                      std::string& address) {
  verb.add_option(flag, address, help)
      ->envname(variable)
      ->check([](const std::string& text) {
        const auto parsed = net::Address::parse(text);
        return parsed.ok() ? std::string() : parsed.error().message;
      })
      ->type_name("HOST:PORT")
      ->capture_default_str();
}

/// What to do about nobody answering at `kafka` (empty: at the address of HTTP, which the error
/// names).
std::string next_step(const std::string& kafka) {
  if (!kafka.empty()) {
    auto api = ServerApi::open(kafka, std::chrono::seconds(1));
    const auto answer = api.ok() ? api->get("/ping") : Result<std::string>(api.error());
    if (answer.ok() ||
        (answer.error().code != Code::kTimeout && answer.error().code != Code::kOutcomeUnknown &&
         answer.error().code != Code::kCorrupt)) {
      return "HTTP is served there: --kafka wants the address of the Kafka protocol";
    }
  }
  return "Is the server running there? Start one with: millrace serve --data DIR";
}

}  // namespace

int report(const Error& error, const ReportOptions& options) {
  const bool is_unreachable = error.code == Code::kTimeout;
  std::string message = error.message;
  if (is_unreachable) {
    message = (options.server.empty() ? "" : options.server + ": ") + message + "\n" +
              next_step(options.server);
  }
  if (options.as_json) {
    const nlohmann::json out{{"error", {{"message", message}}}};
    std::fprintf(stderr, "%s\n",
                 out.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
  } else {
    std::fprintf(stderr, "millrace: %s\n", message.c_str());
  }
  switch (error.code) {
    case Code::kTimeout:
      return kUnreachable;
    case Code::kInvalid:
      return kWrongUsage;
    case Code::kCancelled:
      return kInterrupted;
    default:
      return kFailed;
  }
}

void add_server_flag(CLI::App& verb, std::string& servers) {
  servers = "127.0.0.1:9092";
  add_address_flag(verb, "--kafka", "MILLRACE_KAFKA", "address of the server's Kafka protocol",
                   servers);
}

void add_http_flag(CLI::App& verb, std::string& server) {
  server = "127.0.0.1:8086";
  add_address_flag(verb, "--http", "MILLRACE_HTTP", "address of the server's HTTP", server);
}

void add_pairs(CLI::App& verb, const char* flags, std::vector<std::string>& pairs,
               const char* help) {
  verb.add_option(flags, pairs, help)
      ->allow_extra_args(false)
      ->check([](const std::string& text) {
        const auto pair = parse_pair("", text);
        return pair.ok() ? std::string() : fmt::format("\"{}\" must be NAME=VALUE", text);
      })
      ->type_name("NAME=VALUE");
}

}  // namespace millrace::cli
