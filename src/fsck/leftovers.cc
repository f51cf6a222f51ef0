#include "fsck/leftovers.h"

#include "catalog/sqlite_catalog.h"
#include "journal/files.h"
#include "journal/index.h"
#include "objects/cached_block.h"
#include "segment/format.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <vector>

namespace millrace::fsck {
namespace {

void add(Work& work, const char* problem, std::string file, std::string what) {
  work.add({.kind = Kind::kLeftover,
            .problem = problem,
            .file = std::move(file),
            .what = std::move(what),
            .advice = "nothing: it is not used, and may be removed",
            .cure = Cure::kFile});
}

// NOLINTNEXTLINE(misc-no-recursion): as deep as the folders are.
Status find_temporary(Work& work, const std::string& folder) {
  MILLRACE_TRY(const auto entries, work.disk.list(folder));
  for (const auto& entry : entries) {
    const std::string path = folder + "/" + entry.name;
    if (entry.is_directory) {
      MILLRACE_TRY_STATUS(find_temporary(work, path));
    } else {
      add(work, "temporary-file", path, "a file that was being made when the server ended");
    }
  }
  return {};
}

/// A stored index is derived. It is written when its file is sealed and removed before the file is.
Status judge_index(Work& work, bool is_trusted, journal::Files& files,
                   const std::vector<FileNumber>& numbers, FileNumber number) {
  const std::string path = files.index_path_of(number);
  if (std::ranges::binary_search(numbers, number)) {
    MILLRACE_TRY(const auto stored, work.disk.read_file(path));
    if (const auto index = journal::FileIndex::decode(number, stored); !index.ok()) {
      add(work, "stored-index", path, index.error().message + ": the next start makes it again");
    }
  } else if (numbers.empty() || number > numbers.back()) {
    work.add({.problem = "missing-file",
              .file = files.path_of(number),
              .what = "is not there, though its stored index is, nor is any file behind it",
              .advice = "put the missing file back, and those behind it"});
  } else if (number < numbers.front() && !is_trusted) {
    work.add({.problem = "missing-file",
              .file = files.path_of(number),
              .what = "is not there, though its stored index is, and journal and catalog do not "
                      "belong together without it",
              .advice = "put the missing file back"});
  } else if (number < numbers.front()) {
    add(work, "stored-index", path, "the journal file that it belongs to was freed");
  }  // else the check of the journal says that a file is missing
  return {};
}

Status find_in_journal(Work& work, bool is_trusted) {
  constexpr std::string_view kIndex = ".index";
  journal::Files files(work.disk, work.data + "/journal");
  MILLRACE_TRY(const auto entries, work.disk.list(files.directory()));
  std::vector<FileNumber> numbers;
  std::vector<FileNumber> indexes;
  for (const auto& entry : entries) {
    if (const auto number = journal::number_of(entry.name)) {
      numbers.push_back(*number);
    } else if (entry.name.ends_with(".tmp")) {
      add(work, "temporary-file", files.directory() + "/" + entry.name,
          "a file that was being made when the server ended");
    } else if (entry.name.ends_with(kIndex)) {
      const std::string stem = entry.name.substr(0, entry.name.size() - kIndex.size());
      if (const auto index = journal::number_of(stem + ".log")) {
        indexes.push_back(*index);
      }
    }
  }
  for (const FileNumber index : indexes) {
    MILLRACE_TRY_STATUS(judge_index(work, is_trusted, files, numbers, index));
  }
  return {};
}

Status find_cached(Work& work, objects::ObjectStore& segments) {
  const std::string folder = work.data + "/cache";
  MILLRACE_TRY(const auto entries, work.disk.list(folder));
  std::set<std::string, std::less<>> names;
  if (!entries.empty()) {
    MILLRACE_TRY(const auto objects, segments.list(segment::kFolder));
    for (const objects::ObjectInfo& object : objects) {
      names.insert(object.name);
    }
  }
  for (const auto& entry : entries) {
    if (entry.is_directory || !entry.name.ends_with(".block")) {
      continue;
    }
    const std::string path = folder + "/" + entry.name;
    MILLRACE_TRY(const auto bytes, work.disk.read_file(path));
    MILLRACE_TRY_STATUS(work.read(bytes.size()));
    const auto block = objects::CachedBlock::parse(bytes);
    if (!block.ok()) {
      add(work, "stale-block", path, "a cached block of no use: " + block.error().message);
    } else if (!names.contains(block->object)) {
      add(work, "stale-block", path,
          fmt::format("a cached block of {}, which is not there", block->object));
    }
  }
  return {};
}

}  // namespace

Status find_leftovers(Work& work, objects::ObjectStore& segments, bool is_trusted) {
  MILLRACE_TRY_STATUS(find_temporary(work, work.data + "/tmp"));
  for (const std::string& path : catalog::leftovers_of(work.data + "/catalog.db")) {
    MILLRACE_TRY(const bool is_there, work.disk.exists(path));
    if (is_there) {
      add(work, "temporary-file", path, "a part of a catalog that was being made");
    }
  }
  MILLRACE_TRY_STATUS(find_in_journal(work, is_trusted));
  return find_cached(work, segments);
}

}  // namespace millrace::fsck
