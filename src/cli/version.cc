#include "catalog/migrations.h"
#include "cli/help.h"
#include "cli/usage.h"
#include "cli/verbs.h"
#include "journal/format.h"
#include "segment/format.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <cstdio>

namespace millrace::cli {
namespace {

int print_help(const CLI::App& app, const std::vector<std::string>& words) {
  const CLI::App* verb = &app;
  std::string path = app.get_name();
  for (const std::string& word : words) {
    const auto verbs = verb->get_subcommands(nullptr);
    const auto found =
        std::ranges::find_if(verbs, [&word](const CLI::App* v) { return v->get_name() == word; });
    if (found == verbs.end()) {
      return report(
          make_error(Code::kInvalid, "{}\nSee: {} --help", unknown_verb(*verb, path, word), path));
    }
    verb = *found;
    path += " " + word;
  }
  const std::string text = app.get_formatter()->make_help(verb, path, CLI::AppFormatMode::Normal);
  std::fwrite(text.data(), 1, text.size(), stdout);
  return kOk;
}

}  // namespace

void add_version(CLI::App& app, int& exit_code) {
  CLI::App* verb =
      app.add_subcommand("version", "version of this program and of the formats it writes");
  auto json = std::make_shared<bool>(false);
  verb->add_flag("--json", *json, "for machines");
  set_help(*verb, "", {"millrace version", "millrace version --json"});
  verb->callback([json, &exit_code] {
    const int catalog_format = catalog::migrations().back().version;
    if (*json) {
      std::printf(
          "{\"version\":\"%s\",\"journal_format\":%d,\"segment_format\":%d,\"catalog_format\":%d}"
          "\n",
          kVersion, journal::kFormatVersion, segment::kFormatVersion, catalog_format);
    } else {
      std::printf("millrace %s (formats: journal %d, segment objects %d, catalog %d)\n", kVersion,
                  journal::kFormatVersion, segment::kFormatVersion, catalog_format);
    }
    exit_code = kOk;
  });
}

void add_help(CLI::App& app, int& exit_code) {
  CLI::App* verb = app.add_subcommand("help", "the same as --help of a verb");
  const auto words = std::make_shared<std::vector<std::string>>();
  verb->add_option("verb", *words, "which; all of them without it")->type_name("WORDS");
  set_help(*verb, "", {"millrace help", "millrace help topic create"});
  verb->callback([words, &app, &exit_code] { exit_code = print_help(app, *words); });
}

}  // namespace millrace::cli
