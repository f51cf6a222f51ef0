// A topic: name, partitions, settings; and how it stands in the journal.
#pragma once

#include "base/ids.h"
#include "base/result.h"
#include "record/commit_log.h"
#include "record/system_frame.h"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::broker {

class Partition;

/// When a record of a topic is acknowledged: after the sync behind it; once it is written, to be
/// synced soon; once it is in an object of the store and that in the catalog.
enum class Durability : uint8_t { kFsync, kInterval, kObject };

/// What a topic can be set to; names are Kafka's, where Kafka has one.
struct TopicSettings {
  int64_t retention_ms = int64_t{7} * 24 * 3600 * 1000;  // -1: for ever
  int64_t retention_bytes = -1;                          // of a partition; -1: no limit
  int32_t max_message_bytes = 1'048'588;                 // of one record batch, as sent
  Durability durability = Durability::kFsync;
  bool is_table = false;  // millrace.table=typed: HTTP writes alone, rows are in SQL

  /// A table's log: no retention of its own, since the table holds what is not yet in files;
  /// records as large as HTTP bodies may be.
  static TopicSettings of_table();

  /// Sets what `configs` names. kInvalid: an unknown name, a value that is no number or out of
  /// range (names both and what is allowed); also for cleanup.policy and the like with a value
  /// that is not supported.
  Status apply(const std::map<std::string, std::string>& configs);
  /// Every setting by name, for descriptions and for the journal.
  std::map<std::string, std::string> to_map() const;

  /// By retention.ms, of records of which none is newer than `max_timestamp_ms`.
  bool is_too_old(int64_t max_timestamp_ms, int64_t now_ms) const {
    return retention_ms >= 0 && max_timestamp_ms < now_ms - retention_ms;
  }

  /// By retention.ms, or by retention.bytes, of records with so many bytes of their partition
  /// behind them.
  bool is_expired(int64_t max_timestamp_ms, uint64_t bytes_behind, int64_t now_ms) const {
    return is_too_old(max_timestamp_ms, now_ms) ||
           (retention_bytes >= 0 && bytes_behind >= static_cast<uint64_t>(retention_bytes));
  }

  bool operator==(const TopicSettings&) const = default;
};

/// One topic as the journal keeps it. The key of its system frame is the id.
struct TopicRecord {
  TopicId id;
  std::string name;
  int32_t partitions = 1;
  bool is_deleted = false;  // a tombstone: the id stays until no file names it
  int64_t created_ms = 0;
  TopicSettings settings;

  record::SystemFrame to_frame() const;
  record::SystemFrame to_removal() const;
  /// kCorrupt: not a topic record, or a setting that this version does not know. kUnsupported: of a
  /// newer version, which is named.
  static Result<TopicRecord> from_frame(const record::SystemFrame& frame);
};

constexpr int32_t kMaxPartitions = 10'000;

/// kInvalid with the reason unless it is a legal Kafka topic name: 1 to 249 of [a-zA-Z0-9._-], not
/// "." or "..".
Status validate_topic_name(std::string_view name);

}  // namespace millrace::broker
