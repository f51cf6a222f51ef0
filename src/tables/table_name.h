// How a table is called: by database and measurement, as a topic, as a folder.
#pragma once

#include "base/ids.h"
#include "base/result.h"

#include <compare>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::tables {

inline constexpr std::string_view kDefaultDatabase = "main";
/// Of a database's or a measurement's name. Percent-encoded, both fit a folder's name.
inline constexpr size_t kMostTableNameBytes = 80;

/// SQL calls it database.measurement.
struct TableName {
  std::string database;
  std::string measurement;

  auto operator<=>(const TableName&) const = default;

  /// "main.cpu", for people.
  std::string to_string() const { return database + "." + measurement; }
};

/// kInvalid: a part that is empty, longer than kMostTableNameBytes, not UTF-8, or has control
/// characters.
Status validate(const TableName& name);

/// Everything but letters, digits, '_' and '-' as %XX: the parts of a topic's name are joined by a
/// dot, and a folder's name must not be "..".
std::string encode_name(std::string_view part);

/// "main.cpu%2Fload": both parts encoded, joined by a dot.
std::string topic_name_of(const TableName& name);

/// Folder of the table's files under DIR/tables: "main/cpu~0a1b2c3d", the last 8 digits the first
/// of the topic's id, so that a table made again under its name has another.
std::string folder_of(const TableName& name, const TopicId& topic);

/// The same, by the topic's name; empty for one that is no table's.
std::string folder_of_topic(std::string_view topic_name, const TopicId& topic);

}  // namespace millrace::tables
