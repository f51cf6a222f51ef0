#include "catalog/sqlite_contents.h"

#include "catalog/rules.h"
#include "catalog/sqlite_rows.h"
#include "catalog/sqlite_segments.h"

#include <algorithm>
#include <tuple>

namespace millrace::catalog {
namespace {

Status read_meta(Connection& connection, Contents& contents) {
  KeyOrder<std::string> order("meta");
  return for_each(connection, "SELECT key, value FROM meta ORDER BY key",
                  [&](const Statement& row) -> Status {
                    const std::string key = row.text(0);
                    MILLRACE_TRY_STATUS(order.next(key));
                    if (key == "directory") {
                      MILLRACE_TRY(const Uuid id, uuid_in(row, 1, "meta"));
                      contents.directory = DirectoryId(id);
                    } else if (key == "store") {
                      contents.store = row.text(1);
                    }
                    return {};
                  });
}

Status read_places(Connection& connection, Contents& contents) {
  KeyOrder<std::string> order("places");
  return for_each(connection,
                  "SELECT owner, file, position, run, header_crc FROM places ORDER BY owner",
                  [&](const Statement& row) -> Status {
                    JournalPlace place;
                    MILLRACE_TRY(place.file.value, count_in(row, 1, "places"));
                    MILLRACE_TRY(place.position, count_in(row, 2, "places"));
                    MILLRACE_TRY(place.run.value, count_in(row, 3, "places"));
                    MILLRACE_TRY(place.header_crc, small_in<uint32_t>(row, 4, "places"));
                    const std::string owner = row.text(0);
                    MILLRACE_TRY_STATUS(order.next(owner));
                    if (owner == "broker") {
                      contents.broker_place = place;
                    } else if (owner == "tables") {
                      contents.tables_place = place;
                    } else if (owner == "segments") {
                      contents.segments_place = place;
                    } else {
                      return make_error(Code::kCorrupt, "places: '{}' is no owner", owner);
                    }
                    return {};
                  });
}

Status read_topics(Connection& connection, Contents& contents) {
  KeyOrder<Uuid> order("topics");
  MILLRACE_TRY_STATUS(for_each(
      connection, "SELECT id, name, partitions, is_deleted, created_ms FROM topics ORDER BY id",
      [&](const Statement& row) -> Status {
        TopicRow topic;
        MILLRACE_TRY(const Uuid id, uuid_in(row, 0, "topics"));
        MILLRACE_TRY_STATUS(order.next(id));
        topic.id = TopicId(id);
        topic.name = row.text(1);
        MILLRACE_TRY(topic.partitions, small_in<int32_t>(row, 2, "topics"));
        topic.is_deleted = row.integer(3) != 0;
        topic.created_ms = row.integer(4);
        contents.topics.push_back(std::move(topic));
        return {};
      }));
  auto topic = contents.topics.begin();  // both come in order of id
  KeyOrder<std::pair<Uuid, std::string>> settings_order("topic_settings");
  return for_each(
      connection, "SELECT topic_id, name, value FROM topic_settings ORDER BY topic_id, name",
      [&](const Statement& row) -> Status {
        MILLRACE_TRY(const Uuid id, uuid_in(row, 0, "topic_settings"));
        MILLRACE_TRY_STATUS(settings_order.next({id, row.text(1)}));
        while (topic != contents.topics.end() && topic->id < TopicId(id)) {
          ++topic;
        }
        if (topic == contents.topics.end() || topic->id != TopicId(id)) {
          return make_error(Code::kCorrupt, "topic_settings: no topic {}", id.to_string());
        }
        topic->settings[row.text(1)] = row.text(2);
        return {};
      });
}

Status read_partitions(Connection& connection, Contents& contents) {
  KeyOrder<TopicPartition> order("partitions");
  return for_each(
      connection,
      "SELECT topic_id, partition, start, next FROM partitions ORDER BY topic_id, partition",
      [&](const Statement& row) -> Status {
        MILLRACE_TRY(const auto partition, partition_in(row, 0, "partitions"));
        MILLRACE_TRY_STATUS(order.next(partition));
        contents.partitions.push_back({partition, Offset{row.integer(2)}, Offset{row.integer(3)}});
        return {};
      });
}

Status read_tables(Connection& connection, Contents& contents) {
  KeyOrder<Uuid> order("tables");
  MILLRACE_TRY_STATUS(
      for_each(connection,
               "SELECT topic_id, database, measurement, schema_version, schema FROM tables"
               " ORDER BY topic_id",
               [&](const Statement& row) -> Status {
                 TableRow table;
                 MILLRACE_TRY(const Uuid id, uuid_in(row, 0, "tables"));
                 MILLRACE_TRY_STATUS(order.next(id));
                 table.topic = TopicId(id);
                 table.database = row.text(1);
                 table.measurement = row.text(2);
                 MILLRACE_TRY(table.schema_version, count_in(row, 3, "tables"));
                 table.schema = row.text(4);
                 contents.tables.push_back(std::move(table));
                 return {};
               }));
  KeyOrder<TopicPartition> offsets_order("table_offsets");
  return for_each(
      connection,
      "SELECT topic_id, partition, next FROM table_offsets ORDER BY topic_id, partition",
      [&](const Statement& row) -> Status {
        MILLRACE_TRY(const auto partition, partition_in(row, 0, "table_offsets"));
        MILLRACE_TRY_STATUS(offsets_order.next(partition));
        contents.table_offsets[partition] = Offset{row.integer(2)};
        return {};
      });
}

Status read_files(Connection& connection, Contents& contents) {
  KeyOrder<std::string> order("table_files");
  // Not in the order that is wanted: SQLite would take the index for it, and values out of that.
  MILLRACE_TRY_STATUS(for_each(
      connection,
      "SELECT path, topic_id, partition, first, next, rows, bytes, min_time_us, max_time_us,"
      " schema_version, commit_id FROM table_files ORDER BY path",
      [&](const Statement& row) -> Status {
        FileRow file;
        file.path = row.text(0);
        MILLRACE_TRY_STATUS(order.next(file.path));
        MILLRACE_TRY(file.partition, partition_in(row, 1, "table_files"));
        file.first = Offset{row.integer(3)};
        file.next = Offset{row.integer(4)};
        MILLRACE_TRY(file.rows, count_in(row, 5, "table_files"));
        MILLRACE_TRY(file.bytes, count_in(row, 6, "table_files"));
        file.min_time_us = row.integer(7);
        file.max_time_us = row.integer(8);
        MILLRACE_TRY(file.schema_version, count_in(row, 9, "table_files"));
        MILLRACE_TRY(file.commit, uuid_in(row, 10, "table_files"));
        contents.files.push_back(std::move(file));
        return {};
      }));
  std::ranges::sort(contents.files, {}, [](const FileRow& file) {
    return std::tie(file.partition, file.first, file.path);
  });
  return {};
}

Status write_topics(Connection& connection, const std::vector<TopicRow>& topics) {
  MILLRACE_TRY(Statement topic,
               connection.prepare("INSERT INTO topics (id, name, partitions, is_deleted,"
                                  " created_ms) VALUES (?, ?, ?, ?, ?)"));
  MILLRACE_TRY(
      Statement setting,
      connection.prepare("INSERT INTO topic_settings (topic_id, name, value) VALUES (?, ?, ?)"));
  for (const TopicRow& row : topics) {
    const std::string id = row.id.to_string();
    MILLRACE_TRY_STATUS(topic.bind(id)
                            .bind(row.name)
                            .bind(int64_t{row.partitions})
                            .bind(int64_t{row.is_deleted ? 1 : 0})
                            .bind(row.created_ms)
                            .run());
    for (const auto& [name, value] : row.settings) {
      MILLRACE_TRY_STATUS(setting.bind(id).bind(name).bind(value).run());
    }
  }
  return {};
}

Status write_files(Connection& connection, const std::vector<FileRow>& files) {
  MILLRACE_TRY(Statement find, connection.prepare("SELECT 1 FROM table_files WHERE path = ?"));
  MILLRACE_TRY(Statement put,
               connection.prepare(
                   "INSERT INTO table_files (path, topic_id, partition, first, next, rows, bytes,"
                   " min_time_us, max_time_us, schema_version, commit_id)"
                   " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"));
  for (const FileRow& file : files) {
    MILLRACE_TRY(const bool is_there, find.bind(file.path).step());
    if (is_there) {
      return path_conflict(file.path);
    }
    const std::string topic = file.partition.topic.to_string();
    const std::string commit = file.commit.to_string();
    MILLRACE_TRY_STATUS(put.bind(file.path)
                            .bind(topic)
                            .bind(int64_t{file.partition.partition.value})
                            .bind(file.first.value)
                            .bind(file.next.value)
                            .bind(file.rows)
                            .bind(file.bytes)
                            .bind(file.min_time_us)
                            .bind(file.max_time_us)
                            .bind(file.schema_version)
                            .bind(commit)
                            .run());
  }
  return {};
}

Result<Offset> table_offset(Connection& connection, const std::string& topic, PartitionId number) {
  MILLRACE_TRY(
      Statement find,
      connection.prepare("SELECT next FROM table_offsets WHERE topic_id = ? AND partition = ?"));
  MILLRACE_TRY(const bool is_there, find.bind(topic).bind(int64_t{number.value}).step());
  return Offset{is_there ? find.integer(0) : 0};
}

}  // namespace

Result<Contents> read_rows(Connection& connection) {
  Contents contents;
  MILLRACE_TRY_STATUS(read_meta(connection, contents));
  MILLRACE_TRY_STATUS(read_places(connection, contents));
  MILLRACE_TRY_STATUS(read_topics(connection, contents));
  MILLRACE_TRY_STATUS(read_partitions(connection, contents));
  MILLRACE_TRY_STATUS(read_tables(connection, contents));
  MILLRACE_TRY_STATUS(read_files(connection, contents));
  MILLRACE_TRY(const int64_t version, read_version(connection));
  MILLRACE_TRY_STATUS(read_segments(connection, version, contents));
  return contents;
}

Result<Contents> read_contents(Connection& connection) {
  MILLRACE_TRY(Contents contents, read_rows(connection));
  MILLRACE_TRY_STATUS(check(contents));
  return contents;
}

Status write_broker(Connection& connection, const BrokerPart& part) {
  MILLRACE_TRY_STATUS(connection.execute("DELETE FROM topics; DELETE FROM partitions"));
  MILLRACE_TRY_STATUS(write_topics(connection, part.topics));
  MILLRACE_TRY(Statement put,
               connection.prepare("INSERT INTO partitions (topic_id, partition, start, next)"
                                  " VALUES (?, ?, ?, ?)"));
  for (const PartitionRow& row : part.partitions) {
    const std::string topic = row.partition.topic.to_string();
    MILLRACE_TRY_STATUS(put.bind(topic)
                            .bind(int64_t{row.partition.partition.value})
                            .bind(row.start.value)
                            .bind(row.next.value)
                            .run());
  }
  return write_place(connection, "broker", part.place);
}

Status write_flush(Connection& connection, const FlushCommit& flush) {
  const std::string topic = flush.partition.topic.to_string();
  MILLRACE_TRY(const Offset offset, table_offset(connection, topic, flush.partition.partition));
  if (flush.first != offset || flush.next <= offset) {
    return offset_conflict(flush, offset);
  }
  MILLRACE_TRY(Statement table,
               connection.prepare(
                   "INSERT INTO tables (topic_id, database, measurement, schema_version, schema)"
                   " VALUES (?, ?, ?, ?, ?) ON CONFLICT (topic_id) DO UPDATE SET database ="
                   " excluded.database, measurement = excluded.measurement, schema_version ="
                   " excluded.schema_version, schema = excluded.schema"));
  MILLRACE_TRY_STATUS(table.bind(topic)
                          .bind(flush.table.database)
                          .bind(flush.table.measurement)
                          .bind(flush.table.schema_version)
                          .bind_blob(flush.table.schema)
                          .run());
  MILLRACE_TRY_STATUS(write_files(connection, flush.files));
  MILLRACE_TRY(Statement put,
               connection.prepare("INSERT OR REPLACE INTO table_offsets (topic_id, partition, next)"
                                  " VALUES (?, ?, ?)"));
  MILLRACE_TRY_STATUS(
      put.bind(topic).bind(int64_t{flush.partition.partition.value}).bind(flush.next.value).run());
  return write_place(connection, "tables", flush.place);
}

Status drop_table(Connection& connection, const TopicId& topic, const JournalPlace& place) {
  const std::string id = topic.to_string();
  MILLRACE_TRY(Statement remove, connection.prepare("DELETE FROM tables WHERE topic_id = ?"));
  MILLRACE_TRY_STATUS(remove.bind(id).run());
  return write_place(connection, "tables", place);
}

}  // namespace millrace::catalog
