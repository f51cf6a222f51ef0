// The start of all tables: what catalog and journal say, files that nothing names, replay.
#include "base/log.h"
#include "runtime/coroutine.h"
#include "runtime/on_shard.h"
#include "tables/entry.h"
#include "tables/file_check.h"
#include "tables/found_files.h"
#include "tables/tables.h"
#include "tables/unit_writer.h"

#include <pthread.h>

#include <set>

namespace millrace::tables {
namespace {

constexpr std::chrono::seconds kRetryPause{1};
constexpr size_t kReplayBytes = size_t{4} << 20;  // read from the log at once

std::string_view text_of(Code code) {
  return code == Code::kNotFound ? "is missing" : "cannot be read";
}

}  // namespace

Result<std::unique_ptr<Tables>> Tables::open(TablesParts parts, TablesOptions options) {
  std::unique_ptr<Tables> tables(new Tables(parts, std::move(options)));
  MILLRACE_TRY_STATUS(tables->databases_.take());
  MILLRACE_TRY_STATUS(tables->take_tables());
  MILLRACE_TRY_STATUS(tables->drop_forgotten(parts.catalog.contents()));
  MILLRACE_TRY_STATUS(tables->judge_leftovers(parts.catalog.contents()));
  tables->flusher_ = std::make_unique<Flusher>(
      FlushParts{.catalog = parts.catalog,
                 .store = parts.store,
                 .budget = tables->budget_,
                 .place = [raw = tables.get()] { return raw->parts_.log.place(); },
                 .committed = [raw = tables.get()] { raw->update_hold(); },
                 .clock = parts.clock},
      tables->options_.flush);
  tables->update_hold();
  return tables;
}

Status Tables::take_tables() {
  const catalog::Contents& contents = parts_.catalog.contents();
  for (const auto& frame : parts_.log.recovered(record::SystemKind::kSchema)) {
    MILLRACE_TRY(const SchemaFact fact, schema_fact_from(frame));
    const TopicPartition partition{fact.topic, PartitionId{0}};
    const auto known = contents.table_offsets.find(partition);
    const Offset tabled = known == contents.table_offsets.end() ? Offset{0} : known->second;
    auto table = std::make_shared<Table>(fact.name, partition, tabled, budget_, parts_.clock);
    table->adopt(fact.schema);
    MILLRACE_TRY_STATUS(take_files(table, contents));
    MutexLock lock(mutex_);
    by_name_[fact.name] = table;
    by_topic_[fact.topic] = table;
  }
  return {};
}

Status Tables::take_files(const TablePtr& table, const catalog::Contents& contents) {
  std::vector<TableFile> files;
  std::string damage;
  for (const catalog::FileRow& row : contents.files) {
    if (row.partition != table->partition()) {
      continue;
    }
    TableFile file = file_of(row, parts_.store);
    const auto found = parts_.store.look(row.path);
    if (!found.ok()) {
      add_damage(damage, file, text_of(found.error().code));
    } else if (found->bytes != row.bytes) {
      add_damage(damage, file, fmt::format("has {} bytes instead of {}", found->bytes, row.bytes));
    }
    files.push_back(std::move(file));
  }
  table->set_files(std::move(files));
  if (!damage.empty()) {
    Error error = damage_of(table->name(), damage);
    log::error("tables", "{}", error.message);
    table->set_damage(std::move(error));
  }
  return {};
}

/// Tables of the catalog whose topic is gone: a drop that a crash cut short.
Status Tables::drop_forgotten(const catalog::Contents& contents) {
  for (const catalog::TableRow& row : contents.tables) {
    {
      MutexLock lock(mutex_);
      if (by_topic_.contains(row.topic)) {
        continue;
      }
    }
    const TableName name{row.database, row.measurement};
    MILLRACE_TRY_STATUS(remove_files(name, row.topic));
    log::info("tables", "{} was deleted before the last end: removed", name.to_string());
  }
  return {};
}

Status Tables::judge_leftovers(const catalog::Contents& contents) {
  std::set<std::string, std::less<>> named;
  for (const catalog::FileRow& row : contents.files) {
    named.insert(row.path);
  }
  MILLRACE_TRY(const auto objects, parts_.store.list(""));
  for (const auto& object : objects) {
    if (is_empty_file(object.name)) {
      MILLRACE_TRY_STATUS(parts_.store.remove(object.name));
    } else if (!named.contains(object.name)) {
      MILLRACE_TRY_STATUS(judge_leftover(object.name, contents));
    }
  }
  return {};
}

/// A file whose rows are all replayed is made again; any other may be the last copy. One that the
/// catalog has forgotten stays, for a rebuild to find.
Status Tables::judge_leftover(const std::string& path, const catalog::Contents& contents) {
  for (const TablePtr& table : all()) {
    const record::PartitionRange kept = parts_.log.range(table->partition());
    const auto found = contents.table_offsets.find(table->partition());
    const Offset in_files = found == contents.table_offsets.end() ? Offset{} : found->second;
    if (is_made_again(path, table->name(), table->partition(), kept, in_files)) {
      log::info("tables", "{}: not in the catalog, and its rows are replayed: removed", path);
      return parts_.store.remove(path);
    }
    MILLRACE_TRY(const bool is_lost,
                 lost_its_row(path, {table->partition().topic, table->name(), table->schema()},
                              in_files, contents, parts_.store));
    if (is_lost) {
      Error error = make_error(
          Code::kCorrupt,
          "table {} is damaged: catalog.db has forgotten {}, and its rows are in no other file; "
          "put "
          "a copy of catalog.db back, or make it again (millrace rebuild --replace), and restart",
          table->name().to_string(), parts_.store.location_of(path));
      log::error("tables", "{}", error.message);
      table->set_damage(std::move(error));
      return {};
    }
  }
  if (options_.deleted.contains(io::parent_of(path))) {
    log::info("tables", "{}: of a table that was deleted before the last end: removed", path);
    return parts_.store.remove(path);
  }
  std::string aside = options_.quarantine + "/" + path;
  log::warning("tables",
               "{}: not in the catalog, and its rows are not replayed from the journal: kept as {}",
               path, aside);
  return parts_.store.move_out(path, aside);
}

void Tables::start_replay() {
  replayer_ = std::thread([this] { replay_all(); });
  pthread_setname_np(replayer_.native_handle(), "tables-replay");
}

void Tables::replay_all() {
  for (const TablePtr& table : all()) {
    if (table->is_replayed() || is_stopping()) {
      continue;
    }
    if (auto done = replay(table); !done.ok()) {
      if (table->is_retired()) {
        continue;  // deleted meanwhile: its records may be gone
      }
      Error error =
          make_error(done.error().code, "table {} cannot be rebuilt from offset {} on: {}",
                     table->name().to_string(), table->applied(), done.error().message);
      log::error("tables", "{}", error.message);
      table->fail_replay(std::move(error));
    }
  }
}

bool Tables::is_stopping() const {
  MutexLock lock(mutex_);
  return is_stopping_;
}

/// Replay flushes as it goes; a flush that fails (a full disk) is tried again until it works.
/// false: the server stops.
bool Tables::make_room(const TablePtr& table) {
  while (!is_stopping()) {
    const bool is_short = budget_.used() > budget_.limit() / 2;
    if (!is_short && table->hot().bytes < options_.flush.bytes) {
      return true;
    }
    if (flusher_->flush(table).ok()) {
      return true;
    }
    MutexLock lock(mutex_);
    if (!is_stopping_) {
      stopping_.wait_for(mutex_, kRetryPause);
    }
  }
  return false;
}

Status Tables::replay(const TablePtr& table) {
  const Offset end = parts_.log.range(table->partition()).end;
  for (Offset at = table->applied(); at < end;) {
    if (!make_room(table)) {
      return {};
    }
    MILLRACE_TRY(
        const auto batches,
        runtime::block_on(parts_.shard, parts_.log.read(table->partition(), at, kReplayBytes)));
    for (const record::StoredBatch& batch : batches) {
      auto rows = decode_entry(batch);
      if (!rows.ok()) {
        return std::move(rows).error().within(fmt::format("offset {}", batch.base_offset));
      }
      table->apply(batch.base_offset, *std::move(rows), {});
      at = batch.base_offset + batch.records;
    }
  }
  table->finish_replay();
  return {};
}

}  // namespace millrace::tables
