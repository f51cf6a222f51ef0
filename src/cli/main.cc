#include "cli/verbs.h"

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
      ->capture_default_str();
}

namespace {

int run(int argc, char** argv) {
  CLI::App app{
      "Millrace: event streams in by the Kafka protocol, one durable log, read back at once."};
  app.require_subcommand(1);
  app.set_help_all_flag("--help-all", "help of every verb");
  app.footer(
      "Begin with:\n  millrace serve --data /tmp/millrace\n  echo hello | millrace produce "
      "greetings\n"
      "  millrace consume greetings");
  int exit_code = kOk;
  add_serve(app, exit_code);
  add_topic(app, exit_code);
  add_produce(app, exit_code);
  add_consume(app, exit_code);
  add_dump(app, exit_code);
  add_bench(app, exit_code);
  add_version(app, exit_code);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    app.exit(error);
    return kWrongUsage;
  }
  return exit_code;
}

}  // namespace
}  // namespace millrace::cli

int main(int argc, char** argv) {
  try {
    return millrace::cli::run(argc, argv);
  } catch (const std::exception& error) {  // out of CLI11 or nlohmann: a fault of ours
    std::fprintf(stderr, "millrace: internal error: %s\n", error.what());
    return millrace::cli::kFailed;
  }
}
