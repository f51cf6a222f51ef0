#include "power_activity.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace millrace::fault {
namespace {

bool is_inside(std::string_view path, std::string_view directory) {
  return path.find(fmt::format("/{}/", directory)) != std::string_view::npos;
}

std::string_view name_of(std::string_view path) {
  return path.substr(path.rfind('/') + 1);
}

}  // namespace

FileClass class_of(std::string_view path) {
  const std::string_view name = name_of(path);
  if (name.starts_with("catalog.db")) {
    return FileClass::kCatalog;
  }
  if (is_inside(path, "journal")) {
    return FileClass::kJournal;
  }
  if (name.find(".parquet") != std::string_view::npos || is_inside(path, "tables") ||
      is_inside(path, "tmp")) {
    return FileClass::kParquet;
  }
  return FileClass::kOther;
}

std::string shape_of(std::string_view path) {
  switch (class_of(path)) {
    case FileClass::kCatalog:
      return "catalog";
    case FileClass::kParquet:
      return "parquet";
    case FileClass::kOther:
      return "other";
    case FileClass::kJournal:
      break;
  }
  std::string shape = "journal/";
  for (const char c : name_of(path)) {
    const bool is_digit = std::isdigit(static_cast<unsigned char>(c)) != 0;
    if (!is_digit || shape.back() != '#') {
      const bool is_plain =
          std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '-';
      shape += is_digit ? '#' : is_plain ? c : '?';
    }
  }
  return shape;
}

void PowerActivity::count(std::string_view operation, std::string_view path, std::string_view to) {
  add(to.empty() ? fmt::format("{} {}", operation, shape_of(path))
                 : fmt::format("{} {} {}", operation, shape_of(path), shape_of(to)),
      1);
}

void PowerActivity::add(const std::string& name, uint64_t amount) {
  MutexLock lock(mutex_);
  counts_[name] += amount;
}

std::string PowerActivity::to_json() const {
  MutexLock lock(mutex_);
  std::string json;
  for (const auto& [name, value] : counts_) {
    json += fmt::format("{}\"{}\": {}", json.empty() ? "" : ", ", name, value);
  }
  return "{" + json + "}";
}

}  // namespace millrace::fault
