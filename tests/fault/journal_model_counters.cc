#include "journal_model.h"

namespace millrace::journal {

std::map<std::string, uint64_t> ModelCounters::named() const {
  return {{"schedules", schedules},
          {"commits_acked", commits_acked},
          {"acked_unsynced", acked_unsynced},
          {"lost_unsynced", lost_unsynced},
          {"gaps", gaps},
          {"commits_unknown", commits_unknown},
          {"commits_refused", commits_refused},
          {"unknown_found", unknown_found},
          {"duplicates", duplicates},
          {"power_cuts", power_cuts},
          {"kills", kills},
          {"crashes_in_recovery", crashes_in_recovery},
          {"clean_stops", clean_stops},
          {"poisoned", poisoned},
          {"full_disks", full_disks},
          {"made_room", made_room},
          {"rotations", rotations},
          {"recyclings", recyclings},
          {"files_freed", files_freed},
          {"torn_tails", torn_tails},
          {"runs_rewritten", runs_rewritten}};
}

void ModelCounters::add(const ModelCounters& other) {
  schedules += other.schedules;
  commits_acked += other.commits_acked;
  acked_unsynced += other.acked_unsynced;
  lost_unsynced += other.lost_unsynced;
  gaps += other.gaps;
  commits_unknown += other.commits_unknown;
  commits_refused += other.commits_refused;
  unknown_found += other.unknown_found;
  duplicates += other.duplicates;
  power_cuts += other.power_cuts;
  kills += other.kills;
  crashes_in_recovery += other.crashes_in_recovery;
  clean_stops += other.clean_stops;
  poisoned += other.poisoned;
  full_disks += other.full_disks;
  made_room += other.made_room;
  rotations += other.rotations;
  recyclings += other.recyclings;
  files_freed += other.files_freed;
  torn_tails += other.torn_tails;
  runs_rewritten += other.runs_rewritten;
}

}  // namespace millrace::journal
