#include "cli/setting_flags.h"

#include "base/settings.h"
#include "server/options.h"

#include <CLI/App.hpp>

namespace millrace::cli {

void add_setting_flag(CLI::App& verb, std::map<std::string, std::string>& flags,
                      const std::string& setting, const char* type, const char* help) {
  for (const SettingSpec& spec : server::settings_schema()) {
    if (spec.name == setting) {
      const auto store = [&flags, setting](const std::string& text) { flags[setting] = text; };
      verb.add_option_function<std::string>(spec.flag(), store, help)->type_name(type);
    }
  }
}

}  // namespace millrace::cli
