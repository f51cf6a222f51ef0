#include "history_model.h"

namespace millrace::broker {
namespace {

using Field = uint64_t HistoryCounters::*;

const std::map<std::string, Field>& fields() {
  static const std::map<std::string, Field> all{
      {"schedules", &HistoryCounters::schedules},
      {"fsync_acked", &HistoryCounters::fsync_acked},
      {"interval_acked", &HistoryCounters::interval_acked},
      {"object_acked", &HistoryCounters::object_acked},
      {"unknown", &HistoryCounters::unknown},
      {"unknown_found", &HistoryCounters::unknown_found},
      {"lost_unsynced", &HistoryCounters::lost_unsynced},
      {"power_cuts", &HistoryCounters::power_cuts},
      {"kills", &HistoryCounters::kills},
      {"clean_stops", &HistoryCounters::clean_stops},
      {"objects_made", &HistoryCounters::objects_made},
      {"objects_expired", &HistoryCounters::objects_expired},
      {"objects_merged", &HistoryCounters::objects_merged},
      {"parts_trimmed", &HistoryCounters::parts_trimmed},
      {"files_freed", &HistoryCounters::files_freed},
      {"read_from_objects", &HistoryCounters::read_from_objects},
      {"failed_rounds", &HistoryCounters::failed_rounds},
      {"outages", &HistoryCounters::outages},
      {"late_puts", &HistoryCounters::late_puts},
      {"storms", &HistoryCounters::storms},
      {"requests_failed", &HistoryCounters::requests_failed},
      {"reads_put_off", &HistoryCounters::reads_put_off},
      {"topics_deleted", &HistoryCounters::topics_deleted},
      {"records_deleted", &HistoryCounters::records_deleted},
      {"deletions_failed", &HistoryCounters::deletions_failed},
      {"deletions_crashed", &HistoryCounters::deletions_crashed},
      {"leftovers", &HistoryCounters::leftovers},
  };
  return all;
}

}  // namespace

std::map<std::string, uint64_t> HistoryCounters::named() const {
  std::map<std::string, uint64_t> values;
  for (const auto& [name, field] : fields()) {
    values[name] = this->*field;
  }
  return values;
}

void HistoryCounters::add(const HistoryCounters& other) {
  for (const auto& [name, field] : fields()) {
    this->*field += other.*field;
  }
}

}  // namespace millrace::broker
