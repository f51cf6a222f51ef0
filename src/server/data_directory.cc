#include "server/data_directory.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace millrace::server {
namespace {

constexpr std::array<std::string_view, 5> kNothing = {"lock", "tmp", "reserve", kCatalogBeingMade,
                                                      kJournalBeingMade};
/// One of them is in every data directory.
constexpr std::array<std::string_view, 5> kOurs = {"lock", "journal", "catalog.db",
                                                   "catalog.db-wal", kJournalBeingMade};
constexpr std::string_view kOfTheFileSystem = "lost+found";

}  // namespace

Status check_data_directory(io::Disk& disk, const std::string& data) {
  MILLRACE_TRY(const bool is_there, disk.exists(data));
  if (!is_there) {
    return {};
  }
  MILLRACE_TRY(const auto entries, disk.list(data));
  const auto has = [&](std::string_view name) {
    return std::ranges::any_of(entries, [&](const auto& entry) { return entry.name == name; });
  };
  const auto foreign = std::ranges::find_if(
      entries, [](const auto& entry) { return entry.name != kOfTheFileSystem; });
  if (std::ranges::none_of(kOurs, has) && foreign != entries.end()) {
    return make_error(Code::kConflict,
                      "{}: it is no data directory, and not empty: {} is there; nothing was "
                      "changed. Say --data with a directory that is empty or does not exist",
                      data, foreign->name);
  }
  return has("journal") || (!has(kJournalBeingMade) && !has(kCatalogBeingMade))
             ? Status()
             : make_error(Code::kConflict,
                          "{}: a rebuild was cut short here and left no journal: say it again, or "
                          "choose another directory",
                          data);
}

Result<bool> is_as_empty(io::Disk& disk, const std::string& data) {
  MILLRACE_TRY(const bool is_there, disk.exists(data));
  if (!is_there) {
    return true;
  }
  MILLRACE_TRY(const auto entries, disk.list(data));
  return std::ranges::all_of(entries, [](const io::DirectoryEntry& entry) {
    return std::ranges::any_of(kNothing,
                               [&](std::string_view name) { return entry.name.starts_with(name); });
  });
}

}  // namespace millrace::server
