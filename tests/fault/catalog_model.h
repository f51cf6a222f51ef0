// A model of what the catalog promised, and a driver that breaks the disk under it.
#pragma once

#include "catalog/catalog.h"
#include "io/simulated_disk.h"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace millrace::catalog {

/// What a campaign did; one of them at 0 makes a campaign worthless.
struct ModelCounters {
  uint64_t schedules = 0;
  uint64_t commits_acked = 0;
  uint64_t commits_unknown = 0;
  uint64_t commits_refused = 0;  // read-only
  uint64_t commits_full = 0;
  uint64_t commits_after_full = 0;  // acknowledged once there was room again
  uint64_t conflicts = 0;
  uint64_t unknown_found = 0;
  uint64_t power_cuts = 0;
  uint64_t kills = 0;
  uint64_t power_cuts_after_begin = 0;  // which had followed a kill, with nothing committed between
  uint64_t clean_stops = 0;
  uint64_t creations = 0;
  uint64_t crashes_in_creation = 0;
  uint64_t crashes_in_begin = 0;  // of a catalog that was there
  uint64_t errors_in_begin = 0;
  uint64_t logs_copied = 0;
  uint64_t begins_on_full_disk = 0;  // with a log, written in its place
  uint64_t checkpoints = 0;

  std::map<std::string, uint64_t> named() const;
  void add(const ModelCounters& other);
};

/// One schedule: several lives of one catalog on one disk.
class CatalogModel {
 public:
  using Counters = ModelCounters;
  using Lie = std::function<bool(const std::string& path)>;

  CatalogModel(uint64_t seed, Lie lie);

  /// nullopt, or what was violated.
  std::optional<std::string> run();

  const ModelCounters& counters() const { return counters_; }

 private:
  // One life.
  bool start();
  bool begin();
  void live();
  void end_life();
  void step();
  void arm_for_begin();
  void arm_for_life();
  void heal_full_disk();
  io::DiskFaults no_faults();

  // The model.
  BrokerPart make_part();
  FlushCommit make_flush(const TopicPartition& partition);
  JournalPlace next_place();
  void commit_part();
  void commit_flush();
  void commit_drop();
  void commit_conflict();
  void settle(const Status& status, Contents after);
  void verify_opened(const Contents& shown);
  void violation(const std::string& what);

  uint64_t below(uint64_t n) { return random_() % n; }

  const Lie lie_;
  std::mt19937_64 random_;
  io::SimulatedDisk disk_;
  ModelCounters counters_;
  std::optional<std::string> violation_;

  std::unique_ptr<Catalog> catalog_;
  // What a start may find: one, or two after an unknown outcome (without and with it).
  std::vector<Contents> possible_;
  Contents state_;  // of the present life, once it has begun
  bool is_unknown_ = false;
  bool is_full_ = false;
  bool was_full_ = false;
  bool was_killed_ = false;  // the life before this one
  uint64_t commits_in_life_ = 0;
  uint64_t next_id_ = 1;
};

}  // namespace millrace::catalog
