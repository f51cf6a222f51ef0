#include "catalog/rules.h"

#include <limits>
#include <set>

namespace millrace::catalog {
namespace {

constexpr uint64_t kMost = std::numeric_limits<int64_t>::max();  // what the database can hold

std::string text_of(const TopicPartition& partition) {
  return fmt::format("{} partition {}", partition.topic.to_string(), partition.partition);
}

Error broken(const std::string& row, std::string_view rule) {
  return make_error(Code::kInvalid, "{}: {}", row, rule);
}

Status check_partition(const TopicPartition& partition, const std::string& row) {
  if (partition.topic.is_none()) {
    return broken(row, "no topic id");
  }
  return partition.partition.value >= 0 ? Status{} : broken(row, "the partition is below 0");
}

/// Relative, and stays under the folder it is relative to.
bool is_safe_path(std::string_view path) {
  while (true) {
    const size_t slash = path.find('/');
    const std::string_view part = path.substr(0, slash);
    if (part.empty() || part == "." || part == ".." || part.find('\0') != std::string_view::npos) {
      return false;
    }
    if (slash == std::string_view::npos) {
      return true;
    }
    path.remove_prefix(slash + 1);
  }
}

Status check_topic(const TopicRow& topic) {
  const std::string row = fmt::format("topic {} '{}'", topic.id.to_string(), topic.name);
  if (topic.id.is_none()) {
    return broken(row, "no id");
  }
  if (topic.name.empty()) {
    return broken(row, "no name");
  }
  return topic.partitions >= 1 ? Status{} : broken(row, "less than one partition");
}

Status check_range(const PartitionRow& range) {
  const std::string row = text_of(range.partition);
  MILLRACE_TRY_STATUS(check_partition(range.partition, row));
  if (range.start.value < 0 || range.next < range.start) {
    return broken(row, fmt::format("offsets {} to {}", range.start, range.next));
  }
  return {};
}

Status check_table(const TableRow& table) {
  const std::string row =
      fmt::format("table {} '{}.{}'", table.topic.to_string(), table.database, table.measurement);
  if (table.topic.is_none()) {
    return broken(row, "no topic id");
  }
  if (table.database.empty() || table.measurement.empty()) {
    return broken(row, "no name");
  }
  return table.schema_version <= kMost ? Status{} : broken(row, "schema version beyond 2^63");
}

Status check_file(const FileRow& file) {
  const std::string row = "table file '" + file.path + "'";
  if (!is_safe_path(file.path)) {
    return broken(row, "not a path below the tables");
  }
  MILLRACE_TRY_STATUS(check_partition(file.partition, row));
  if (file.first.value < 0 || file.next <= file.first) {
    return broken(row, fmt::format("offsets {} to {}", file.first, file.next));
  }
  if (file.rows > kMost || file.bytes > kMost || file.schema_version > kMost) {
    return broken(row, "a number beyond 2^63");
  }
  return file.min_time_us <= file.max_time_us ? Status{} : broken(row, "times in the wrong order");
}

template <typename Rows, typename Key>
Status check_unique(const Rows& rows, std::string_view what, Key key_of) {
  std::set<decltype(key_of(*rows.begin()))> seen;
  for (const auto& row : rows) {
    if (!seen.insert(key_of(row)).second) {
      return make_error(Code::kInvalid, "{} stands there twice", what);
    }
  }
  return {};
}

Status check_topics(const std::vector<TopicRow>& topics) {
  std::set<std::string_view> names;
  for (const TopicRow& topic : topics) {
    MILLRACE_TRY_STATUS(check_topic(topic));
    if (!topic.is_deleted && !names.insert(topic.name).second) {
      return broken("topic '" + topic.name + "'", "the name is used twice");
    }
  }
  return check_unique(topics, "a topic", [](const TopicRow& row) { return row.id; });
}

Status check_ranges(const std::vector<PartitionRow>& ranges) {
  for (const PartitionRow& range : ranges) {
    MILLRACE_TRY_STATUS(check_range(range));
  }
  return check_unique(ranges, "a partition", [](const PartitionRow& row) { return row.partition; });
}

/// Files and offsets belong to a table, and no file reaches beyond its partition's offset.
Status check_tables_part(const Contents& contents) {
  std::set<TopicId> tables;
  for (const TableRow& table : contents.tables) {
    MILLRACE_TRY_STATUS(check_table(table));
    tables.insert(table.topic);
  }
  for (const auto& [partition, next] : contents.table_offsets) {
    const std::string row = "table offset of " + text_of(partition);
    MILLRACE_TRY_STATUS(check_partition(partition, row));
    if (next.value <= 0 || !tables.contains(partition.topic)) {
      return broken(row, fmt::format("{}, or there is no such table", next));
    }
  }
  for (const FileRow& file : contents.files) {
    MILLRACE_TRY_STATUS(check_file(file));
    const auto offset = contents.table_offsets.find(file.partition);
    if (offset == contents.table_offsets.end() || file.next > offset->second) {
      return broken("table file '" + file.path + "'",
                    fmt::format("it ends at {}, beyond its partition's table offset", file.next));
    }
  }
  return {};
}

Status check_all(const Contents& contents) {
  if (!contents.directory || contents.directory->is_none()) {
    return make_error(Code::kInvalid, "no directory id");
  }
  if (!contents.topics.empty() && !contents.broker_place) {
    return make_error(Code::kInvalid, "topics without a place in the journal");
  }
  if (!contents.tables.empty() && !contents.tables_place) {
    return make_error(Code::kInvalid, "tables without a place in the journal");
  }
  MILLRACE_TRY_STATUS(check_topics(contents.topics));
  MILLRACE_TRY_STATUS(check_ranges(contents.partitions));
  return check_tables_part(contents);
}

}  // namespace

Status check(const JournalPlace& place) {
  if (place.file.value > kMost || place.position > kMost || place.run.value > kMost) {
    return make_error(Code::kInvalid, "place in the journal: a number beyond 2^63");
  }
  return {};
}

Status check(const BrokerPart& part) {
  MILLRACE_TRY_STATUS(check(part.place));
  MILLRACE_TRY_STATUS(check_topics(part.topics));
  return check_ranges(part.partitions);
}

Status check(const FlushCommit& flush) {
  MILLRACE_TRY_STATUS(check(flush.place));
  MILLRACE_TRY_STATUS(check_table(flush.table));
  const std::string row = "flush of " + text_of(flush.partition);
  MILLRACE_TRY_STATUS(check_partition(flush.partition, row));
  if (flush.table.topic != flush.partition.topic) {
    return broken(row, "the table is of topic " + flush.table.topic.to_string());
  }
  for (const FileRow& file : flush.files) {
    MILLRACE_TRY_STATUS(check_file(file));
    if (file.partition != flush.partition || file.first < flush.first || file.next > flush.next) {
      return broken("table file '" + file.path + "'", "not of the range that is flushed");
    }
  }
  return {};
}

Status check(const Contents& contents) {
  Status checked = check_all(contents);
  if (!checked.ok()) {
    checked.error().code = Code::kCorrupt;
  }
  return checked;
}

Status check_owner(const Contents& contents, const DirectoryId& directory) {
  if (directory.is_none()) {
    return make_error(Code::kInvalid, "no directory id");
  }
  const DirectoryId owner = contents.directory.value_or(DirectoryId());
  if (!contents.is_new && owner != directory) {
    return make_error(Code::kCorrupt,
                      "it belongs to directory {}, the journal is of {}; nothing was changed. Put "
                      "the files of one directory together",
                      owner.to_string(), directory.to_string());
  }
  return {};
}

Error offset_conflict(const FlushCommit& flush, Offset table_offset) {
  return make_error(Code::kConflict, "flush of {}: [{}, {}) does not go on from table offset {}",
                    text_of(flush.partition), flush.first, flush.next, table_offset);
}

Error path_conflict(const std::string& path) {
  return make_error(Code::kConflict, "table file '{}' is in the catalog already", path);
}

}  // namespace millrace::catalog
