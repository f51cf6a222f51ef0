#include "cli/verbs.h"
#include "journal/format.h"

#include <CLI/App.hpp>
#include <cstdio>

namespace millrace::cli {

void add_version(CLI::App& app, int& exit_code) {
  CLI::App* verb =
      app.add_subcommand("version", "version of this program and of the formats it writes");
  auto json = std::make_shared<bool>(false);
  verb->add_flag("--json", *json, "for machines");
  verb->callback([json, &exit_code] {
    if (*json) {
      std::printf("{\"version\":\"%s\",\"journal_format\":%d}\n", kVersion,
                  journal::kFormatVersion);
    } else {
      std::printf("millrace %s (journal format %d)\n", kVersion, journal::kFormatVersion);
    }
    exit_code = kOk;
  });
}

}  // namespace millrace::cli
