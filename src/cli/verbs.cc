#include "cli/verbs.h"

#include "net/address.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
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

}  // namespace

int report(const Error& error, const std::string& server) {
  const bool is_unreachable = error.code == Code::kTimeout;
  const std::string place = is_unreachable && !server.empty() ? server + ": " : "";
  std::fprintf(stderr, "millrace: %s%s\n", place.c_str(), error.message.c_str());
  if (is_unreachable) {
    std::fprintf(stderr,
                 "Is the server running there? Start one with: millrace serve --data DIR\n");
    return kUnreachable;
  }
  return error.code == Code::kInvalid ? kWrongUsage : kFailed;
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

}  // namespace millrace::cli
