#include "catalog/sqlite_check.h"

#include "catalog/migrations.h"
#include "catalog/sqlite_rows.h"
#include "catalog/sqlite_segments.h"

#include <array>
#include <bit>
#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace millrace::catalog {
namespace {

struct Described {
  std::string type;  // table or index
  std::string table;
  std::string sql;

  bool operator==(const Described&) const = default;
};

using Schema = std::map<std::string, Described>;  // by name

Result<Schema> schema_of(Connection& connection) {
  Schema schema;
  MILLRACE_TRY_STATUS(for_each(connection, "SELECT name, type, tbl_name, sql FROM sqlite_master",
                               [&](const Statement& row) -> Status {
                                 schema[row.text(0)] = {row.text(1), row.text(2), row.text(3)};
                                 return {};
                               }));
  return schema;
}

/// As the migrations make it, in memory.
Result<Schema> schema_of_version(SqliteVfs& vfs, int64_t version) {
  MILLRACE_TRY(const auto model, Connection::open(vfs, ":memory:", true));
  for (const Migration& migration : migrations()) {
    if (migration.version <= version) {
      MILLRACE_TRY_STATUS(model->execute(migration.sql));
    }
  }
  return schema_of(*model);
}

/// Of entries in any order.
class Digest {
 public:
  template <typename... Columns>
  void add(const Columns&... columns) {
    entry_.clear();
    (append(columns), ...);
    ++entries_;
    sum_ += std::hash<std::string>()(entry_);
  }

  uint64_t entries() const { return entries_; }

  bool operator==(const Digest& other) const {
    return entries_ == other.entries_ && sum_ == other.sum_;
  }

 private:
  void append(const Uuid& id) { entry_.append(id.bytes.begin(), id.bytes.end()); }

  void append(int64_t number) {
    const auto bytes = std::bit_cast<std::array<char, sizeof number>>(number);
    entry_.append(bytes.data(), bytes.size());
  }

  void append(const TopicPartition& partition) {
    append(partition.topic);
    append(int64_t{partition.partition.value});
  }

  void append(const std::string& text) { entry_ += text; }  // one of them in an entry

  uint64_t entries_ = 0;
  uint64_t sum_ = 0;
  std::string entry_;
};

Status compare(std::string_view table, const Digest& rows, std::string_view index,
               const Digest& entries) {
  return rows == entries
             ? Status()
             : Status(make_error(
                   Code::kCorrupt,
                   "{} and its index {} do not agree ({} rows, {} entries): one of them is damaged",
                   table, index, rows.entries(), entries.entries()));
}

// The types of an entry's columns are asked for: a value of another one may look the same here, and
// SQLite does not find it.

Status check_topics_name(Connection& connection, const Contents& contents) {
  Digest rows;
  for (const TopicRow& topic : contents.topics) {
    if (!topic.is_deleted) {
      rows.add(topic.name, topic.id);
    }
  }
  Digest entries;
  MILLRACE_TRY_STATUS(
      for_each(connection,
               "SELECT name, id FROM topics INDEXED BY topics_name"
               " WHERE is_deleted = 0 AND typeof(name) = 'text' AND typeof(id) = 'text'",
               [&](const Statement& entry) -> Status {
                 MILLRACE_TRY(const Uuid id, uuid_in(entry, 1, "topics_name"));
                 entries.add(entry.text(0), id);
                 return {};
               }));
  return compare("topics", rows, "topics_name", entries);
}

Status check_table_files_range(Connection& connection, const Contents& contents) {
  Digest rows;
  for (const FileRow& file : contents.files) {
    rows.add(file.partition, file.first.value, file.path);
  }
  Digest entries;
  MILLRACE_TRY_STATUS(
      for_each(connection,
               "SELECT topic_id, partition, first, path FROM table_files INDEXED BY"
               " table_files_range WHERE typeof(topic_id) = 'text' AND typeof(partition) ="
               " 'integer' AND typeof(first) = 'integer' AND typeof(path) = 'text'",
               [&](const Statement& entry) -> Status {
                 MILLRACE_TRY(const auto partition, partition_in(entry, 0, "table_files_range"));
                 entries.add(partition, entry.integer(2), entry.text(3));
                 return {};
               }));
  return compare("table_files", rows, "table_files_range", entries);
}

Status check_segment_parts_range(Connection& connection, const Contents& contents) {
  Digest rows;
  for (const SegmentRow& segment : contents.segments) {
    for (const SegmentPartRow& part : segment.parts) {
      rows.add(part.partition, part.first.value, segment.object);
    }
  }
  Digest entries;
  MILLRACE_TRY_STATUS(for_each(
      connection,
      "SELECT topic_id, partition, first, object_id FROM segment_parts INDEXED BY"
      " segment_parts_range WHERE typeof(topic_id) = 'text' AND typeof(partition) = 'integer'"
      " AND typeof(first) = 'integer' AND typeof(object_id) = 'text'",
      [&](const Statement& entry) -> Status {
        MILLRACE_TRY(const auto partition, partition_in(entry, 0, "segment_parts_range"));
        MILLRACE_TRY(const Uuid object, uuid_in(entry, 3, "segment_parts_range"));
        entries.add(partition, entry.integer(2), object);
        return {};
      }));
  return compare("segment_parts", rows, "segment_parts_range", entries);
}

}  // namespace

Status check_schema(Connection& connection, SqliteVfs& vfs, int64_t version) {
  MILLRACE_TRY(const Schema expected, schema_of_version(vfs, version));
  MILLRACE_TRY(const Schema found, schema_of(connection));
  for (const auto& [name, described] : expected) {
    const auto there = found.find(name);
    if (there == found.end()) {
      return make_error(Code::kCorrupt, "no such {}: {}", described.type, name);
    }
    if (there->second != described) {
      return make_error(Code::kCorrupt, "its schema is damaged: {} {} is not that of version {}",
                        described.type, name, version);
    }
  }
  MILLRACE_TRY(const Schema latest, schema_of_version(vfs, migrations().back().version));
  for (const auto& [name, described] : latest) {
    if (found.contains(name) && !expected.contains(name)) {
      return make_error(Code::kCorrupt, "its header is damaged: version {} has no {} {}", version,
                        described.type, name);
    }
  }
  return {};
}

Status check_indexes(Connection& connection, int64_t version, const Contents& contents) {
  MILLRACE_TRY_STATUS(check_topics_name(connection, contents));
  MILLRACE_TRY_STATUS(check_table_files_range(connection, contents));
  return version >= kSegmentsVersion ? check_segment_parts_range(connection, contents) : Status();
}

}  // namespace millrace::catalog
