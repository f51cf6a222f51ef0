#include "catalog/sqlite_segments.h"

#include "catalog/rules.h"
#include "catalog/sqlite_rows.h"

namespace millrace::catalog {
namespace {

Status read_objects(Connection& connection, Contents& contents) {
  KeyOrder<Uuid> order("segments");
  return for_each(connection, "SELECT id, name, bytes, created_ms FROM segments ORDER BY id",
                  [&](const Statement& row) -> Status {
                    SegmentRow object;
                    MILLRACE_TRY(object.object, uuid_in(row, 0, "segments"));
                    MILLRACE_TRY_STATUS(order.next(object.object));
                    object.name = row.text(1);
                    MILLRACE_TRY(object.bytes, count_in(row, 2, "segments"));
                    object.created_ms = row.integer(3);
                    contents.segments.push_back(std::move(object));
                    return {};
                  });
}

Status read_parts(Connection& connection, Contents& contents) {
  auto object = contents.segments.begin();  // both come in order of the object
  KeyOrder<std::pair<Uuid, TopicPartition>> order("segment_parts");
  return for_each(connection,
                  "SELECT object_id, topic_id, partition, first, next, max_timestamp_ms, bytes"
                  " FROM segment_parts ORDER BY object_id, topic_id, partition",
                  [&](const Statement& row) -> Status {
                    MILLRACE_TRY(const Uuid id, uuid_in(row, 0, "segment_parts"));
                    while (object != contents.segments.end() && object->object < id) {
                      ++object;
                    }
                    if (object == contents.segments.end() || object->object != id) {
                      return make_error(Code::kCorrupt, "segment_parts: no object {}",
                                        id.to_string());
                    }
                    SegmentPartRow part;
                    MILLRACE_TRY(part.partition, partition_in(row, 1, "segment_parts"));
                    MILLRACE_TRY_STATUS(order.next({id, part.partition}));
                    part.first = Offset{row.integer(3)};
                    part.next = Offset{row.integer(4)};
                    part.max_timestamp_ms = row.integer(5);
                    MILLRACE_TRY(part.bytes, count_in(row, 6, "segment_parts"));
                    object->parts.push_back(part);
                    return {};
                  });
}

Status read_leaving(Connection& connection, Contents& contents) {
  KeyOrder<Uuid> order("leaving_objects");
  return for_each(connection, "SELECT id, name FROM leaving_objects ORDER BY id",
                  [&](const Statement& row) -> Status {
                    MILLRACE_TRY(const Uuid id, uuid_in(row, 0, "leaving_objects"));
                    MILLRACE_TRY_STATUS(order.next(id));
                    contents.leaving.push_back({id, row.text(1)});
                    return {};
                  });
}

/// Steps to the end of `query`, which is to be bound again.
template <typename Read>
Status read_all(Statement& query, Read read) {
  for (;;) {
    MILLRACE_TRY(const bool has_row, query.step());
    if (!has_row) {
      return {};
    }
    MILLRACE_TRY_STATUS(read(std::as_const(query)));
  }
}

Status add_removed(Connection& connection, const std::vector<Uuid>& objects,
                   SegmentChanges& changes) {
  MILLRACE_TRY(Statement find,
               connection.prepare("SELECT topic_id, partition, first, next FROM segment_parts"
                                  " WHERE object_id = ?"));
  for (const Uuid& object : objects) {
    const std::string id = object.to_string();
    size_t parts = 0;
    MILLRACE_TRY_STATUS(read_all(find.bind(id), [&](const Statement& row) -> Status {
      MILLRACE_TRY(const auto partition, partition_in(row, 0, "segment_parts"));
      changes[partition].removed.push_back({Offset{row.integer(2)}, Offset{row.integer(3)}});
      ++parts;
      return {};
    }));
    if (parts == 0) {  // every object has one
      return object_is_missing(object);
    }
  }
  return {};
}

Status add_trimmed(Connection& connection, const std::vector<TrimmedPart>& parts,
                   SegmentChanges& changes) {
  MILLRACE_TRY(Statement find,
               connection.prepare("SELECT first, next FROM segment_parts"
                                  " WHERE object_id = ? AND topic_id = ? AND partition = ?"));
  MILLRACE_TRY(Statement any,
               connection.prepare("SELECT 1 FROM segment_parts WHERE object_id = ? LIMIT 1"));
  for (const TrimmedPart& part : parts) {
    const std::string id = part.object.to_string();
    const std::string topic = part.partition.topic.to_string();
    bool is_there = false;
    MILLRACE_TRY_STATUS(
        read_all(find.bind(id).bind(topic).bind(int64_t{part.partition.partition.value}),
                 [&](const Statement& row) {
                   changes[part.partition].removed.push_back(
                       {Offset{row.integer(0)}, Offset{row.integer(1)}});
                   is_there = true;
                   return Status{};
                 }));
    if (!is_there) {
      MILLRACE_TRY(const bool has_others, any.bind(id).step());
      return has_others ? part_is_missing(part) : object_is_missing(part.object);
    }
  }
  return {};
}

Status add_added(Connection& connection, const std::vector<SegmentRow>& objects,
                 SegmentChanges& changes) {
  MILLRACE_TRY(Statement find, connection.prepare("SELECT 1 FROM segments WHERE id = ?1 UNION ALL"
                                                  " SELECT 1 FROM leaving_objects WHERE id = ?1"));
  for (const SegmentRow& object : objects) {
    const std::string id = object.object.to_string();
    MILLRACE_TRY(const bool is_there, find.bind(id).step());
    if (is_there) {
      return object_is_there(object.object);
    }
    for (const SegmentPartRow& part : object.parts) {
      changes[part.partition].added.push_back({part.first, part.next});
    }
  }
  return {};
}

/// For each partition of the changes, what its parts cover: two rows at the ends of an index.
Status add_extents(Connection& connection, SegmentChanges& changes) {
  MILLRACE_TRY(Statement first,
               connection.prepare("SELECT first FROM segment_parts WHERE topic_id = ? AND"
                                  " partition = ? ORDER BY first LIMIT 1"));
  MILLRACE_TRY(Statement last,
               connection.prepare("SELECT next FROM segment_parts WHERE topic_id = ? AND"
                                  " partition = ? ORDER BY first DESC LIMIT 1"));
  for (auto& [partition, change] : changes) {
    const std::string topic = partition.topic.to_string();
    const int64_t number = partition.partition.value;
    auto& before = change.before;
    MILLRACE_TRY_STATUS(read_all(first.bind(topic).bind(number), [&](const Statement& row) {
      before = OffsetRange{Offset{row.integer(0)}, Offset{}};
      return Status{};
    }));
    MILLRACE_TRY_STATUS(read_all(last.bind(topic).bind(number), [&](const Statement& row) {
      before->next = Offset{row.integer(0)};
      return Status{};
    }));
  }
  return {};
}

/// Of partitions whose last part goes.
Status keep_ends(Connection& connection, const SegmentChanges& changes) {
  MILLRACE_TRY(Statement keep,
               connection.prepare("INSERT INTO partitions (topic_id, partition, start, next)"
                                  " VALUES (?1, ?2, ?3, ?3) ON CONFLICT DO UPDATE"
                                  " SET next = max(next, excluded.next)"));
  for (const auto& [partition, change] : changes) {
    if (const auto end = end_of_last(change)) {
      const std::string topic = partition.topic.to_string();
      MILLRACE_TRY_STATUS(
          keep.bind(topic).bind(int64_t{partition.partition.value}).bind(end->value).run());
    }
  }
  return {};
}

Status forget_gone(Connection& connection, const std::vector<Uuid>& objects) {
  MILLRACE_TRY(Statement find, connection.prepare("SELECT 1 FROM leaving_objects WHERE id = ?"));
  MILLRACE_TRY(Statement forget, connection.prepare("DELETE FROM leaving_objects WHERE id = ?"));
  for (const Uuid& object : objects) {
    const std::string id = object.to_string();
    bool is_there = false;
    MILLRACE_TRY_STATUS(read_all(find.bind(id), [&](const Statement&) {
      is_there = true;
      return Status{};
    }));
    if (!is_there) {
      return object_is_missing(object);
    }
    MILLRACE_TRY_STATUS(forget.bind(id).run());
  }
  return {};
}

Status remove_objects(Connection& connection, const std::vector<Uuid>& objects) {
  MILLRACE_TRY(Statement leave, connection.prepare("INSERT INTO leaving_objects (id, name)"
                                                   " SELECT id, name FROM segments WHERE id = ?"));
  MILLRACE_TRY(Statement remove, connection.prepare("DELETE FROM segments WHERE id = ?"));
  for (const Uuid& object : objects) {
    const std::string id = object.to_string();
    MILLRACE_TRY_STATUS(leave.bind(id).run());
    MILLRACE_TRY_STATUS(remove.bind(id).run());
  }
  return {};
}

Status trim_objects(Connection& connection, const std::vector<TrimmedPart>& parts) {
  MILLRACE_TRY(Statement trim,
               connection.prepare("DELETE FROM segment_parts"
                                  " WHERE object_id = ? AND topic_id = ? AND partition = ?"));
  MILLRACE_TRY(Statement any,
               connection.prepare("SELECT 1 FROM segment_parts WHERE object_id = ? LIMIT 1"));
  for (const TrimmedPart& part : parts) {
    const std::string topic = part.partition.topic.to_string();
    const std::string id = part.object.to_string();
    MILLRACE_TRY_STATUS(
        trim.bind(id).bind(topic).bind(int64_t{part.partition.partition.value}).run());
    bool is_left = false;
    MILLRACE_TRY_STATUS(read_all(any.bind(id), [&](const Statement&) {
      is_left = true;
      return Status{};
    }));
    if (!is_left) {
      return no_part_is_left(part.object);  // the transaction is rolled back
    }
  }
  return {};
}

Status insert_leaving(Connection& connection, const std::vector<LeavingObject>& objects) {
  MILLRACE_TRY(Statement find, connection.prepare("SELECT 1 FROM segments WHERE id = ?1 UNION ALL"
                                                  " SELECT 1 FROM leaving_objects WHERE id = ?1"));
  MILLRACE_TRY(Statement put,
               connection.prepare("INSERT INTO leaving_objects (id, name) VALUES (?, ?)"));
  for (const LeavingObject& object : objects) {
    const std::string id = object.object.to_string();
    MILLRACE_TRY(const bool is_there, find.bind(id).step());
    if (is_there) {
      return object_is_there(object.object);
    }
    MILLRACE_TRY_STATUS(put.bind(id).bind(object.name).run());
  }
  return {};
}

Status insert_objects(Connection& connection, const std::vector<SegmentRow>& objects) {
  MILLRACE_TRY(
      Statement put_object,
      connection.prepare("INSERT INTO segments (id, name, bytes, created_ms) VALUES (?, ?, ?, ?)"));
  MILLRACE_TRY(
      Statement put_part,
      connection.prepare("INSERT INTO segment_parts (object_id, topic_id, partition, first, next,"
                         " max_timestamp_ms, bytes) VALUES (?, ?, ?, ?, ?, ?, ?)"));
  for (const SegmentRow& object : objects) {
    const std::string id = object.object.to_string();
    MILLRACE_TRY_STATUS(
        put_object.bind(id).bind(object.name).bind(object.bytes).bind(object.created_ms).run());
    for (const SegmentPartRow& part : object.parts) {
      const std::string topic = part.partition.topic.to_string();
      MILLRACE_TRY_STATUS(put_part.bind(id)
                              .bind(topic)
                              .bind(int64_t{part.partition.partition.value})
                              .bind(part.first.value)
                              .bind(part.next.value)
                              .bind(part.max_timestamp_ms)
                              .bind(part.bytes)
                              .run());
    }
  }
  return {};
}

}  // namespace

Status read_segments(Connection& connection, int64_t version, Contents& contents) {
  if (version >= kSegmentsVersion) {
    MILLRACE_TRY_STATUS(read_objects(connection, contents));
    MILLRACE_TRY_STATUS(read_parts(connection, contents));
  }
  return version >= kLeavingVersion ? read_leaving(connection, contents) : Status{};
}

Status write_segments(Connection& connection, const SegmentsCommit& commit) {
  SegmentChanges changes;
  MILLRACE_TRY_STATUS(add_removed(connection, commit.removed, changes));
  MILLRACE_TRY_STATUS(add_trimmed(connection, commit.trimmed, changes));
  MILLRACE_TRY_STATUS(add_added(connection, commit.added, changes));
  MILLRACE_TRY_STATUS(add_extents(connection, changes));
  MILLRACE_TRY_STATUS(check(changes));
  MILLRACE_TRY_STATUS(keep_ends(connection, changes));
  MILLRACE_TRY_STATUS(forget_gone(connection, commit.gone));
  MILLRACE_TRY_STATUS(trim_objects(connection, commit.trimmed));
  // Removed first: what is added may begin where a removed part did.
  MILLRACE_TRY_STATUS(remove_objects(connection, commit.removed));
  MILLRACE_TRY_STATUS(insert_objects(connection, commit.added));
  MILLRACE_TRY_STATUS(insert_leaving(connection, commit.leaving));
  return write_place(connection, "segments", commit.place);
}

}  // namespace millrace::catalog
