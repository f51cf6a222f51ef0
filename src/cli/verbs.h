// The command line: one function a verb. Each adds its subcommand and sets `exit_code` when run.
#pragma once

#include "base/result.h"

#include <string>
#include <vector>

namespace CLI {  // NOLINT(readability-identifier-naming): CLI11's
class App;
}

namespace millrace::cli {

/// Exit codes, the same for every verb.
enum Exit : int {
  kOk = 0,
  kFailed = 1,
  kWrongUsage = 2,
  kUnreachable = 3,
  kInterrupted = 130,  // as a shell says it of SIGINT
};

constexpr const char* kVersion = "0.1.0";
constexpr const char* kExitCodes =
    "Exit codes: 0 done, 1 failed (the reason is on standard error), 2 wrong usage, 3 no server at "
    "the address, 130 interrupted.";

struct ReportOptions {
  bool as_json = false;  // {"error": {"message": ...}}, as the server's own errors
  std::string server;    // the address that was tried, of client verbs
};

/// Prints "millrace: ..." to standard error, with what to do next where that helps, and answers the
/// exit code of the error.
int report(const Error& error, const ReportOptions& options = {});

/// Adds --kafka HOST:PORT (MILLRACE_KAFKA, default 127.0.0.1:9092).
void add_server_flag(CLI::App& verb, std::string& servers);
/// Adds --http HOST:PORT (MILLRACE_HTTP, default 127.0.0.1:8086).
void add_http_flag(CLI::App& verb, std::string& server);
/// Adds an option NAME=VALUE that may stand more than once and takes one word each time: it must
/// not swallow what follows. `flags`: "-H,--header".
void add_pairs(CLI::App& verb, const char* flags, std::vector<std::string>& pairs,
               const char* help);

void add_serve(CLI::App& app, int& exit_code);
void add_topic(CLI::App& app, int& exit_code);
void add_produce(CLI::App& app, int& exit_code);
void add_consume(CLI::App& app, int& exit_code);
void add_verify(CLI::App& app, int& exit_code);
void add_sql(CLI::App& app, int& exit_code);
void add_table(CLI::App& app, int& exit_code);
void add_bench(CLI::App& app, int& exit_code);
void add_rebuild(CLI::App& app, int& exit_code);
void add_dump(CLI::App& app, int& exit_code);
void add_fsck(CLI::App& app, int& exit_code);
void add_version(CLI::App& app, int& exit_code);
void add_help(CLI::App& app, int& exit_code);

}  // namespace millrace::cli
