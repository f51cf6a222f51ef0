// Settings: one schema; flags beat MILLRACE_* variables beat the file beat the default.
#pragma once

#include "base/result.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace {

enum class SettingKind : uint8_t {
  kText,
  kAddress,  // HOST:PORT; a text here, read by who listens or connects
  kInteger,
  kBytes,       // "64MiB", "1GiB", "4096"
  kDurationMs,  // "250ms", "10s", "5m", "2h"; a bare number is ms
  kBoolean,     // "true" or "false"; a flag without a value is true
  kChoice,      // one of `choices`
};

struct SettingSpec {
  std::string name;  // "journal.max_bytes": --journal-max-bytes, MILLRACE_JOURNAL_MAX_BYTES
  SettingKind kind = SettingKind::kText;
  std::string default_value;
  int64_t least = 0;  // of numbers, bytes and durations
  int64_t greatest = INT64_MAX;
  std::vector<std::string> choices;
  std::string help;
  bool has_zero = false;  // 0 too, below `least`: what that means stands in `help`

  std::string flag() const;
  std::string variable() const;
  /// "1 MiB to 16 GiB", "silent, normal or verbose"
  std::string allowed() const;
  /// What its flag takes, for --help: "SIZE", "NUMBER", "silent|normal|verbose"
  std::string type_name() const;
};

using SettingSchema = std::vector<SettingSpec>;

/// Values by name, each checked against the schema.
class Settings {
 public:
  /// What the user gave, weakest first when merged: file, variables, flags.
  struct Sources {
    std::map<std::string, std::string> flags;  // by setting name
    std::map<std::string, std::string>
        variables;     // every MILLRACE_* of the environment, by its name
    std::string file;  // path of a TOML file; empty: none
  };

  /// Errors: kInvalid, naming source, setting, value and what is allowed; kNotFound (the file).
  static Result<Settings> load(const SettingSchema& schema, const Sources& sources);

  const std::string& text(std::string_view name) const;
  int64_t number(std::string_view name) const;  // integers, bytes and milliseconds
  bool boolean(std::string_view name) const;
  /// true when a source other than the default gave it.
  bool is_given(std::string_view name) const;

 private:
  struct Value {
    std::string text;
    int64_t number = 0;
    bool is_given = false;
  };

  const Value& at(std::string_view name) const;
  Status set(const SettingSchema& schema, const std::string& name, const std::string& text,
             const std::string& source);

  std::map<std::string, Value, std::less<>> values_;
};

/// kInvalid: `flag` ("--kafak") belongs to no setting; names the nearest one that does.
Error unknown_flag(const SettingSchema& schema, const std::string& flag);

/// The MILLRACE_* variables of this process, less those of the build (MILLRACE_DEPS, MILLRACE_BIN)
/// and those that Kubernetes sets for a service called millrace (MILLRACE_SERVICE_*, MILLRACE_PORT,
/// MILLRACE_PORT_*).
std::map<std::string, std::string> millrace_variables();

struct TomlValue {
  std::string text;
  bool is_text = false;  // it stood in quotes
};

/// Top-level keys and [table] keys joined by a dot. Errors: kNotFound, kInvalid (names file and
/// line).
Result<std::map<std::string, TomlValue>> read_toml(const std::string& path);

}  // namespace millrace
