// What the tests of every catalog share: rows to commit, and a place that catalogs are opened on.
#pragma once

#include "catalog/catalog.h"

#include <memory>
#include <string>

namespace millrace::catalog {

/// Where a catalog outlives its object.
class CatalogPlace {
 public:
  virtual ~CatalogPlace() = default;
  virtual Result<std::unique_ptr<Catalog>> open() = 0;
};

inline TopicId topic_id(uint8_t number) {
  TopicId id;
  id.bytes[0] = number;
  id.bytes[15] = 0xEE;
  return id;
}

inline DirectoryId directory_id(uint8_t number = 1) {
  DirectoryId id;
  id.bytes[3] = number;
  return id;
}

inline TopicPartition partition_of(uint8_t topic, int32_t partition) {
  return {topic_id(topic), PartitionId{partition}};
}

inline JournalPlace place_of(uint64_t run) {
  return {FileNumber{3}, 4096 * run, RunNumber{run}, 0xFFFFFFF0 + static_cast<uint32_t>(run % 8)};
}

inline BrokerPart broker_part(uint64_t run = 7) {
  BrokerPart part;
  part.topics.push_back({topic_id(2),
                         "orders",
                         4,
                         false,
                         1'700'000'000'000,
                         {{"retention.ms", "-1"}, {"table", ""}}});
  part.topics.push_back({topic_id(1), "orders", 1, true, -5, {}});  // the one before, deleted
  part.partitions.push_back({partition_of(2, 3), Offset{5}, Offset{9}});
  part.partitions.push_back({partition_of(2, 0), Offset{0}, Offset{0}});
  part.place = place_of(run);
  return part;
}

/// A flush of [first, next) of (topic, partition) with so many files.
inline FlushCommit flush_of(uint8_t topic, int32_t partition, int64_t first, int64_t next,
                            int files = 1) {
  FlushCommit flush;
  flush.table = {topic_id(topic), "main", "cpu", 3, std::string("\0schema\xFF", 8)};
  flush.partition = partition_of(topic, partition);
  flush.first = Offset{first};
  flush.next = Offset{next};
  for (int i = 0; i < files; ++i) {
    FileRow file;
    file.path = fmt::format("main/cpu~{}/{}-{}-{}.parquet", topic, partition, first, i);
    file.partition = flush.partition;
    file.first = flush.first;
    file.next = flush.next;
    file.rows = 10;
    file.bytes = uint64_t{1} << 40;
    file.min_time_us = -1;
    file.max_time_us = 1'700'000'000'000'000;
    file.schema_version = 3;
    file.commit.bytes[0] = static_cast<uint8_t>(i + 1);
    flush.files.push_back(file);
  }
  flush.place = place_of(static_cast<uint64_t>(next));
  return flush;
}

inline Uuid object_id(uint64_t number) {
  Uuid id;
  for (size_t i = 0; i < 8; ++i) {
    id.bytes[i] = static_cast<uint8_t>(number >> (56 - 8 * i));
  }
  id.bytes[15] = 0x0B;
  return id;
}

inline SegmentPartRow part_of(uint8_t topic, int32_t partition, int64_t first, int64_t next) {
  return {partition_of(topic, partition), Offset{first}, Offset{next}, 1'700'000'000'000, 100};
}

/// `parts` by partition.
inline SegmentRow object_of(uint64_t number, std::vector<SegmentPartRow> parts) {
  SegmentRow object;
  object.object = object_id(number);
  const std::string id = object.object.to_string();
  object.name = parts.size() == 1 ? fmt::format("segments/{}/{}/{:020}-{}.seg",
                                                parts[0].partition.topic.to_string(),
                                                parts[0].partition.partition, parts[0].first, id)
                                  : fmt::format("segments/mixed/{}.seg", id);
  object.bytes = 1000 + 100 * parts.size();
  object.created_ms = 1'700'000'000'000 + static_cast<int64_t>(number);
  object.parts = std::move(parts);
  return object;
}

inline SegmentsCommit segments_of(std::vector<SegmentRow> added,
                                  const std::vector<uint64_t>& removed = {}, uint64_t run = 7) {
  SegmentsCommit commit;
  commit.added = std::move(added);
  for (const uint64_t number : removed) {
    commit.removed.push_back(object_id(number));
  }
  commit.place = place_of(run);
  return commit;
}

inline SegmentsCommit trimmed_of(std::vector<TrimmedPart> parts, uint64_t run = 7) {
  SegmentsCommit commit;
  commit.trimmed = std::move(parts);
  commit.place = place_of(run);
  return commit;
}

inline SegmentsCommit gone_of(const std::vector<uint64_t>& objects, uint64_t run = 7) {
  SegmentsCommit commit;
  for (const uint64_t number : objects) {
    commit.gone.push_back(object_id(number));
  }
  commit.place = place_of(run);
  return commit;
}

}  // namespace millrace::catalog
