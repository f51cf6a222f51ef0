#include "cli/verbs.h"

#include "net/address.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <cstdio>

namespace millrace::cli {

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
  verb.add_option("--kafka", servers, "address of the server's Kafka protocol")
      ->envname("MILLRACE_KAFKA")
      ->check([](const std::string& text) {
        const auto address = net::Address::parse(text);
        return address.ok() ? std::string() : address.error().message;
      })
      ->type_name("HOST:PORT")
      ->capture_default_str();
}

}  // namespace millrace::cli
