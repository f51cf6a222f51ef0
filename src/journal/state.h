// What the journal knows without reading back: next offsets, system facts, batch ids. It is what a
// checkpoint holds.
#pragma once

#include "base/ids.h"
#include "base/result.h"
#include "record/commit_log.h"
#include "record/system_frame.h"

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace millrace::journal {

/// The answer that a batch id got: where the first batch that came with it stands.
struct BatchAnswer {
  TopicPartition partition;
  Offset base_offset;
  uint32_t records = 0;
  int64_t committed_ms = 0;  // by the journal's time for ids, see Writer
};

/// Used by one thread: the writer's.
class State {
 public:
  static constexpr size_t kMaxBatchIds = 500'000;
  static constexpr std::chrono::minutes kBatchIdLife{15};

  using SystemKey = std::pair<record::SystemKind, std::string>;

  Offset next_offset(TopicPartition partition) const;
  /// Takes `records` offsets and returns the first.
  Offset assign(TopicPartition partition, uint32_t records);
  /// A partition that the log does not have yet: its next offset is `next`, and what is below it
  /// is somewhere else.
  void begin(TopicPartition partition, Offset next);
  /// The log keeps nothing below `start`; it never moves back. Nothing for a partition that ended:
  /// a file that names it may be freed later, or be back after a power cut took its removal.
  void set_start(TopicPartition partition, Offset start);
  Offset start(TopicPartition partition) const;

  /// Batches below it may be acknowledged before their sync.
  Offset reserved(TopicPartition partition) const;
  /// Moves that to `end`, and returns the frame that says so.
  record::SystemFrame reserve(TopicPartition partition, Offset end);

  /// Offsets [next, reserved) of a partition.
  struct Gap {
    TopicPartition partition;
    Offset next;
    Offset end;
  };

  /// Of each partition whose reservation ends above its next offset.
  std::vector<Gap> reservations() const;

  /// Calls `visit(partition)` for each partition.
  template <typename Visit>
  void for_each_partition(Visit&& visit) const {
    const auto copy = partitions_;  // `visit` may call set_start
    for (const auto& [partition, state] : copy) {
      visit(partition);
    }
  }

  /// A put or a removal of a fact that belongs to another folder. The removal of a schema (its key
  /// is the topic id) ends a table: the batch ids that it got are forgotten. The removal of a topic
  /// ends its partitions too, and where their records start: no file names it any more.
  void apply(const record::SystemFrame& frame);

  const std::map<SystemKey, std::string>& system() const { return system_; }

  /// true from the end of its table to that of the topic: what comes late must not be written, nor
  /// its batch id remembered.
  bool has_ended(const TopicId& topic) const { return ended_.contains(topic); }

  /// Live facts of one kind, as puts.
  std::vector<record::SystemFrame> facts(record::SystemKind kind) const;

  /// null when the id is not known.
  const BatchAnswer* find_batch_id(const record::BatchId& id) const;
  /// Drops ids older than their life, then says whether one more may be remembered: false when
  /// kMaxBatchIds are younger than that.
  bool can_remember_batch_id(int64_t now_ms);
  void remember_batch_id(const record::BatchId& id, const BatchAnswer& answer);

  /// When the youngest id was committed; nullopt when none ever was.
  std::optional<int64_t> newest_batch_id_ms() const { return newest_batch_id_ms_; }

  static record::SystemFrame batch_id_frame(const record::BatchId& id, const BatchAnswer& answer);

  /// Everything, as puts.
  std::vector<record::SystemFrame> checkpoint() const;
  /// One frame of the log or of a checkpoint. kCorrupt: a value of the journal's own kinds that is
  /// malformed.
  Status replay(const record::SystemFrame& frame);
  /// kCorrupt: `base` is not the next offset.
  Status replay_batch(TopicPartition partition, Offset base, uint32_t records);

 private:
  bool has_topic_of(const record::SystemFrame& start) const;
  void forget_topic(const TopicId& topic);
  void forget_batch_ids(const TopicId& topic);

  struct PartitionState {
    Offset next;
    Offset start;
    Offset reserved;
  };

  std::unordered_map<TopicPartition, PartitionState> partitions_;
  std::map<SystemKey, std::string> system_;
  std::set<TopicId> ended_;  // by frames since the start; no write that is under way is older
  std::map<record::BatchId, BatchAnswer> batch_ids_;
  std::deque<record::BatchId> batch_id_order_;  // oldest first
  std::optional<int64_t> newest_batch_id_ms_;
};

}  // namespace millrace::journal
