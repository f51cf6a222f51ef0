#include "base/settings.h"

#include <toml++/toml.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <sstream>

namespace millrace {
namespace {

Result<TomlValue> value_of(const std::string& path, const std::string& name,
                           const toml::node& node) {
  if (const auto* text = node.as_string()) {
    return TomlValue{text->get(), true};
  }
  if (const auto* number = node.as_integer()) {
    return TomlValue{std::to_string(number->get())};
  }
  if (const auto* boolean = node.as_boolean()) {
    return TomlValue{boolean->get() ? "true" : "false"};
  }
  std::ostringstream written;
  node.visit([&written](const auto& value) { written << value; });
  return make_error(Code::kInvalid,
                    "{} line {}: {} is {}, must be a text, a whole number or a boolean", path,
                    node.source().begin.line, name, written.str());
}

}  // namespace

Result<std::map<std::string, TomlValue>> read_toml(const std::string& path) {
  if (!std::filesystem::exists(path)) {
    return make_error(Code::kNotFound, "{}: no such file", path);
  }
  if (std::filesystem::is_directory(path)) {
    return make_error(Code::kInvalid, "{}: a directory, not a file of settings", path);
  }
  if (::access(path.c_str(), R_OK) != 0) {
    return errno_error("access(2)", path, errno);
  }
  std::map<std::string, TomlValue> values;
  try {
    const toml::table root = toml::parse_file(path);
    for (const auto& [key, node] : root) {
      const std::string name(key.str());
      const toml::table* table = node.as_table();
      if (table == nullptr) {
        MILLRACE_TRY(values[name], value_of(path, name, node));
        continue;
      }
      for (const auto& [inner, value] : *table) {
        const std::string full = name + "." + std::string(inner.str());
        MILLRACE_TRY(values[full], value_of(path, full, value));
      }
    }
  } catch (const toml::parse_error& error) {
    return make_error(Code::kInvalid, "{} line {}: {}", path, error.source().begin.line,
                      error.description());
  }
  return values;
}

}  // namespace millrace
