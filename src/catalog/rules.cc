#include "catalog/rules.h"

#include <algorithm>
#include <limits>
#include <set>
#include <tuple>

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

bool is_name_of(const Uuid& object, const std::string& name) {
  return name.starts_with("segments/") && name.ends_with(object.to_string() + ".seg") &&
         is_safe_path(name);
}

/// What is wrong with it; empty: nothing. A start checks very many: no text is made for a right
/// one.
std::string rule_broken_by(const SegmentRow& object) {
  if (object.object.is_none()) {
    return "no id";
  }
  if (!is_name_of(object.object, object.name)) {
    return fmt::format("its name is '{}'", object.name);
  }
  if (object.bytes > kMost) {
    return "a number beyond 2^63";
  }
  if (object.parts.empty()) {
    return "it has no parts";
  }
  uint64_t room = object.bytes;
  for (size_t i = 0; i < object.parts.size(); ++i) {
    const SegmentPartRow& part = object.parts[i];
    if (part.partition.topic.is_none() || part.partition.partition.value < 0) {
      return fmt::format("a part of {}", text_of(part.partition));
    }
    if (i != 0 && part.partition <= object.parts[i - 1].partition) {
      return fmt::format("{} is out of order or there twice", text_of(part.partition));
    }
    if (part.first.value < 0 || part.next <= part.first) {
      return fmt::format("{}: offsets {} to {}", text_of(part.partition), part.first, part.next);
    }
    if (part.max_timestamp_ms < -1) {
      return fmt::format("{}: timestamp {}", text_of(part.partition), part.max_timestamp_ms);
    }
    if (part.bytes == 0 || part.bytes > room) {
      return fmt::format("{}: {} bytes in an object of {}", text_of(part.partition), part.bytes,
                         object.bytes);
    }
    room -= part.bytes;
  }
  return {};
}

Status check_segment(const SegmentRow& object) {
  const std::string rule = rule_broken_by(object);
  return rule.empty() ? Status{} : broken("segment object " + object.object.to_string(), rule);
}

Status check_leaving(const LeavingObject& object) {
  return is_name_of(object.object, object.name)
             ? Status()
             : broken("leaving object " + object.object.to_string(),
                      fmt::format("its name is '{}'", object.name));
}

Status check_leaving(const Contents& contents) {
  std::set<Uuid> there;
  for (const SegmentRow& object : contents.segments) {
    there.insert(object.object);
  }
  for (const LeavingObject& object : contents.leaving) {
    MILLRACE_TRY_STATUS(check_leaving(object));
    if (there.contains(object.object)) {
      return broken("leaving object " + object.object.to_string(), "it is a segment object too");
    }
  }
  return {};
}

/// One range behind another, in order of `first`.
Status check_goes_on(const TopicPartition& partition, const OffsetRange& range,
                     const OffsetRange& following) {
  if (range.next == following.first) {
    return {};
  }
  const std::string row = "segments of " + text_of(partition);
  if (range.next < following.first) {
    return broken(row, fmt::format("offsets {} to {} are in no object", range.next,
                                   following.first.value - 1));
  }
  return broken(row, fmt::format("offsets {} to {} are in two objects", following.first,
                                 std::min(range.next, following.next).value - 1));
}

Status check_change(const TopicPartition& partition, const PartitionChange& change) {
  const auto in_order = [](const OffsetRange& a, const OffsetRange& b) {
    return std::tie(a.first, a.next) < std::tie(b.first, b.next);
  };
  std::vector<OffsetRange> after = change.added;
  if (change.before) {
    std::vector<OffsetRange> removed = change.removed;
    std::sort(removed.begin(), removed.end(), in_order);
    Offset at = change.before->first;  // what stays between the removed parts is dense as it was
    for (const OffsetRange& range : removed) {
      if (at < range.first) {
        after.push_back({at, range.first});
      }
      at = range.next;
    }
    if (at < change.before->next) {
      after.push_back({at, change.before->next});
    }
  }
  std::sort(after.begin(), after.end(), in_order);
  for (size_t i = 1; i < after.size(); ++i) {
    MILLRACE_TRY_STATUS(check_goes_on(partition, after[i - 1], after[i]));
  }
  if (change.before && !after.empty() && after.back().next < change.before->next) {
    return broken("segments of " + text_of(partition),
                  fmt::format("their end would move back from {} to {}", change.before->next,
                              after.back().next));
  }
  return {};
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

/// All parts are dense, and what is leaving is not there.
Status check_segments_part(const Contents& contents) {
  MILLRACE_TRY_STATUS(check_leaving(contents));
  std::vector<const SegmentPartRow*> parts;
  for (const SegmentRow& object : contents.segments) {
    MILLRACE_TRY_STATUS(check_segment(object));
    for (const SegmentPartRow& part : object.parts) {
      parts.push_back(&part);
    }
  }
  std::sort(parts.begin(), parts.end(), [](const SegmentPartRow* a, const SegmentPartRow* b) {
    return std::tie(a->partition, a->first) < std::tie(b->partition, b->first);
  });
  for (size_t i = 1; i < parts.size(); ++i) {
    const SegmentPartRow& part = *parts[i - 1];
    const SegmentPartRow& following = *parts[i];
    if (part.partition == following.partition) {
      MILLRACE_TRY_STATUS(check_goes_on(part.partition, {part.first, part.next},
                                        {following.first, following.next}));
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
  if ((!contents.segments.empty() || !contents.leaving.empty()) && !contents.segments_place) {
    return make_error(Code::kInvalid, "segments without a place in the journal");
  }
  MILLRACE_TRY_STATUS(check_topics(contents.topics));
  MILLRACE_TRY_STATUS(check_ranges(contents.partitions));
  MILLRACE_TRY_STATUS(check_tables_part(contents));
  return check_segments_part(contents);
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

Status check(const SegmentsCommit& commit) {
  MILLRACE_TRY_STATUS(check(commit.place));
  std::vector<Uuid> objects = commit.removed;
  objects.insert(objects.end(), commit.gone.begin(), commit.gone.end());
  for (const SegmentRow& object : commit.added) {
    MILLRACE_TRY_STATUS(check_segment(object));
    objects.push_back(object.object);
  }
  for (const LeavingObject& object : commit.leaving) {
    MILLRACE_TRY_STATUS(check_leaving(object));
    objects.push_back(object.object);
  }
  MILLRACE_TRY_STATUS(
      check_unique(commit.trimmed, "a trimmed part", [](const TrimmedPart& part) { return part; }));
  std::set<Uuid> trimmed;
  for (const TrimmedPart& part : commit.trimmed) {
    trimmed.insert(part.object);
  }
  objects.insert(objects.end(), trimmed.begin(), trimmed.end());
  return check_unique(objects, "a segment object", [](const Uuid& object) { return object; });
}

std::optional<Offset> end_of_last(const PartitionChange& change) {
  int64_t left = change.before ? change.before->next - change.before->first : 0;
  for (const OffsetRange& removed : change.removed) {
    left -= removed.next - removed.first;
  }
  const bool is_last = change.before && left == 0 && change.added.empty();
  return is_last ? std::optional(change.before->next) : std::nullopt;
}

Status check(const SegmentChanges& changes) {
  for (const auto& [partition, change] : changes) {
    MILLRACE_TRY_STATUS(check_change(partition, change));
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

Status check_store(const Contents& contents, const std::string& name) {
  const size_t objects = contents.segments.size() + contents.leaving.size();
  if (objects == 0 || !contents.store || *contents.store == name) {
    return {};
  }
  return make_error(
      Code::kConflict,
      "bucket: the {} segment objects of this directory are in {}, not in {}; nothing "
      "was changed. Say --bucket as before; if all of them were moved, make the "
      "catalog again with the new one: millrace rebuild --replace",
      objects, *contents.store, name);
}

Error offset_conflict(const FlushCommit& flush, Offset table_offset) {
  return make_error(Code::kConflict, "flush of {}: [{}, {}) does not go on from table offset {}",
                    text_of(flush.partition), flush.first, flush.next, table_offset);
}

Error path_conflict(const std::string& path) {
  return make_error(Code::kConflict, "table file '{}' is in the catalog already", path);
}

Error object_is_there(const Uuid& object) {
  return make_error(Code::kConflict, "segment object {} is in the catalog already",
                    object.to_string());
}

Error object_is_missing(const Uuid& object) {
  return make_error(Code::kConflict, "segment object {} is not in the catalog", object.to_string());
}

Error part_is_missing(const TrimmedPart& part) {
  return make_error(Code::kConflict, "segment object {} has no part of {} in the catalog",
                    part.object.to_string(), text_of(part.partition));
}

Error no_part_is_left(const Uuid& object) {
  return make_error(Code::kInvalid, "segment object {}: it would have no parts left",
                    object.to_string());
}

}  // namespace millrace::catalog
