// A model of what topics promised, over the journal, the catalog and segment objects, and a driver
// that breaks the disk and the store under them.
#pragma once

#include "base/clock.h"
#include "broker/broker.h"
#include "broker/segments.h"
#include "catalog/catalog.h"
#include "io/simulated_disk.h"
#include "journal/commit_log.h"
#include "objects/faulty_store.h"
#include "objects/local_store.h"
#include "objects/memory_store.h"
#include "runtime/gate.h"
#include "runtime/on_shard.h"
#include "runtime/shard.h"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace millrace::broker {

constexpr int64_t kKeptBytes = 40'000;  // retention.bytes of topics that have it

/// What a campaign did; one of them at 0 makes a campaign worthless.
struct HistoryCounters {
  uint64_t schedules = 0;
  uint64_t fsync_acked = 0;
  uint64_t interval_acked = 0;
  uint64_t object_acked = 0;
  uint64_t unknown = 0;        // appends that failed
  uint64_t unknown_found = 0;  // of these, read later
  uint64_t lost_unsynced = 0;  // acknowledged records of interval topics, with the power
  uint64_t power_cuts = 0;
  uint64_t kills = 0;
  uint64_t clean_stops = 0;
  uint64_t objects_made = 0;
  uint64_t objects_expired = 0;
  uint64_t objects_merged = 0;
  uint64_t parts_trimmed = 0;  // of objects that stayed
  uint64_t files_freed = 0;
  uint64_t read_from_objects = 0;  // batches that the journal no longer had
  uint64_t failed_rounds = 0;
  uint64_t outages = 0;
  uint64_t late_puts = 0;
  uint64_t storms = 0;
  uint64_t requests_failed = 0;  // in outages, in storms, and by plan
  uint64_t reads_put_off = 0;    // of the bucket, for the same reason
  uint64_t topics_deleted = 0;
  uint64_t records_deleted = 0;    // of those that were there
  uint64_t deletions_failed = 0;   // may hold or not
  uint64_t deletions_crashed = 0;  // partitions with deleted records, by kills and power cuts
  uint64_t leftovers = 0;          // objects that a start found and removed

  std::map<std::string, uint64_t> named() const;
  void add(const HistoryCounters& other);
};

/// One schedule: several lives of one directory on one disk, with a store that is a folder of it or
/// a bucket elsewhere.
class HistoryModel {
 public:
  using Counters = HistoryCounters;
  using Lie = std::function<bool(const std::string& path)>;

  /// `only`: of the steps that the seed has, these alone are done. What a step does follows from
  /// the seed and its number, not from the steps before it.
  HistoryModel(uint64_t seed, Lie lie, std::optional<std::set<uint64_t>> only = {});
  ~HistoryModel();
  HistoryModel(const HistoryModel&) = delete;
  HistoryModel& operator=(const HistoryModel&) = delete;

  /// nullopt, or what was violated.
  std::optional<std::string> run();

  const HistoryCounters& counters() const { return counters_; }

  /// The numbers of the steps that were done: 217 is the 17th of the second life.
  const std::vector<uint64_t>& steps() const { return steps_; }

 private:
  /// What an offset was acknowledged or read as.
  struct Seen {
    uint64_t id = 0;
    bool is_acked = false;
    uint64_t unsynced = 0;  // of an interval topic: when it was acknowledged; else 0
    bool is_lost = false;   // with the power: stands for nothing for ever
    uint64_t bytes = 0;
    int64_t ms = 0;  // of its timestamp
  };

  struct Partition {
    std::map<int64_t, Seen> seen;  // by offset; a record a batch
    int64_t start = 0;             // where it was seen to start
    int64_t end = 0;               // and to end
    int64_t deleted_below = 0;     // acknowledged
    int64_t perhaps_below = 0;     // or tried
  };

  struct Topic {
    std::string name;
    TopicSettings settings;
    bool is_deleted = false;
    bool is_known = false;  // its creation was acknowledged, its deletion not tried
    std::map<int32_t, Partition> partitions;
  };

  std::optional<std::string> start();
  void stop_parts();
  std::optional<std::string> live(uint64_t life);
  std::optional<std::string> step();
  std::optional<std::string> end_life();
  void cut_power();
  std::optional<std::string> settle();
  std::optional<std::string> check_retention();
  std::optional<std::string> check_store();
  bool may_stay(const std::string& name);
  void land_late_puts(size_t most);
  objects::ObjectStore& store();

  void append();
  void create();
  void remove();
  void delete_records();
  void round();
  void break_store();
  void change_weather();
  std::optional<std::string> check_all();
  std::optional<std::string> check(const std::string& name, Topic& topic);
  std::optional<std::string> check(Topic& topic, int32_t number, broker::Partition& partition);
  bool may_fail(bool is_of_object);
  std::optional<std::string> read_all(Topic& topic, int32_t number, broker::Partition& partition,
                                      record::PartitionRange range, std::set<int64_t>& found,
                                      bool& is_whole);
  std::optional<std::string> check_start(const Topic& topic, Partition& known, int32_t number,
                                         record::PartitionRange range) const;
  std::optional<std::string> note(Topic& topic, Partition& known, int32_t number,
                                  const record::StoredBatch& batch, std::set<int64_t>& found);
  /// What is picked from now on follows from the seed and this number.
  void choose_by(uint64_t number);
  uint64_t pick(uint64_t least, uint64_t most);
  bool chance(double share);

  template <typename T>
  T run(runtime::Task<T> task) {
    return runtime::block_on(shards_->shard(0), std::move(task));
  }

  const uint64_t seed_;
  const Lie lie_;
  const std::optional<std::set<uint64_t>> only_;
  std::vector<uint64_t> steps_;
  std::mt19937_64 random_;
  HistoryCounters counters_;
  ManualClock clock_;
  io::SimulatedDisk disk_;
  const bool is_bucket_;
  const bool has_times_;  // some topics have retention.ms
  objects::MemoryStore bucket_;
  objects::FaultyStore faulty_bucket_;
  std::map<std::string, Topic> topics_;
  uint64_t next_id_ = 1;
  uint64_t acks_ = 0;    // of interval topics, counted
  uint64_t synced_ = 0;  // of these, so many are proven to be synced
  bool is_away_ = false;
  bool is_stormy_ = false;
  uint64_t planned_puts_ = 0;
  bool has_late_puts_ = false;
  bool is_put_off_ = false;           // not all could be read in this look
  bool may_lose_ = false;             // not all could be read since the last power cut
  uint64_t synced_at_cut_ = 0;        // synced_ at that
  std::optional<std::string> twice_;  // an offset that was given out twice

  std::unique_ptr<runtime::ShardSet> shards_;
  std::unique_ptr<runtime::BlockingPool> pool_;
  std::unique_ptr<objects::LocalStore> folder_;
  std::unique_ptr<catalog::Catalog> catalog_;
  std::unique_ptr<journal::JournalLog> log_;
  std::unique_ptr<History> history_;
  std::unique_ptr<Broker> broker_;
  std::unique_ptr<Segments> segments_;
  std::unique_ptr<runtime::CancelSource> stop_;
  std::unique_ptr<runtime::Gate> gate_;
};

}  // namespace millrace::broker
