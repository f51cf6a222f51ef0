#include "objects/object_store.h"

#include <algorithm>
#include <string_view>

namespace millrace::objects {
namespace {

constexpr unsigned char kFirstPrintable = 0x20;
constexpr unsigned char kDelete = 0x7F;

std::string_view fault_of(std::string_view name) {
  if (name.empty()) {
    return "is empty";
  }
  if (name.size() > kMaxNameBytes) {
    return "is too long";
  }
  const auto is_control = [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < kFirstPrintable || byte == kDelete;
  };
  if (std::ranges::any_of(name, is_control)) {
    return "has a control character";
  }
  if (name.find('\\') != std::string_view::npos) {  // some servers take it for a slash
    return "has a backslash";
  }
  while (true) {
    const size_t slash = name.find('/');
    const std::string_view part = name.substr(0, slash);
    if (part.empty()) {
      return "has an empty part, or begins or ends with a slash";
    }
    if (part == "." || part == "..") {
      return "has a part . or ..";
    }
    if (slash == std::string_view::npos) {
      return {};
    }
    name.remove_prefix(slash + 1);
  }
}

}  // namespace

Status check_name(const std::string& name) {
  const std::string_view fault = fault_of(name);
  return fault.empty()
             ? Status{}
             : make_error(Code::kInvalid, "\"{}\" is no name of an object: it {}", name, fault);
}

Status check_folder(const std::string& folder) {
  return folder.empty() ? Status{} : check_name(folder);
}

}  // namespace millrace::objects
