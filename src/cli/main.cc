#include "cli/verbs.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <cstdio>

namespace millrace::cli {

namespace {

/// What is wrong with the arguments, and which help says more.
int report_usage(const CLI::App& app, const CLI::ParseError& error) {
  std::string verb = "millrace";
  const CLI::App* deepest = &app;
  while (!deepest->get_subcommands().empty()) {
    deepest = deepest->get_subcommands().front();
    verb += " " + deepest->get_name();
  }
  const auto surplus = app.remaining(true);
  if (error.get_name() == "RequiredError" && !surplus.empty() &&
      deepest->get_require_subcommand_min() > 0) {
    std::fprintf(stderr, "millrace: \"%s\" has no verb \"%s\"\n", verb.c_str(),
                 surplus.front().c_str());
  } else {
    std::fprintf(stderr, "millrace: %s\n", error.what());
  }
  std::fprintf(stderr, "See: %s --help\n", verb.c_str());
  return kWrongUsage;
}

int run(int argc, char** argv) {
  CLI::App app{
      "Millrace: event streams in by the Kafka protocol and HTTP, one durable log, read back at "
      "once "
      "and by SQL."};
  app.require_subcommand(1);
  app.set_version_flag("--version", fmt::format("millrace {}", kVersion));
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
  add_sql(app, exit_code);
  add_table(app, exit_code);
  add_dump(app, exit_code);
  add_bench(app, exit_code);
  add_version(app, exit_code);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    return report_usage(app, error);
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
