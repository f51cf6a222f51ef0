#include "cli/usage.h"

#include "base/edit_distance.h"

#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>

namespace millrace::cli {
namespace {

const CLI::App& deepest(const CLI::App& app) {
  const CLI::App* verb = &app;
  while (!verb->get_subcommands().empty()) {
    verb = verb->get_subcommands().front();
  }
  return *verb;
}

std::vector<std::string> verbs_of(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* verb : app.get_subcommands(nullptr)) {
    names.push_back(verb->get_name());
  }
  return names;
}

std::vector<std::string> options_of(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) {
      names.push_back("--" + name);
    }
  }
  return names;
}

bool is_option(std::string_view argument) {
  return argument.size() > 1 && argument.front() == '-';
}

std::string unexpected(const CLI::App& app, const std::vector<std::string>& surplus) {
  const std::string path = verb_path(app);
  // An option that is not known leaves its value over too: the option is what is wrong.
  const auto option = std::ranges::find_if(surplus, is_option);
  if (option == surplus.end()) {
    return fmt::format("{}: unexpected \"{}\"", path, surplus.front());
  }
  const std::string name = option->substr(0, option->find('='));
  return fmt::format("{} has no option {}{}", path, name,
                     did_you_mean(name, options_of(deepest(app))));
}

}  // namespace

std::optional<std::string> nearest(std::string_view given, const std::vector<std::string>& names) {
  const auto distance = [given](const std::string& name) { return edit_distance(name, given); };
  const auto found = std::ranges::min_element(names, {}, distance);
  if (found != names.end() && distance(*found) <= std::max<size_t>(1, given.size() / 3)) {
    return *found;
  }
  const auto longer = std::ranges::find_if(
      names, [given](const std::string& name) { return name.starts_with(given); });
  return given.size() < 2 || longer == names.end() ? std::nullopt : std::optional(*longer);
}

std::string did_you_mean(std::string_view given, const std::vector<std::string>& names) {
  const auto meant = nearest(given, names);
  return meant ? fmt::format("; did you mean {}?", *meant) : "";
}

std::string verb_path(const CLI::App& app) {
  std::string path = "millrace";
  for (const CLI::App* verb = &app; !verb->get_subcommands().empty();) {
    verb = verb->get_subcommands().front();
    path += " " + verb->get_name();
  }
  return path;
}

std::string unknown_verb(const CLI::App& parent, const std::string& path,
                         const std::string& given) {
  return fmt::format("\"{}\" has no verb \"{}\"{}", path, given,
                     did_you_mean(given, verbs_of(parent)));
}

std::optional<std::string> unknown_verb(const CLI::App& app) {
  const CLI::App& last = deepest(app);
  const auto surplus = app.remaining(true);
  if (verbs_of(last).empty() || surplus.empty() || is_option(surplus.front())) {
    return std::nullopt;
  }
  return unknown_verb(last, verb_path(app), surplus.front());
}

std::string usage_message(const CLI::App& app, const CLI::ParseError& error) {
  constexpr std::string_view kNoNumber = "Could not convert: ";
  const CLI::App& last = deepest(app);
  const auto surplus = app.remaining(true);
  std::string text = error.what();
  if (auto unknown = unknown_verb(app)) {
    return *unknown;
  }
  if (!surplus.empty()) {
    return unexpected(app, surplus);
  }
  if (error.get_name() == "RequiredError" && !verbs_of(last).empty()) {
    return fmt::format("{} needs one of: {}", verb_path(app), fmt::join(verbs_of(last), ", "));
  }
  if (const size_t equals = text.find(" = ");
      text.starts_with(kNoNumber) && equals != std::string::npos) {
    return fmt::format("{}: \"{}\" is no number",
                       text.substr(kNoNumber.size(), equals - kNoNumber.size()),
                       text.substr(equals + 3));
  }
  return text;
}

}  // namespace millrace::cli
