// What --help of a verb shows, and how wide.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>

namespace CLI {  // NOLINT(readability-identifier-naming): CLI11's
class App;
}

namespace millrace::cli {

/// Sets how help is laid out: before verbs are added, which then take it over. Lines fit the
/// terminal of standard output, or 100 columns where that is none.
void set_help_format(CLI::App& app);

/// What stands below the options of `verb`: `notes` (paragraphs, wrapped; may be empty), then
/// `examples`, a command each, as they are. tests/e2e reads them from --help and runs them, in the
/// order of the verbs: they feed one another.
void set_help(CLI::App& verb, std::string_view notes,
              std::initializer_list<std::string_view> examples);

/// `text` in lines of at most `width` columns, broken at blanks (a longer word stays whole), all
/// but the first begun with `indent` blanks. Newlines of its own stay.
std::string wrap(std::string_view text, size_t width, size_t indent = 0);

}  // namespace millrace::cli
