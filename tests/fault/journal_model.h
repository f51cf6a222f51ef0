// A model of what the journal promised, and a driver that breaks the disk under it.
#pragma once

#include "base/clock.h"
#include "io/simulated_disk.h"
#include "journal/files.h"
#include "journal/index.h"
#include "journal/open.h"
#include "journal/writer.h"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace millrace::journal {

/// What a campaign did; one of them at 0 makes a campaign worthless.
struct ModelCounters {
  uint64_t schedules = 0;
  uint64_t commits_acked = 0;
  uint64_t acked_unsynced = 0;  // of these, before their sync
  uint64_t lost_unsynced = 0;   // of these, with the power
  uint64_t gaps = 0;            // offsets taken out of use for that
  uint64_t commits_unknown = 0;
  uint64_t commits_refused = 0;
  uint64_t unknown_found = 0;
  uint64_t duplicates = 0;
  uint64_t power_cuts = 0;
  uint64_t kills = 0;
  uint64_t crashes_in_recovery = 0;
  uint64_t clean_stops = 0;
  uint64_t poisoned = 0;
  uint64_t full_disks = 0;
  uint64_t made_room = 0;  // commits taken for making room while others were refused
  uint64_t rotations = 0;
  uint64_t recyclings = 0;
  uint64_t files_freed = 0;
  uint64_t torn_tails = 0;
  uint64_t runs_rewritten = 0;

  std::map<std::string, uint64_t> named() const;
  void add(const ModelCounters& other);
};

/// One schedule: several lives of one directory on one disk.
class JournalModel {
 public:
  using Counters = ModelCounters;
  using Lie = std::function<bool(const std::string& path)>;

  JournalModel(uint64_t seed, Lie lie);

  /// nullopt, or what was violated.
  std::optional<std::string> run();

  const ModelCounters& counters() const { return counters_; }

 private:
  struct Attempt {
    uint64_t id = 0;  // unique; payloads and system values carry it
    std::vector<std::pair<TopicPartition, uint32_t>> batches;  // partition, records
    std::optional<std::string> system_key;
    bool makes_room = false;
    std::optional<record::BatchId> batch_id;
    record::Durability durability = record::Durability::kFsync;
  };

  /// An acknowledged batch.
  struct Acked {
    uint64_t id = 0;
    uint32_t records = 0;
    RunNumber run;  // of an interval commit: the last one when it was acknowledged; else 0

    bool is(uint64_t other, uint32_t count) const { return id == other && records == count; }
  };

  enum class Fate : uint8_t { kAcked, kUnknown, kRefused };

  // One life.
  bool start();
  void live();
  void end_life();
  void step();
  void commit_some();
  void retry_known_id();
  void maintain();
  void arm_faults();

  uint64_t below(uint64_t n) { return random_() % n; }

  // The model.
  Pending make_pending(const Attempt& attempt) const;
  Attempt make_attempt(uint64_t first_partition);
  void settle(const Attempt& attempt, const Result<record::CommitOutcome>& result);
  void verify();
  void verify_partition(TopicPartition partition, std::map<uint64_t, size_t>& found_batches);
  bool is_out_of_use(TopicPartition partition, Offset begin, Offset end) const;
  bool verify_filler(TopicPartition partition, const record::StoredBatch& filler);
  bool verify_batch(TopicPartition partition, Offset at, const record::StoredBatch& batch,
                    std::map<uint64_t, size_t>& found_batches);
  void resolve_lost();
  void resolve_unknown(const std::map<uint64_t, size_t>& found_batches);
  void verify_system();
  void violation(const std::string& what);

  const Lie lie_;
  std::mt19937_64 random_;
  io::SimulatedDisk disk_;
  ManualClock clock_;
  WriterOptions options_;
  ModelCounters counters_;
  std::optional<std::string> violation_;

  std::unique_ptr<Files> files_;
  std::unique_ptr<Index> index_;
  std::unique_ptr<Writer> writer_;

  uint64_t next_id_ = 1;
  std::map<uint64_t, Attempt> attempts_;
  std::map<uint64_t, Fate> fates_;
  std::map<TopicPartition, std::map<int64_t, Acked>> acked_;         // by base offset
  std::map<TopicPartition, std::map<int64_t, int64_t>> out_of_use_;  // fillers seen: begin, end
  std::map<uint64_t, size_t> lost_batches_;  // of commits that one verify() found lost, by id
  // Since verify() last looked: what the life had synced, and whether the power went.
  RunNumber synced_upto_;
  bool power_went_ = false;
  std::map<TopicPartition, int64_t> greatest_start_;  // the log may have freed up to here
  std::vector<uint64_t> unknown_;
  std::map<std::string, uint64_t> system_;  // key -> id of the last put
  std::map<record::BatchId, std::pair<uint64_t, Offset>> known_ids_;
};

}  // namespace millrace::journal
