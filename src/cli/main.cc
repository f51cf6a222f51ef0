#include "cli/help.h"
#include "cli/usage.h"
#include "cli/verbs.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <cerrno>
#include <cstdio>

namespace millrace::cli {

namespace {

/// Says what is wrong with the arguments, and which help says more.
int report_usage(const CLI::App& app, const std::string& message, bool as_json) {
  return report(make_error(Code::kInvalid, "{}\nSee: {} --help", message, verb_path(app)),
                {.as_json = as_json});
}

/// What was printed is whole, or the exit code says that it is not. A closed pipe is no error:
/// whoever read it had enough.
int after_output(int exit_code, bool as_json) {
  errno = 0;
  const bool is_whole = std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
  if (is_whole || errno == EPIPE || exit_code != kOk) {
    return exit_code;
  }
  Error error = errno != 0 ? errno_error("write(2)", "standard output", errno)
                           : make_error(Code::kIo, "standard output could not be written");
  error.message += "; what stands there is not all of it";
  return report(error, {.as_json = as_json});
}

int run(int argc, char** argv) {
  CLI::App app{
      "Millrace: event streams in by the Kafka protocol and HTTP, one durable log, read back at "
      "once "
      "and by SQL.",
      "millrace"};
  app.require_subcommand(1);
  app.set_version_flag("--version", fmt::format("millrace {}", kVersion));
  app.set_help_all_flag("--help-all", "help of every verb");
  set_help_format(app);
  set_help(
      app,
      "An error is a line on standard error; with --json it is {\"error\": {\"message\": ...}}.",
      {"millrace serve --data data", "echo hello | millrace produce greetings",
       "millrace consume greetings",
       "curl -sS --data-binary 'cpu,host=a load=0.5' http://127.0.0.1:8086/write",
       "millrace sql 'SELECT host, load FROM cpu'"});
  int exit_code = kOk;
  add_serve(app, exit_code);
  add_topic(app, exit_code);
  add_produce(app, exit_code);
  add_consume(app, exit_code);
  add_verify(app, exit_code);
  add_sql(app, exit_code);
  add_table(app, exit_code);
  add_dump(app, exit_code);
  add_fsck(app, exit_code);
  add_rebuild(app, exit_code);
  add_bench(app, exit_code);
  add_version(app, exit_code);
  add_help(app, exit_code);
  const bool as_json = std::find(argv, argv + argc, std::string_view("--json")) != argv + argc;
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& help) {
    const auto unknown = unknown_verb(app);
    return unknown ? report_usage(app, *unknown, as_json) : app.exit(help);
  } catch (const CLI::Success& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    return report_usage(app, usage_message(app, error), as_json);
  }
  return app.got_subcommand("serve") ? exit_code : after_output(exit_code, as_json);
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
