// Settings of serve as flags of another verb.
#pragma once

#include "base/result.h"
#include "server/options.h"

#include <map>
#include <string>

namespace CLI {  // NOLINT(readability-identifier-naming): CLI11's
class App;
}

namespace millrace::cli {

/// Adds the flag that `setting` has in serve; its text goes into `flags`, by the setting's name.
/// `flags` lives as long as `verb` is parsed. The help says its variable too.
void add_setting_flag(CLI::App& verb, std::map<std::string, std::string>& flags,
                      const std::string& setting, const char* type, const char* help);

/// Of a verb for a directory while no server has it.
struct DirectoryFlags {
  std::map<std::string, std::string> settings;  // that were named
  std::string config;
};

/// --data, those of a bucket, --config.
void add_directory_flags(CLI::App& verb, DirectoryFlags& flags);

/// As serve would have them with these flags: variables and settings file too. The data directory
/// without a slash behind it. Errors: those of Settings::load() and server::options_from().
Result<server::Options> options_of(const DirectoryFlags& flags);

}  // namespace millrace::cli
