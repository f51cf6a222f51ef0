#include "tables/tables.h"

#include "base/log.h"
#include "runtime/coroutine.h"

#include <algorithm>

namespace millrace::tables {

Tables::Tables(TablesParts parts, TablesOptions options)
    : parts_(parts),
      options_(std::move(options)),
      budget_("hot rows", options_.hot_bytes),
      databases_(parts.log, parts.clock) {}

Tables::~Tables() {
  stop();
}

void Tables::stop() {
  {
    MutexLock lock(mutex_);
    is_stopping_ = true;
    stopping_.notify_all();
  }
  if (replayer_.joinable()) {
    replayer_.join();
  }
  if (flusher_) {
    flusher_->stop();
  }
}

TablePtr Tables::find(const TableName& name) const {
  MutexLock lock(mutex_);
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : found->second;
}

TablePtr Tables::add(const TableName& name, const TopicId& topic) {
  MutexLock lock(mutex_);
  if (const auto found = by_topic_.find(topic); found != by_topic_.end()) {
    return found->second;
  }
  const TopicPartition partition{topic, PartitionId{0}};
  auto table = std::make_shared<Table>(name, partition, parts_.log.range(partition).end, budget_,
                                       parts_.clock);
  table->finish_replay();
  by_name_[name] = table;
  by_topic_[topic] = table;
  return table;
}

std::set<std::string> Tables::databases() const {
  std::set<std::string> names = databases_.names();
  names.insert(std::string(kDefaultDatabase));
  MutexLock lock(mutex_);
  for (const auto& [name, table] : by_name_) {
    names.insert(name.database);
  }
  return names;
}

std::vector<TablePtr> Tables::all() const {
  MutexLock lock(mutex_);
  std::vector<TablePtr> tables;
  tables.reserve(by_name_.size());
  for (const auto& [name, table] : by_name_) {
    tables.push_back(table);
  }
  return tables;
}

std::vector<record::SystemFrame> Tables::frames_of_removal(const TopicId& topic) const {
  MutexLock lock(mutex_);
  return by_topic_.contains(topic) ? std::vector{removal_of(topic)}
                                   : std::vector<record::SystemFrame>();
}

void Tables::drop(const TopicId& topic) {
  TablePtr table;
  {
    MutexLock lock(mutex_);
    const auto found = by_topic_.find(topic);
    if (found == by_topic_.end()) {
      return;
    }
    table = found->second;
    dropping_.insert(topic);
    by_topic_.erase(found);
    if (const auto named = by_name_.find(table->name());
        named != by_name_.end() && named->second == table) {
      by_name_.erase(named);
    }
  }
  table->retire([this, name = table->name(), topic] {
    if (const Status removed = remove_files(name, topic); !removed.ok()) {
      log::warning("tables", "files of the deleted table {} stay until the next start: {}",
                   name.to_string(), removed.error().message);
      return;
    }
    MutexLock lock(mutex_);
    dropping_.erase(topic);
  });
  update_hold();
}

bool Tables::holds(const TopicId& topic) const {
  MutexLock lock(mutex_);
  return by_topic_.contains(topic) || dropping_.contains(topic);
}

/// Files first: a crash in between finds the catalog's rows again and goes on.
Status Tables::remove_files(const TableName& name, const TopicId& topic) {
  {
    MutexLock lock(files_mutex_);
    std::erase_if(empty_files_, [&](const auto& each) { return each.first.first == topic; });
  }
  MILLRACE_TRY(const auto files, parts_.store.list(folder_of(name, topic)));
  for (const auto& file : files) {
    MILLRACE_TRY_STATUS(parts_.store.remove(file.name));
  }
  return parts_.catalog.drop_table(topic, parts_.log.place());
}

Result<MemoryBudget::Reservation> Tables::reserve(size_t bytes) {
  auto reserved = budget_.try_reserve(bytes);
  if (!reserved) {
    return make_error(Code::kOverloaded,
                      "rows in memory take {} of {} bytes: flushing falls behind, try later",
                      budget_.used(), budget_.limit());
  }
  return reserved;
}

void Tables::look_after() {
  flusher_->look_at(all());
}

bool Tables::has_unflushed(const TopicId& topic, Offset end) const {
  MutexLock lock(mutex_);
  const auto found = by_topic_.find(topic);
  return found != by_topic_.end() && end > found->second->flushed();
}

void Tables::flush_for_journal(const std::vector<TopicId>& topics) {
  for (const TopicId& topic : topics) {
    TablePtr table;
    {
      MutexLock lock(mutex_);
      const auto found = by_topic_.find(topic);
      table = found == by_topic_.end() ? nullptr : found->second;
    }
    if (table && table->is_replayed()) {  // else its rows are still on their way into memory
      flusher_->flush_for_journal(table);
    }
  }
}

runtime::Task<Status> Tables::flush(TablePtr table) {
  Status status;
  runtime::Signal done;
  flusher_->request(table, [&](Status result) {
    status = std::move(result);
    done.set();
  });
  co_await done.wait(runtime::Deadline::never());
  co_return status;
}

std::vector<TableInfo> Tables::list() const {
  std::vector<TableInfo> tables;
  for (const TablePtr& table : all()) {
    tables.push_back({table->name(), table->partition().topic, table->schema()});
  }
  return tables;
}

Result<Snapshot> Tables::snapshot(const TableName& name, runtime::Deadline deadline) {
  const TablePtr table = find(name);
  if (!table || table->schema()->version == 0) {
    return make_error(Code::kNotFound, "there is no table {}", name.to_string());
  }
  if (auto damage = table->damage()) {
    return *std::move(damage);
  }
  const Offset end = parts_.log.range(table->partition()).end;
  if (!table->wait_applied(end, deadline)) {
    return make_error(Code::kTimeout, "table {} has rows up to offset {} of {}: {}",
                      name.to_string(), table->applied(), end,
                      table->is_replayed() ? "it lags behind its writes"
                                           : "it is still being rebuilt from the log");
  }
  if (auto damage = table->damage()) {
    return *std::move(damage);
  }
  Snapshot snapshot = table->snapshot();
  MILLRACE_TRY_STATUS(prove(table, deadline));
  if (!snapshot.folder || table->is_retired()) {  // what was compared may not be all of it
    return make_error(Code::kNotFound, "table {} does not exist any more", name.to_string());
  }
  MILLRACE_TRY(snapshot.empty_file, empty_file(*table, *snapshot.schema));
  return snapshot;
}

Result<std::string> Tables::empty_file(const Table& table, const SchemaVersion& schema) {
  MutexLock lock(files_mutex_);
  std::string& known = empty_files_[{table.partition().topic, schema.version}];
  const auto found =
      known.empty() ? Result<objects::ObjectInfo>(objects::ObjectInfo()) : parts_.store.look(known);
  if (known.empty() || (!found.ok() && found.error().code == Code::kNotFound)) {
    auto name = write_empty_file(table, schema, parts_.store);
    if (const uint64_t room = name.ok() ? 0 : parts_.reserve.give_up(io::DiskReserve::kFirstBytes);
        room > 0) {
      name = write_empty_file(table, schema, parts_.store);  // reads go on when the disk is full
      parts_.reserve.take_back(room);
    }
    if (!name.ok()) {
      return std::move(name).error();
    }
    known = *std::move(name);
  }
  return parts_.store.location_of(known);
}

size_t Tables::replaying() const {
  size_t count = 0;
  for (const TablePtr& table : all()) {
    count += table->is_replayed() || table->damage() ? 0 : 1;
  }
  return count;
}

size_t Tables::damaged() const {
  return static_cast<size_t>(std::ranges::count_if(
      all(), [](const TablePtr& table) { return table->damage().has_value(); }));
}

void Tables::update_hold() {
  const auto files = parts_.log.files();
  const auto is_needed = [&](const journal::FileSummary& file) {
    return std::ranges::any_of(file.partitions, [&](const auto& entry) {
      return has_unflushed(entry.first.topic, entry.second.end);
    });
  };
  for (const journal::FileSummary& file : files) {
    if (is_needed(file) || &file == &files.back()) {
      parts_.log.hold("tables", file.number);
      return;
    }
  }
}

}  // namespace millrace::tables
