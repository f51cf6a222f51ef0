#include "cli/setting_flags.h"

#include "base/settings.h"

#include <fmt/format.h>

#include <unistd.h>

#include <CLI/App.hpp>

namespace millrace::cli {

void add_setting_flag(CLI::App& verb, std::map<std::string, std::string>& flags,
                      const std::string& setting, const char* type, const char* help) {
  for (const SettingSpec& spec : server::settings_schema()) {
    if (spec.name == setting) {
      const auto store = [&flags, setting](const std::string& text) { flags[setting] = text; };
      verb.add_option_function<std::string>(spec.flag(), store,
                                            fmt::format("{} ({})", help, spec.variable()))
          ->type_name(type);
    }
  }
}

void add_directory_flags(CLI::App& verb, DirectoryFlags& flags) {
  add_setting_flag(verb, flags.settings, "data", "DIR", "the --data directory of a server");
  add_setting_flag(verb, flags.settings, "bucket", "URL",
                   "where its segment objects are, when the server is given it too");
  add_setting_flag(verb, flags.settings, "bucket.endpoint", "URL", "as of serve");
  add_setting_flag(verb, flags.settings, "bucket.region", "TEXT", "as of serve");
  verb.add_option("--config", flags.config, "settings file of the server (TOML)")
      ->type_name("FILE");
}

Result<server::Options> options_of(const DirectoryFlags& flags) {
  Settings::Sources sources{flags.settings, millrace_variables(), flags.config};
  if (sources.file.empty() && ::access("millrace.toml", F_OK) == 0) {
    sources.file = "millrace.toml";
  }
  MILLRACE_TRY(const Settings settings, Settings::load(server::settings_schema(), sources));
  MILLRACE_TRY(server::Options options, server::options_from(settings));
  while (options.data.size() > 1 && options.data.ends_with('/')) {
    options.data.pop_back();
  }
  return options;
}

}  // namespace millrace::cli
