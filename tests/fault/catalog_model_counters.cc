#include "catalog_model.h"

namespace millrace::catalog {

std::map<std::string, uint64_t> ModelCounters::named() const {
  return {{"schedules", schedules},
          {"commits_acked", commits_acked},
          {"commits_unknown", commits_unknown},
          {"commits_refused", commits_refused},
          {"commits_full", commits_full},
          {"commits_after_full", commits_after_full},
          {"conflicts", conflicts},
          {"unknown_found", unknown_found},
          {"power_cuts", power_cuts},
          {"kills", kills},
          {"power_cuts_after_begin", power_cuts_after_begin},
          {"clean_stops", clean_stops},
          {"creations", creations},
          {"crashes_in_creation", crashes_in_creation},
          {"crashes_in_begin", crashes_in_begin},
          {"errors_in_begin", errors_in_begin},
          {"logs_copied", logs_copied},
          {"begins_on_full_disk", begins_on_full_disk},
          {"checkpoints", checkpoints},
          {"migrations", migrations},
          {"crashes_in_migration", crashes_in_migration},
          {"segments_added", segments_added},
          {"segments_retained", segments_retained},
          {"segments_merged", segments_merged},
          {"segments_unknown", segments_unknown},
          {"segments_refused", segments_refused},
          {"segments_gone", segments_gone},
          {"segments_trimmed", segments_trimmed}};
}

void ModelCounters::add(const ModelCounters& other) {
  schedules += other.schedules;
  commits_acked += other.commits_acked;
  commits_unknown += other.commits_unknown;
  commits_refused += other.commits_refused;
  commits_full += other.commits_full;
  commits_after_full += other.commits_after_full;
  conflicts += other.conflicts;
  unknown_found += other.unknown_found;
  power_cuts += other.power_cuts;
  kills += other.kills;
  power_cuts_after_begin += other.power_cuts_after_begin;
  clean_stops += other.clean_stops;
  creations += other.creations;
  crashes_in_creation += other.crashes_in_creation;
  crashes_in_begin += other.crashes_in_begin;
  errors_in_begin += other.errors_in_begin;
  logs_copied += other.logs_copied;
  begins_on_full_disk += other.begins_on_full_disk;
  checkpoints += other.checkpoints;
  migrations += other.migrations;
  crashes_in_migration += other.crashes_in_migration;
  segments_added += other.segments_added;
  segments_retained += other.segments_retained;
  segments_merged += other.segments_merged;
  segments_unknown += other.segments_unknown;
  segments_refused += other.segments_refused;
  segments_gone += other.segments_gone;
  segments_trimmed += other.segments_trimmed;
}

}  // namespace millrace::catalog
