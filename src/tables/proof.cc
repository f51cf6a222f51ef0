// Files are read as the catalog describes them, or not at all: before a process first uses one, and
// again when a query fails.
#include "base/log.h"
#include "tables/file_check.h"
#include "tables/tables.h"

namespace millrace::tables {

/// One thread at a time in each table; others wait for what it finds.
Status Tables::prove(const TablePtr& table, runtime::Deadline deadline) {
  if (table->unproven().empty()) {
    return {};
  }
  const TopicId topic = table->partition().topic;
  {
    MutexLock lock(proofs_mutex_);
    while (being_proven_.contains(topic)) {
      const auto left = deadline.remaining(parts_.clock);
      if (left == runtime::Deadline::Duration::zero()) {
        return make_error(Code::kTimeout, "the files of table {} are being compared",
                          table->name().to_string());
      }
      proven_.wait_for(proofs_mutex_,
                       std::min<runtime::Deadline::Duration>(left, std::chrono::seconds(1)));
    }
    being_proven_.insert(topic);
  }
  const Status status = check_files(*table, table->unproven(), deadline);
  MutexLock lock(proofs_mutex_);
  being_proven_.erase(topic);
  proven_.notify_all();
  return status;
}

Status Tables::check_files(Table& table, const std::vector<TableFile>& files,
                           runtime::Deadline deadline) {
  std::string damage;
  std::optional<Error> other;
  size_t checked = 0;
  for (const TableFile& file : files) {
    const Status status = check_file(file, table.partition(), parts_.store, deadline, parts_.clock);
    if (status.ok()) {
      file.is_proven->store(true);
    } else if (status.error().code == Code::kTimeout) {
      other = make_error(Code::kTimeout,
                         "table {}: {} of {} files were compared with the catalog in time; "
                         "the next query goes on from there",
                         table.name().to_string(), checked, files.size());
      break;
    } else if (status.error().code == Code::kOverloaded) {
      other = status.error();
      break;
    } else {
      add_damage(damage, file, status.error().message);
    }
    ++checked;
  }
  if (damage.empty()) {
    return other ? Status(*std::move(other)) : Status();
  }
  Error error = damage_of(table.name(), damage);
  log::error("tables", "{}", error.message);
  table.set_damage(error);
  return error;
}

Status Tables::recheck(const TopicId& topic, runtime::Deadline deadline) {
  TablePtr table;
  {
    MutexLock lock(mutex_);
    const auto found = by_topic_.find(topic);
    table = found == by_topic_.end() ? nullptr : found->second;
  }
  if (!table) {
    return {};
  }
  if (auto damage = table->damage()) {
    return *std::move(damage);
  }
  Status files = check_files(*table, table->files(), deadline);
  if (!files.ok() && files.error().code == Code::kCorrupt && !table->is_retired()) {
    return files;
  }
  return renew_empty_files(topic);
}

/// They are derived: one that is missing or damaged is forgotten, so that the next query makes it.
Status Tables::renew_empty_files(const TopicId& topic) {
  MutexLock lock(files_mutex_);
  for (auto each = empty_files_.lower_bound({topic, 0});
       each != empty_files_.end() && each->first.first == topic; ++each) {
    if (each->second.empty()) {
      continue;
    }
    const Status status = check_empty_file(each->second, parts_.store);
    if (!status.ok() && status.error().code != Code::kOverloaded) {
      Error error = make_error(Code::kCorrupt, "{} {}; it is made again: repeat the query",
                               parts_.store.location_of(each->second), status.error().message);
      log::error("tables", "{}", error.message);
      empty_files_.erase(each);
      return error;
    }
  }
  return {};
}

}  // namespace millrace::tables
