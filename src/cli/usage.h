// What is wrong with a command line, in words that name the argument that is wrong.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace CLI {  // NOLINT(readability-identifier-naming): CLI11's
class App;
class ParseError;
}  // namespace CLI

namespace millrace::cli {

/// The one of `names` that `given` is a slip of or the beginning of; nullopt when none is near.
std::optional<std::string> nearest(std::string_view given, const std::vector<std::string>& names);
/// "; did you mean NAME?", or nothing.
std::string did_you_mean(std::string_view given, const std::vector<std::string>& names);

/// The verb that was parsed last and those above it: "millrace topic create".
std::string verb_path(const CLI::App& app);

/// What is wrong when a verb was asked for that is not there, as in `topic alter --help`.
std::optional<std::string> unknown_verb(const CLI::App& app);
/// The same for verb `given` of `parent`, whose own path is `path`.
std::string unknown_verb(const CLI::App& parent, const std::string& path, const std::string& given);

/// What parsing stumbled over.
std::string usage_message(const CLI::App& app, const CLI::ParseError& error);

}  // namespace millrace::cli
