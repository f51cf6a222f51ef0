// What a file system was asked to do, counted by kind of file.
#pragma once

#include "base/mutex.h"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace millrace::fault {

/// Files that a plant names: in `journal/`; `catalog.db` and those beside it; Parquet files, their
/// unfinished names included.
enum class FileClass : uint8_t { kJournal, kCatalog, kParquet, kOther };

FileClass class_of(std::string_view path);

/// "journal/#.log" of "/data/journal/00000000000000000017.log": digits do not matter. For files of
/// another class its name.
std::string shape_of(std::string_view path);

/// Thread-safe.
class PowerActivity {
 public:
  /// "rename journal/spare.log journal/#.log" and the like.
  void count(std::string_view operation, std::string_view path, std::string_view to = {});
  void add(const std::string& name, uint64_t amount);

  /// One line.
  std::string to_json() const;

 private:
  mutable Mutex mutex_;
  std::map<std::string, uint64_t> counts_ MILLRACE_GUARDED_BY(mutex_);
};

}  // namespace millrace::fault
