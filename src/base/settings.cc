#include "base/settings.h"

#include "base/check.h"
#include "base/edit_distance.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <limits>

namespace millrace {
namespace {

constexpr std::string_view kPrefix = "MILLRACE_";

struct Unit {
  std::string_view name;
  int64_t factor;
};

constexpr Unit kByteUnits[] = {{"GiB", int64_t{1} << 30},
                               {"MiB", int64_t{1} << 20},
                               {"KiB", int64_t{1} << 10},
                               {"B", 1},
                               {"", 1}};
constexpr Unit kTimeUnits[] = {{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}, {"", 1}};

template <size_t kCount>
std::optional<int64_t> parse_number(std::string_view text, const Unit (&units)[kCount]) {
  int64_t number = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failed != std::errc{}) {
    return std::nullopt;
  }
  const std::string_view unit(end, static_cast<size_t>(text.data() + text.size() - end));
  for (const Unit& known : units) {
    int64_t product = 0;
    if (unit == known.name && !__builtin_mul_overflow(number, known.factor, &product)) {
      return product;
    }
  }
  return std::nullopt;
}

std::optional<int64_t> parse_number(const SettingSpec& spec, std::string_view text) {
  constexpr Unit kNone[] = {{"", 1}};
  switch (spec.kind) {
    case SettingKind::kInteger:
      return parse_number(text, kNone);
    case SettingKind::kBytes:
      return parse_number(text, kByteUnits);
    case SettingKind::kDurationMs:
      return parse_number(text, kTimeUnits);
    case SettingKind::kBoolean:
      return text == "true" ? std::optional(1) : text == "false" ? std::optional(0) : std::nullopt;
    case SettingKind::kChoice: {
      const auto found = std::find(spec.choices.begin(), spec.choices.end(), text);
      return found == spec.choices.end() ? std::nullopt
                                         : std::optional<int64_t>(found - spec.choices.begin());
    }
    case SettingKind::kText:
    case SettingKind::kAddress:
      return 0;
  }
  return std::nullopt;
}

/// How numbers with units are written, for who wrote one otherwise.
const char* units_of(SettingKind kind) {
  switch (kind) {
    case SettingKind::kBytes:
      return " (a number of bytes, or of KiB, MiB or GiB, as 64MiB)";
    case SettingKind::kDurationMs:
      return " (a number of ms, s, m or h, as 10s; ms without one)";
    case SettingKind::kInteger:
      return " (a whole number)";
    default:
      return "";
  }
}

std::string with_unit(SettingKind kind, int64_t value) {
  if (kind == SettingKind::kInteger) {
    return std::to_string(value);
  }
  if (kind == SettingKind::kDurationMs) {
    return value % 1000 == 0 ? fmt::format("{} s", value / 1000) : fmt::format("{} ms", value);
  }
  for (const Unit& unit : kByteUnits) {
    if (value != 0 && value % unit.factor == 0 && unit.factor > 1) {
      return fmt::format("{} {}", value / unit.factor, unit.name);
    }
  }
  return fmt::format("{} bytes", value);
}

bool is_text(SettingKind kind) {
  return kind == SettingKind::kText || kind == SettingKind::kAddress ||
         kind == SettingKind::kChoice;
}

template <typename Name>
Error unknown(const SettingSchema& schema, const std::string& given, const std::string& source,
              Name&& name) {
  const auto nearest =
      std::min_element(schema.begin(), schema.end(), [&](const auto& a, const auto& b) {
        return edit_distance(name(a), given) < edit_distance(name(b), given);
      });
  return make_error(Code::kInvalid, "{}: there is no setting {}; did you mean {}?", source, given,
                    name(*nearest));
}

}  // namespace

std::string SettingSpec::flag() const {
  std::string flag = "--" + name;
  std::replace_if(flag.begin(), flag.end(), [](char c) { return c == '.' || c == '_'; }, '-');
  return flag;
}

std::string SettingSpec::variable() const {
  std::string variable(kPrefix);
  for (const char c : name) {
    variable += c == '.' ? '_' : static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  }
  return variable;
}

std::string SettingSpec::allowed() const {
  switch (kind) {
    case SettingKind::kText:
      return "a text";
    case SettingKind::kAddress:
      return "HOST:PORT";
    case SettingKind::kBoolean:
      return "true or false";
    case SettingKind::kChoice: {
      std::string list;
      for (const std::string& choice : choices) {
        list += list.empty() ? choice : (&choice == &choices.back() ? " or " : ", ") + choice;
      }
      return list;
    }
    default:
      return (has_zero ? "0 or " : "") +
             (greatest == INT64_MAX ? "at least " + with_unit(kind, least)
                                    : with_unit(kind, least) + " to " + with_unit(kind, greatest));
  }
}

std::string SettingSpec::type_name() const {
  switch (kind) {
    case SettingKind::kText:
      return "TEXT";
    case SettingKind::kAddress:
      return "HOST:PORT";
    case SettingKind::kInteger:
      return "NUMBER";
    case SettingKind::kBytes:
      return "SIZE";
    case SettingKind::kDurationMs:
      return "DURATION";
    case SettingKind::kBoolean:
      return "BOOL";
    case SettingKind::kChoice:
      return fmt::format("{}", fmt::join(choices, "|"));
  }
  return "";
}

Status Settings::set(const SettingSchema& schema, const std::string& name, const std::string& text,
                     const std::string& source) {
  const auto spec =
      std::find_if(schema.begin(), schema.end(), [&](const auto& s) { return s.name == name; });
  if (spec == schema.end()) {
    return unknown(schema, name, source, [](const SettingSpec& s) { return s.name; });
  }
  const auto number = parse_number(*spec, text);
  const bool has_range = spec->kind == SettingKind::kInteger || spec->kind == SettingKind::kBytes ||
                         spec->kind == SettingKind::kDurationMs;
  const bool is_zero = spec->has_zero && number == 0;
  if (!number || (has_range && !is_zero && (*number < spec->least || *number > spec->greatest))) {
    return make_error(Code::kInvalid, "{}: {} is \"{}\", must be {}{}", source, name, text,
                      spec->allowed(), number ? "" : units_of(spec->kind));
  }
  values_[name] = {text, *number, true};
  return {};
}

Result<Settings> Settings::load(const SettingSchema& schema, const Sources& sources) {
  Settings settings;
  for (const SettingSpec& spec : schema) {
    MILLRACE_TRY_STATUS(settings.set(schema, spec.name, spec.default_value, "default"));
    settings.values_[spec.name].is_given = false;
  }
  if (!sources.file.empty()) {
    MILLRACE_TRY(const auto file, read_toml(sources.file));
    for (const auto& [name, value] : file) {
      MILLRACE_TRY_STATUS(settings.set(schema, name, value.text, sources.file));
      const auto spec =
          std::find_if(schema.begin(), schema.end(), [&](const auto& s) { return s.name == name; });
      if (!value.is_text && is_text(spec->kind)) {
        return make_error(Code::kInvalid, "{}: {} is {}, must be {}, in quotes", sources.file, name,
                          value.text, spec->allowed());
      }
    }
  }
  for (const auto& [variable, text] : sources.variables) {
    const auto spec = std::find_if(schema.begin(), schema.end(),
                                   [&](const auto& s) { return s.variable() == variable; });
    if (spec == schema.end()) {
      return unknown(schema, variable, "environment",
                     [](const SettingSpec& s) { return s.variable(); });
    }
    MILLRACE_TRY_STATUS(settings.set(schema, spec->name, text, variable));
  }
  for (const auto& [name, text] : sources.flags) {
    MILLRACE_TRY_STATUS(settings.set(schema, name, text, SettingSpec{.name = name}.flag()));
  }
  return settings;
}

const Settings::Value& Settings::at(std::string_view name) const {
  const auto found = values_.find(name);
  MILLRACE_CHECK(found != values_.end(), "a setting that is not in the schema");
  return found->second;
}

const std::string& Settings::text(std::string_view name) const {
  return at(name).text;
}

int64_t Settings::number(std::string_view name) const {
  return at(name).number;
}

bool Settings::boolean(std::string_view name) const {
  return at(name).number != 0;
}

bool Settings::is_given(std::string_view name) const {
  return at(name).is_given;
}

Error unknown_flag(const SettingSchema& schema, const std::string& flag) {
  return unknown(schema, flag, "flag", [](const SettingSpec& s) { return s.flag(); });
}

namespace {

/// Those of this project's own tools, and what Kubernetes sets beside a service called millrace.
bool is_of_others(std::string_view name) {
  return name == "MILLRACE_DEPS" || name == "MILLRACE_BIN" || name == "MILLRACE_PORT" ||
         name.starts_with("MILLRACE_PORT_") || name.starts_with("MILLRACE_SERVICE_");
}

}  // namespace

std::map<std::string, std::string> millrace_variables() {
  std::map<std::string, std::string> variables;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const size_t equals = text.find('=');
    const std::string name(text.substr(0, equals));
    if (name.starts_with(kPrefix) && equals != std::string_view::npos && !is_of_others(name)) {
      variables[name] = std::string(text.substr(equals + 1));
    }
  }
  return variables;
}

}  // namespace millrace
