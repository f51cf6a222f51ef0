// Settings of serve as flags of another verb.
#pragma once

#include <map>
#include <string>

namespace CLI {  // NOLINT(readability-identifier-naming): CLI11's
class App;
}

namespace millrace::cli {

/// Adds the flag that `setting` has in serve; its text goes into `flags`, by the setting's name.
/// `flags` lives as long as `verb` is parsed.
void add_setting_flag(CLI::App& verb, std::map<std::string, std::string>& flags,
                      const std::string& setting, const char* type, const char* help);

}  // namespace millrace::cli
