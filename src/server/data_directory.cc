#include "server/data_directory.h"

#include "journal/scan.h"
#include "objects/local_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>
#include <string_view>

namespace millrace::server {
namespace {

constexpr std::string_view kOfTheFileSystem = "lost+found";
/// That, and what a process leaves that did not get far.
constexpr std::array<std::string_view, 5> kNothing = {kOfTheFileSystem, "lock", "tmp", "reserve",
                                                      kJournalBeingMade};
/// One of them is in every data directory.
constexpr std::array<std::string_view, 4> kOurs = {"lock", "catalog.db", "catalog.db-wal",
                                                   kJournalBeingMade};

bool is_one_of(std::span<const std::string_view> names, const io::DirectoryEntry& entry) {
  return std::ranges::find(names, entry.name) != names.end();
}

/// Of a file system of its own that nobody wrote to yet, too.
Result<bool> is_a_journal(io::Disk& disk, const std::string& path) {
  MILLRACE_TRY(const auto entries, disk.list(path));
  return std::ranges::all_of(entries, [](const io::DirectoryEntry& entry) {
    return entry.name == kOfTheFileSystem || entry.name.ends_with(".log") ||
           entry.name.ends_with(".index");
  });
}

/// Of a data directory that has neither journal nor catalog.
Status check_nothing_is_left(io::Disk& disk, const std::string& data) {
  for (const char* folder : {"segments", "tables"}) {
    const auto store = objects::LocalStore::view(disk, data);
    MILLRACE_TRY(const auto found, store->list(folder));
    if (!found.empty()) {
      return make_error(Code::kConflict,
                        "{}: journal and catalog.db are missing, and {}/ has {}, which "
                        "would not be served; nothing was changed. Put both back, or move all of "
                        "it away",
                        data, folder,
                        found.size() == 1 ? "a file" : fmt::format("{} files", found.size()));
    }
  }
  return {};
}

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
  bool is_ours = std::ranges::any_of(kOurs, has);
  if (!is_ours && has("journal")) {
    MILLRACE_TRY(is_ours, is_a_journal(disk, data + "/journal"));
  }
  if (!is_ours && foreign != entries.end()) {
    return make_error(Code::kConflict,
                      "{}: it is no data directory, and not empty: {} is there; nothing was "
                      "changed. Say --data with a directory that is empty or does not exist",
                      data, foreign->name);
  }
  MILLRACE_TRY(const bool is_begun, has_journal(disk, data));
  if (!is_begun && !has("catalog.db")) {
    MILLRACE_TRY_STATUS(check_nothing_is_left(disk, data));
  }
  return has("journal") || (!has(kJournalBeingMade) && !has(kCatalogBeingMade))
             ? Status()
             : make_error(Code::kConflict,
                          "{}: a rebuild was cut short here and left no journal: say it again, or "
                          "choose another directory",
                          data);
}

Result<bool> has_journal(io::Disk& disk, const std::string& data) {
  MILLRACE_TRY(const bool is_there, disk.exists(data + "/journal"));
  if (!is_there) {
    return false;
  }
  MILLRACE_TRY(const auto entries, disk.list(data + "/journal"));
  return std::ranges::any_of(entries, [](const io::DirectoryEntry& entry) {
    return journal::number_of(entry.name).has_value();
  });
}

Result<bool> is_as_empty(io::Disk& disk, const std::string& data) {
  MILLRACE_TRY(const bool is_there, disk.exists(data));
  if (!is_there) {
    return true;
  }
  MILLRACE_TRY(const auto entries, disk.list(data));
  return std::ranges::all_of(entries, [](const io::DirectoryEntry& entry) {
    return is_one_of(kNothing, entry) || entry.name.starts_with(kCatalogBeingMade);
  });
}

}  // namespace millrace::server
