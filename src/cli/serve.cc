#include "base/log.h"
#include "cli/finish_buckets.h"
#include "cli/help.h"
#include "cli/verbs.h"
#include "net/bound_socket.h"
#include "server/application.h"
#include "server/options.h"

#include <nlohmann/json.hpp>

#include <unistd.h>

#include <CLI/App.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <thread>

namespace millrace::cli {
namespace {

/// SIGINT and SIGTERM, taken by one thread: the first sets `stop`, a second ends the process.
class Signals {
 public:
  /// Blocks the signals for this thread and those it starts: before any other thread exists.
  Signals() {
    sigemptyset(&set_);
    sigaddset(&set_, SIGINT);
    sigaddset(&set_, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &set_, nullptr);
    thread_ = std::thread([this] { wait(); });
  }

  ~Signals() {
    ended_ = true;
    // NOLINTNEXTLINE(bugprone-bad-signal-to-kill-thread): it is blocked, and ends a sigwait.
    pthread_kill(thread_.native_handle(), SIGTERM);
    thread_.join();
  }

  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  const std::atomic<bool>& stop() const { return stop_; }

  void wait_for_stop() const { stop_.wait(false); }

 private:
  void wait() {
    int signal = 0;
    sigwait(&set_, &signal);
    if (ended_) {
      return;
    }
    stop_ = true;
    stop_.notify_all();
    sigwait(&set_, &signal);
    if (!ended_) {
      std::_Exit(kFailed);
    }
  }

  sigset_t set_{};
  std::atomic<bool> stop_{false};
  std::atomic<bool> ended_{false};
  std::thread thread_;
};

void print_ready(const server::Application& application, const server::Options& options) {
  const auto ms = static_cast<long long>(application.started_in().count());
  const std::string kafka = application.kafka_address().to_string();
  const std::string http = application.http_address().to_string();
  if (options.log_format == log::Format::kJson) {
    const nlohmann::json line{{"event", "ready"},
                              {"version", kVersion},
                              {"ms", ms},
                              {"kafka", kafka},
                              {"http", http},
                              {"data", options.data},
                              {"directory_id", application.directory_id()}};
    std::printf("%s\n", line.dump().c_str());
  } else {
    std::printf("millrace %s ready in %lld ms: kafka %s, http %s, data %s\n", kVersion, ms,
                kafka.c_str(), http.c_str(), options.data.c_str());
  }
  std::fflush(stdout);
}

/// A new data directory is not made when the server could not listen anyway. The sockets are opened
/// again at the end of the start, where whoever was quicker is an error too.
Status check_addresses(const server::Options& options) {
  if (::access(options.data.c_str(), F_OK) == 0) {
    return {};
  }
  MILLRACE_TRY([[maybe_unused]] const auto kafka, net::BoundSocket::open(options.kafka));
  MILLRACE_TRY([[maybe_unused]] const auto http, net::BoundSocket::open(options.http));
  return {};
}

int serve(const Settings::Sources& sources) {
  const auto settings = Settings::load(server::settings_schema(), sources);
  if (!settings.ok()) {
    return report(settings.error());
  }
  auto options = server::options_from(*settings);
  if (!options.ok()) {
    return report(options.error());
  }
  if (const Status checked = check_addresses(*options); !checked.ok()) {
    report(checked.error());
    return kFailed;
  }
  options->version = kVersion;
  std::signal(SIGPIPE, SIG_IGN);  // a client that has gone is an error of its write
  const Signals signals;
  log::start(options->log_level, options->log_format);
  if (!sources.file.empty()) {
    log::info("settings", "{} was read", sources.file);
  }
  const FinishBuckets finish_buckets;
  auto application = server::Application::start(*options, signals.stop());
  if (!application.ok()) {
    log::stop();
    if (application.error().code == Code::kCancelled && signals.stop()) {
      return kOk;  // told to stop before it was ready
    }
    report(application.error());
    return kFailed;
  }
  print_ready(**application, *options);
  signals.wait_for_stop();
  log::info("server", "stopping: requests under way have up to {} s (server.drain_ms)",
            std::chrono::duration<double>(options->drain).count());
  const server::Stopped stopped = (*application)->stop();
  if (stopped.queries_left > 0) {
    // They could go on for hours, and use what is destroyed by any other way out.
    log::stop();
    std::_Exit(stopped.status.ok() ? kOk : report(stopped.status.error()));
  }
  application->reset();
  log::stop();
  return stopped.status.ok() ? kOk : report(stopped.status.error());
}

/// "disk budget of the journal (0 or at least 8 MiB; default 0; MILLRACE_JOURNAL_MAX_BYTES)"
std::string help_of(const SettingSpec& spec) {
  std::string more;
  if (spec.kind == SettingKind::kInteger || spec.kind == SettingKind::kBytes ||
      spec.kind == SettingKind::kDurationMs) {
    more = spec.allowed() + "; ";
  }
  return fmt::format("{} ({}default {}; {})", spec.help, more,
                     spec.default_value.empty() ? "none" : spec.default_value, spec.variable());
}

using Flags = std::map<std::string, std::string>;

void add_setting(CLI::App& verb, const SettingSpec& spec, const std::shared_ptr<Flags>& flags) {
  const bool is_boolean = spec.kind == SettingKind::kBoolean;
  const auto store = [flags, name = spec.name, is_boolean](const std::string& text) {
    (*flags)[name] = is_boolean && text.empty() ? "true" : text;
  };
  CLI::Option* option = verb.add_option_function<std::string>(spec.flag(), store, help_of(spec));
  option->type_name(spec.type_name());
  if (is_boolean) {
    option->expected(0, 1);  // without a value: true
  }
}

}  // namespace

void add_serve(CLI::App& app, int& exit_code) {
  CLI::App* verb = app.add_subcommand("serve", "run a server in the foreground");
  const auto flags = std::make_shared<Flags>();
  const auto config = std::make_shared<std::string>();
  for (const SettingSpec& spec : server::settings_schema()) {
    add_setting(*verb, spec, flags);
  }
  verb->add_option("--config", *config,
                   "settings file (TOML); without it millrace.toml of this directory, if there")
      ->type_name("FILE");
  set_help(*verb,
           "Flags beat MILLRACE_* variables beat the file beat the defaults. A SIZE is a number of "
           "bytes, or of KiB, MiB or GiB (64MiB); a DURATION a number of ms, s, m or h (10s). "
           "SIGTERM and Ctrl-C stop in good order, a second one at once. One line on standard "
           "output says that it is ready, as JSON with --log-format json.",
           {"millrace serve --data data",
            "millrace serve --data data --kafka 127.0.0.1:0 --log-level verbose",
            "MILLRACE_JOURNAL_MAX_BYTES=20GiB millrace serve --data data"});
  verb->allow_extras();  // refused below, with the name that was meant
  verb->callback([verb, flags, config, &exit_code] {
    for (const std::string& extra : verb->remaining()) {
      if (extra.starts_with("--")) {
        exit_code =
            report(unknown_flag(server::settings_schema(), extra.substr(0, extra.find('='))));
        return;
      }
    }
    if (!verb->remaining().empty()) {
      exit_code =
          report(make_error(Code::kInvalid, "serve: unexpected \"{}\"; see: millrace serve --help",
                            verb->remaining().front()));
      return;
    }
    Settings::Sources sources{*flags, millrace_variables(), *config};
    if (sources.file.empty() && ::access("millrace.toml", F_OK) == 0) {
      sources.file = "millrace.toml";
    }
    exit_code = serve(sources);
  });
}

}  // namespace millrace::cli
