#include "tables/found_files.h"

#include "columnar/parquet_footer.h"
#include "io/disk.h"
#include "tables/file_check.h"
#include "tables/unit_writer.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <map>
#include <optional>

namespace millrace::tables {
namespace {

using catalog::FileRow;
using catalog::FlushCommit;
using columnar::ParquetFooter;

struct Found {
  FileRow row;
  uint64_t part = 0;
};

/// Files of one table, by range, the longest of those that begin at one place first.
using Units = std::map<std::pair<Offset, int64_t>, std::vector<Found>>;

std::string offsets(Offset first, Offset next) {
  return fmt::format("offsets {} to {}", first, next.value - 1);
}

/// kCorrupt: the footer does not have it, or it is something else.
Result<std::string> value_of(const ParquetFooter& footer, const std::string& key) {
  const auto found = footer.metadata.find(key);
  return found == footer.metadata.end()
             ? Result<std::string>(make_error(Code::kCorrupt, "its footer has no {}", key))
             : found->second;
}

Status expect(const ParquetFooter& footer, const std::string& key, const std::string& wanted) {
  MILLRACE_TRY(const std::string found, value_of(footer, key));
  return found == wanted
             ? Status()
             : make_error(Code::kCorrupt, "it is another file: its {} is {}", key, found);
}

/// Errors: of the file kCorrupt, kNotFound; else the store's.
Result<Found> read_file(objects::ObjectStore& store, const std::string& path, const FileName& name,
                        const SchemaFact& table) {
  MILLRACE_TRY(const auto reader, store.read(path));
  MILLRACE_TRY(const auto bytes, footer_of(*reader));
  MILLRACE_TRY(const ParquetFooter footer, columnar::parse_footer(bytes));
  MILLRACE_TRY_STATUS(expect(footer, "millrace.topic_id", table.topic.to_string()));
  MILLRACE_TRY_STATUS(expect(footer, "millrace.partition", "0"));
  MILLRACE_TRY_STATUS(expect(footer, "millrace.first_offset", fmt::format("{}", name.first)));
  MILLRACE_TRY_STATUS(expect(footer, "millrace.next_offset", fmt::format("{}", name.next)));
  if (footer.metadata.contains(std::string(kPartKey))) {  // files from before have none
    MILLRACE_TRY_STATUS(expect(footer, std::string(kPartKey), fmt::format("{}", name.part)));
  }
  MILLRACE_TRY(const std::string version, value_of(footer, "millrace.schema_version"));
  MILLRACE_TRY(const std::string commit, value_of(footer, "millrace.commit_id"));
  Found found{{.path = path,
               .partition = {table.topic, PartitionId{0}},
               .first = name.first,
               .next = name.next,
               .rows = footer.rows,
               .bytes = reader->bytes()},
              name.part};
  if (footer.times) {
    found.row.min_time_us = footer.times->min_us;
    found.row.max_time_us = footer.times->max_us;
  } else {
    found.row.min_time_us = std::numeric_limits<int64_t>::min();
    found.row.max_time_us = std::numeric_limits<int64_t>::max();
  }
  const char* end = version.data() + version.size();
  const auto [read, failed] = std::from_chars(version.data(), end, found.row.schema_version);
  const auto id = Uuid::parse(commit);
  if (failed != std::errc{} || read != end || !id ||
      found.row.schema_version > table.schema->version) {
    return make_error(Code::kCorrupt, "its footer names schema version {} and commit {}", version,
                      commit);
  }
  found.row.commit = *id;
  return found;
}

bool is_of_the_file(const Error& error) {
  return error.code == Code::kCorrupt || error.code == Code::kUnsupported ||
         error.code == Code::kNotFound || error.code == Code::kIo;
}

/// One search through a store.
class Search {
 public:
  Search(objects::ObjectStore& store, const std::vector<JournalTable>& tables,
         const JournalPlace& place)
      : store_(store), place_(place) {
    for (const JournalTable& table : tables) {
      by_folder_[folder_of(table.fact.name, table.fact.topic)] = &table;
    }
  }

  Result<FoundFiles> run(const std::function<void(size_t, size_t)>& progress) {
    MILLRACE_TRY(const auto infos, store_.list(""));
    for (size_t i = 0; i < infos.size(); ++i) {
      progress(i, infos.size());
      MILLRACE_TRY_STATUS(look_at(infos[i]));
    }
    progress(infos.size(), infos.size());
    for (const auto& [folder, table] : by_folder_) {
      join(*table, units_[table]);
    }
    return std::move(found_);
  }

 private:
  Status look_at(const objects::ObjectInfo& info) {
    const auto folder = by_folder_.find(io::parent_of(info.name));
    const auto name = FileName::parse(info.name);
    if (is_empty_file(info.name)) {
      return {};  // derived
    }
    if (folder == by_folder_.end() || !name) {
      found_.unused.push_back({info.name, name ? "it is of no table that the journal knows"
                                               : "its name is none of a table's file"});
      return {};
    }
    const JournalTable& table = *folder->second;
    if (name->next > table.kept.end) {
      found_.unused.push_back(
          {info.name, fmt::format("its rows are of {}, and the journal ends at {}",
                                  offsets(name->first, name->next), table.kept.end)});
      return {};
    }
    if (name->first >= table.kept.start) {
      ++found_.replayed;
      return {};
    }
    auto read = read_file(store_, info.name, *name, table.fact);
    if (read.ok()) {
      units_[&table][{name->first, -name->next.value}].push_back(*std::move(read));
    } else if (is_of_the_file(read.error())) {
      found_.unused.push_back({info.name, read.error().message});
    } else {
      return std::move(read).error();
    }
    return {};
  }

  void tell_lost(const JournalTable& table, Offset first, Offset next) {
    found_.lost.push_back(
        fmt::format("rows of table {}, {}: in no file, and no longer in the journal",
                    table.fact.name.to_string(), offsets(first, next)));
  }

  /// Up to where the journal's rows begin.
  void join(const JournalTable& table, const Units& units) {
    const SchemaFact& fact = table.fact;
    FlushCommit flush{.table = {fact.topic, fact.name.database, fact.name.measurement,
                                fact.schema->version, table.schema},
                      .partition = {fact.topic, PartitionId{0}},
                      .first = Offset{},
                      .next = Offset{},
                      .files = {},
                      .place = place_};
    for (const auto& [range, files] : units) {
      if (range.first < flush.next) {
        for (const Found& file : files) {
          found_.unused.push_back({file.row.path, "another file has the rows of its offsets"});
        }
        continue;
      }
      if (range.first > flush.next) {
        tell_lost(table, flush.next, range.first);
      }
      flush.next = Offset{-range.second};
      take(table, files, flush);
    }
    if (flush.next < table.kept.start) {
      tell_lost(table, flush.next, table.kept.start);
      flush.next = table.kept.start;
    }
    if (flush.next > flush.first) {
      found_.flushes.push_back(std::move(flush));
    }
  }

  /// All parts of one range are of one commit.
  void take(const JournalTable& table, const std::vector<Found>& files, FlushCommit& flush) {
    const FileRow& first = files.front().row;
    uint64_t part = 0;
    bool is_whole = true;
    for (const Found& file : files) {  // in order of part, as of name
      if (file.row.commit != first.commit) {
        found_.unused.push_back(
            {file.row.path, "it is of another commit than the first of its range"});
        is_whole = false;
        continue;
      }
      is_whole = is_whole && file.part == part++;
      flush.files.push_back(file.row);
    }
    if (!is_whole) {
      found_.lost.push_back(
          fmt::format("some rows of table {}, {}: a part of their files is missing",
                      table.fact.name.to_string(), offsets(first.first, first.next)));
    }
  }

  objects::ObjectStore& store_;
  const JournalPlace place_;
  std::map<std::string, const JournalTable*> by_folder_;
  std::map<const JournalTable*, Units> units_;
  FoundFiles found_;
};

}  // namespace

Result<bool> lost_its_row(const std::string& path, const SchemaFact& table, Offset in_files,
                          const catalog::Contents& catalog, objects::ObjectStore& store) {
  const TopicPartition partition{table.topic, PartitionId{0}};
  const auto name = FileName::parse(path);
  if (!name || io::parent_of(path) != folder_of(table.name, table.topic) || name->next > in_files) {
    return false;
  }
  const auto found = read_file(store, path, *name, table);
  if (!found.ok()) {
    return is_of_the_file(found.error()) ? Result(false) : Result<bool>(found.error());
  }
  return std::ranges::none_of(catalog.files, [&](const FileRow& row) {
    return row.partition == partition && row.first < name->next && name->first < row.next &&
           row.commit != found->row.commit;
  });
}

Result<FoundFiles> find_files(objects::ObjectStore& store, const std::vector<JournalTable>& tables,
                              const JournalPlace& place,
                              const std::function<void(size_t, size_t)>& progress) {
  return Search(store, tables, place).run(progress);
}

}  // namespace millrace::tables
