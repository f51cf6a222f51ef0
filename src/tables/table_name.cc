#include "tables/table_name.h"

#include "columnar/utf8.h"

#include <algorithm>

namespace millrace::tables {
namespace {

bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-';
}

Status validate_part(std::string_view what, std::string_view part) {
  if (part.empty() || part.size() > kMostTableNameBytes) {
    return make_error(Code::kInvalid, "{} name of {} bytes: must be 1 to {}", what, part.size(),
                      kMostTableNameBytes);
  }
  if (columnar::find_invalid_utf8(part)) {
    return make_error(Code::kInvalid, "{} name is not UTF-8", what);
  }
  if (columnar::has_control_character(part)) {
    return make_error(Code::kInvalid, "{} name has a control character", what);
  }
  return {};
}

}  // namespace

Status validate(const TableName& name) {
  MILLRACE_TRY_STATUS(validate_part("database", name.database));
  return validate_part("measurement", name.measurement);
}

std::string encode_name(std::string_view part) {
  std::string encoded;
  encoded.reserve(part.size());
  for (const char c : part) {
    if (is_plain(c)) {
      encoded += c;
    } else {
      encoded += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return encoded;
}

std::string topic_name_of(const TableName& name) {
  return encode_name(name.database) + "." + encode_name(name.measurement);
}

std::string folder_of(const TableName& name, const TopicId& topic) {
  return folder_of_topic(topic_name_of(name), topic);
}

std::string folder_of_topic(std::string_view topic_name, const TopicId& topic) {
  const size_t dot = topic_name.find('.');  // the only one: both parts are encoded
  if (dot == std::string_view::npos) {
    return "";
  }
  const auto& id = topic.bytes;
  return fmt::format("{}/{}~{:02x}{:02x}{:02x}{:02x}", topic_name.substr(0, dot),
                     topic_name.substr(dot + 1), id[0], id[1], id[2], id[3]);
}

}  // namespace millrace::tables
