#include "cli/help.h"

#include "cli/display_width.h"
#include "cli/verbs.h"

#include <unistd.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <memory>

namespace millrace::cli {
namespace {

constexpr size_t kWidth = 100;  // where there is no terminal
constexpr size_t kLeastWidth = 40;
constexpr size_t kColumn = 28;  // of descriptions
constexpr std::string_view kExamples = "Examples:\n";

size_t help_width() {
  const size_t width = terminal_width(STDOUT_FILENO);
  return width == 0 ? kWidth : std::max(width, kLeastWidth);
}

/// CLI11's "INT:INT in [1 - 9]" and "TEXT:{a,b}" in words of ours: the type, then the range.
std::pair<std::string, std::string> type_of(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  const size_t open = type.find_first_of("[{");
  const size_t close = type.find_last_of("]}");
  std::string inner =
      open < close && close != std::string::npos ? type.substr(open + 1, close - open - 1) : "";
  if (type.starts_with("TEXT:{")) {
    std::ranges::replace(inner, ',', '|');
    return {inner, ""};
  }
  if (type.starts_with("INT") || type.starts_with("UINT") || type.starts_with("FLOAT")) {
    const size_t dash = inner.find(" - ");
    if (dash == std::string::npos) {
      return {"NUMBER", ""};
    }
    const std::string least = inner.substr(0, dash);
    const std::string most = inner.substr(dash + 3);
    // "1e+09" is how a bound that nobody reaches comes out.
    return {"NUMBER",
            most.find('e') == std::string::npos ? least + " to " + most : "at least " + least};
  }
  return {type, ""};
}

class HelpFormatter final : public CLI::Formatter {
 public:
  std::string make_option(const CLI::Option* option, bool is_positional) const override {
    return entry(make_option_name(option, is_positional) + make_option_opts(option),
                 make_option_desc(option));
  }

  std::string make_option_opts(const CLI::Option* option) const override {
    std::string out;
    if (option->get_type_size() != 0) {
      const std::string type = type_of(*option).first;
      out = type.empty() ? "" : " " + type;
    }
    return option->get_required() ? out + " (required)" : out;
  }

  std::string make_option_desc(const CLI::Option* option) const override {
    std::string more;
    const auto add = [&more](const std::string& text) {
      more += (more.empty() ? "" : "; ") + text;
    };
    if (const std::string range = type_of(*option).second; !range.empty()) {
      add(range);
    }
    if (!option->get_default_str().empty()) {
      add("default " + option->get_default_str());
    }
    if (!option->get_envname().empty()) {
      add("variable " + option->get_envname());
    }
    return option->get_description() + (more.empty() ? "" : " (" + more + ")");
  }

  std::string make_option_usage(const CLI::Option* option) const override {
    const std::string name =
        make_option_name(option, true) + (option->get_expected_max() > 1 ? "..." : "");
    return option->get_required() ? name : "[" + name + "]";
  }

  std::string make_subcommand(const CLI::App* verb) const override {
    return entry(verb->get_display_name(true), verb->get_description());
  }

  std::string make_description(const CLI::App* app) const override {
    return wrap(app->get_description(), help_width()) + "\n";
  }

  /// Examples stay as they are: they are copied.
  std::string make_footer(const CLI::App* app) const override {
    const std::string footer = app->get_footer();
    const size_t examples = footer.find(kExamples);
    if (examples == std::string::npos) {
      return wrap(footer, help_width()) + "\n";
    }
    const size_t end = std::min(footer.find("\n\n", examples), footer.size());
    return wrap(footer.substr(0, examples), help_width()) +
           footer.substr(examples, end - examples) + wrap(footer.substr(end), help_width()) + "\n";
  }

 private:
  static std::string entry(const std::string& name, const std::string& description) {
    const size_t width = help_width();
    const size_t column = std::min(kColumn, width / 3);
    std::string out = "  " + name;
    if (out.size() + 2 > column) {
      out += '\n';
      out.append(column, ' ');
    } else {
      out.resize(column, ' ');
    }
    return out + wrap(description, width - column, column) + "\n";
  }
};

/// One line of text, wrapped; `out` is at its begin.
void append_wrapped(std::string& out, std::string_view line, size_t width, size_t indent) {
  size_t used = 0;
  while (true) {
    const size_t blank = std::min(line.find(' '), line.size());
    const std::string_view word = line.substr(0, blank);
    const size_t columns = display_width(word);
    if (used > 0 && used + 1 + columns > width) {
      out.append(1, '\n').append(indent, ' ');
      used = 0;
    } else if (used > 0) {
      out += ' ';
      ++used;
    }
    out.append(word);
    used += columns;
    if (blank == line.size()) {
      return;
    }
    line.remove_prefix(blank + 1);
  }
}

}  // namespace

std::string wrap(std::string_view text, size_t width, size_t indent) {
  std::string out;
  while (true) {
    const size_t end = std::min(text.find('\n'), text.size());
    append_wrapped(out, text.substr(0, end), width, indent);
    if (end == text.size()) {
      return out;
    }
    out += '\n';
    if (end + 1 < text.size() && text[end + 1] != '\n') {
      out.append(indent, ' ');
    }
    text.remove_prefix(end + 1);
  }
}

void set_help_format(CLI::App& app) {
  app.formatter(std::make_shared<HelpFormatter>());
}

void set_help(CLI::App& verb, std::string_view notes,
              std::initializer_list<std::string_view> examples) {
  std::string footer(notes);
  footer += notes.empty() ? "" : "\n\n";
  footer += kExamples;
  for (const std::string_view example : examples) {
    footer.append("  ").append(example).append("\n");
  }
  verb.footer(footer + "\n" + kExitCodes);
}

}  // namespace millrace::cli
