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
#include <utility>
#include <vector>

namespace millrace::catalog {

inline const std::string kPath = "/data/catalog.db";
constexpr uint64_t kTopics = 3;
constexpr uint64_t kPartitions = 2;

inline DirectoryId directory_id() {
  DirectoryId id;
  id.bytes[0] = 0xD1;
  return id;
}

inline TopicId topic_id(uint64_t number) {
  TopicId id;
  id.bytes[0] = static_cast<uint8_t>(1 + number);
  return id;
}

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
  uint64_t migrations = 0;            // begins of a catalog of version 1
  uint64_t crashes_in_migration = 0;  // of these that met one
  // Commits of segments: acknowledged ones that added behind the end of partitions, removed at the
  // front, replaced objects; those of unknown outcome; those refused for what they would leave.
  uint64_t segments_added = 0;
  uint64_t segments_retained = 0;
  uint64_t segments_merged = 0;
  uint64_t segments_unknown = 0;
  uint64_t segments_refused = 0;
  uint64_t segments_gone = 0;     // of those removed before
  uint64_t segments_trimmed = 0;  // parts

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

  // Segments: catalog_model_segments.cc.
  void commit_segments();
  void commit_wrong_segments();
  SegmentsCommit add_segments();
  SegmentsCommit retain_segments();
  SegmentsCommit trim_segments();
  SegmentsCommit merge_segments();
  SegmentsCommit forget_segments();
  SegmentRow make_object(const std::map<TopicPartition, std::pair<Offset, Offset>>& ranges);

  // Versions: catalog_model_versions.cc.
  void put_version_1();
  int64_t stored_version();
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
  Contents state_;       // of the present life, once it has begun
  bool is_old_ = false;  // it was of version 1, and no begin has succeeded yet
  bool is_unknown_ = false;
  bool is_full_ = false;
  bool was_full_ = false;
  bool was_killed_ = false;  // the life before this one
  uint64_t commits_in_life_ = 0;
  uint64_t next_id_ = 1;
};

}  // namespace millrace::catalog
