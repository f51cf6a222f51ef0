#include "catalog/sqlite_rows.h"

namespace millrace::catalog {

Result<Uuid> uuid_in(const Statement& row, int column, std::string_view what) {
  const std::string text = row.text(column);
  const auto uuid = Uuid::parse(text);
  if (!uuid || text.size() != 36 || text.find_first_of("ABCDEF") != std::string::npos) {
    return make_error(Code::kCorrupt, "{}: '{}' is no id", what, text);
  }
  return *uuid;
}

Result<uint64_t> count_in(const Statement& row, int column, std::string_view what) {
  const int64_t value = row.integer(column);
  if (value < 0) {
    return make_error(Code::kCorrupt, "{}: {} is below 0", what, value);
  }
  return static_cast<uint64_t>(value);
}

Result<TopicPartition> partition_in(const Statement& row, int column, std::string_view what) {
  MILLRACE_TRY(const Uuid topic, uuid_in(row, column, what));
  MILLRACE_TRY(const auto number, small_in<int32_t>(row, column + 1, what));
  return TopicPartition{TopicId(topic), PartitionId{number}};
}

Result<int64_t> read_version(Connection& connection) {
  return connection.query_integer("PRAGMA user_version");
}

Status write_meta(Connection& connection, std::string_view key, std::string_view value) {
  MILLRACE_TRY(Statement meta,
               connection.prepare("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)"));
  return meta.bind(key).bind(value).run();
}

Status write_place(Connection& connection, std::string_view owner, const JournalPlace& place) {
  MILLRACE_TRY(Statement put,
               connection.prepare("INSERT OR REPLACE INTO places (owner, file, position, run,"
                                  " header_crc) VALUES (?, ?, ?, ?, ?)"));
  return put.bind(owner)
      .bind(place.file.value)
      .bind(place.position)
      .bind(place.run.value)
      .bind(int64_t{place.header_crc})
      .run();
}

}  // namespace millrace::catalog
