#include "server/rebuild.h"

#include "base/clock.h"
#include "broker/broker.h"
#include "broker/found_objects.h"
#include "catalog/sqlite_catalog.h"
#include "io/disk.h"
#include "io/frozen_disk.h"
#include "io/lock_file.h"
#include "journal/scan.h"
#include "journal/seed.h"
#include "objects/local_store.h"
#include "segment/format.h"
#include "server/damaged_doubles.h"
#include "server/data_directory.h"
#include "server/rebuild_doubles.h"
#include "server/rebuild_gap.h"
#include "server/rebuild_journal.h"
#include "server/rebuild_segments.h"
#include "server/segment_store.h"
#include "tables/found_files.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace millrace::server {
namespace {

/// All that a catalog says.
struct NewCatalog {
  DirectoryId directory;
  catalog::BrokerPart broker;
  std::vector<catalog::FlushCommit> flushes;
  catalog::SegmentsCommit segments;
};

Error nothing_in(const objects::ObjectStore& store) {
  return make_error(Code::kNotFound,
                    "{}: no segment objects are there; is it the bucket and prefix that the server "
                    "was told?",
                    store.location_of(segment::kFolder));
}

/// One run of it.
class Rebuild {
 public:
  explicit Rebuild(const RebuildOptions& options) : options_(options), data_(options.server.data) {}

  Result<RebuildReport> run();

 private:
  std::string path(const std::string& name) const { return data_ + "/" + name; }

  Status lock();
  Result<broker::FoundObjects> read_objects();
  Status check_place(const broker::FoundObjects& found);
  Status check_age(const KnownJournal& journal, const broker::FoundObjects& found) const;
  Offset readable_end(const KnownJournal& journal, const SegmentPlan& plan,
                      TopicPartition partition) const;
  Status catalog_of_journal();
  Status directory_of_bucket();
  Result<std::vector<catalog::SegmentRow>> fill_holes(const Topics& topics,
                                                      const std::vector<Gap>& holes);
  Result<tables::FoundFiles> read_files(const KnownJournal& journal);
  void describe(const Topics& topics, const SegmentPlan& plan, const Ranges& ranges,
                const Starts& starts);
  void describe(const KnownJournal& journal, const tables::FoundFiles& files);
  Status make_directory(const Topics& topics, SegmentPlan plan, const std::vector<Gap>& gaps);
  Status remove_unfinished_journal();
  Status write(const NewCatalog& made);
  Status commit(catalog::Catalog& catalog, const NewCatalog& made) const;
  Status move_aside(const std::vector<std::string>& names);
  Status publish();

  const RebuildOptions& options_;
  const std::string data_;
  io::Disk& disk_ = io::posix_disk();
  io::FrozenDisk frozen_{disk_};  // what is there is read through it
  std::optional<io::LockFile> lock_;
  std::unique_ptr<objects::ObjectStore> store_;
  std::optional<catalog::Contents> old_;  // of a catalog that is there and can be read
  const int64_t now_ms_ = system_clock().wall_ms().time_since_epoch().count();
  RebuildReport report_;
};

Status Rebuild::lock() {
  MILLRACE_TRY(lock_, options_.dry_run ? io::LockFile::acquire_to_read(path("lock"))
                                       : io::LockFile::acquire(path("lock")));
  return {};
}

Result<RebuildReport> Rebuild::run() {
  MILLRACE_TRY(const bool has, has_journal(disk_, data_));
  if (has) {
    MILLRACE_TRY_STATUS(catalog_of_journal());
    return std::move(report_);
  }
  if (!options_.server.bucket) {
    return make_error(
        Code::kNotFound,
        "{}: no journal is there, and only a bucket can stand in for it: say --bucket", data_);
  }
  MILLRACE_TRY(const bool empty, is_as_empty(disk_, data_));
  if (!empty) {
    return make_error(Code::kConflict,
                      "{}: no journal is there, and it is not empty: a directory is made out of a "
                      "bucket where there is nothing. Put the journal back, or move {} away",
                      data_, data_);
  }
  MILLRACE_TRY_STATUS(directory_of_bucket());
  return std::move(report_);
}

Result<broker::FoundObjects> Rebuild::read_objects() {
  if (options_.server.bucket) {
    MILLRACE_TRY(store_, open_bucket_patiently(*options_.server.bucket));
  } else {
    store_ = objects::LocalStore::view(frozen_, data_);
  }
  MILLRACE_TRY(auto found, broker::find_objects(*store_, [this](size_t done, size_t all) {
                 options_.progress("objects", done, all);
               }));
  MILLRACE_TRY_STATUS(leave_damaged_doubles(*store_, found));
  return found;
}

/// The catalog that is there, if it can be read, may know of objects in another store: all of them
/// must be in this one, then they were moved.
Status Rebuild::check_place(const broker::FoundObjects& found) {
  if (!old_) {
    return {};
  }
  Status same = catalog::check_store(*old_, name_of_store(options_.server));
  std::set<Uuid> there;
  for (const broker::FoundObject& object : found.objects) {
    there.insert(object.header.object);
  }
  const auto missing = std::ranges::count_if(
      old_->segments,
      [&](const catalog::SegmentRow& object) { return !there.contains(object.object); });
  if (same.ok() || missing == 0) {
    return {};
  }
  same.error().message += fmt::format(
      "; {} of them are not there. To do without these, move catalog.db away first", missing);
  return same;
}

/// What objects of this directory have, its journal has had before: else an older one was put
/// there, or its last files are missing, and it would give out offsets again.
Status Rebuild::check_age(const KnownJournal& journal, const broker::FoundObjects& found) const {
  std::optional<std::string> newest;
  size_t count = 0;
  for (const broker::FoundObject& object : found.objects) {
    const auto is_beyond = [&](const segment::PartitionRow& row) {
      const auto kept = journal.kept.find(row.partition);
      return kept != journal.kept.end() && row.next > kept->second.end;
    };
    const auto row = std::ranges::find_if(object.tail.partitions, is_beyond);
    if (object.header.directory != journal.directory || row == object.tail.partitions.end()) {
      continue;
    }
    ++count;
    newest = fmt::format(
        "{} has partition {} of topic {} up to offset {}, where the journal ends "
        "at {}",
        store_->location_of(object.name), row->partition.partition,
        journal.topics.at(row->partition.topic).name, row->next,
        journal.kept.at(row->partition).end);
  }
  return !newest ? Status()
                 : make_error(Code::kCorrupt,
                              "journal older than {} of the objects: {}; nothing was changed. Put "
                              "the right journal back. To do without what is in them and behind "
                              "them, move them away first",
                              count, *newest);
}

/// Of a partition with durability=object: what is in objects, or was readable as far as the
/// replaced catalog knows. What is behind was not acknowledged.
Offset Rebuild::readable_end(const KnownJournal& journal, const SegmentPlan& plan,
                             TopicPartition partition) const {
  const record::PartitionRange kept = journal.kept.at(partition);
  if (journal.topics.at(partition.topic).settings.durability != broker::Durability::kObject) {
    return kept.end;
  }
  Offset end = kept.start;
  if (const auto reach = plan.ends.find(partition); reach != plan.ends.end()) {
    end = std::max(end, reach->second);
  }
  if (const auto deleted = journal.starts.find(partition); deleted != journal.starts.end()) {
    end = std::max(end, deleted->second);
  }
  if (old_) {
    const auto row =
        std::ranges::find(old_->partitions, partition, &catalog::PartitionRow::partition);
    end = row == old_->partitions.end() ? end : std::max(end, row->next);
  }
  return std::min(end, kept.end);
}

/// The journal knows topics, tables and what it keeps; the rest must meet it.
Status Rebuild::catalog_of_journal() {
  MILLRACE_TRY_STATUS(lock());
  MILLRACE_TRY(const bool has_catalog, disk_.exists(path("catalog.db")));
  if (has_catalog && !options_.replace && !options_.dry_run) {
    return make_error(Code::kConflict,
                      "{} is there: with --replace it goes to {} and is made again",
                      path("catalog.db"), path("quarantine"));
  }
  if (const auto old = catalog::open_sqlite(frozen_, path("catalog.db")); old.ok()) {
    old_ = (*old)->contents();
  }
  MILLRACE_TRY(const KnownJournal journal,
               read_journal(frozen_, path("journal"), old_ ? &*old_ : nullptr));
  MILLRACE_TRY(const broker::FoundObjects found, read_objects());
  MILLRACE_TRY_STATUS(check_place(found));
  MILLRACE_TRY_STATUS(check_age(journal, found));
  MILLRACE_TRY(tables::FoundFiles files, read_files(journal));
  SegmentPlan plan = plan_segments(found, journal, now_ms_);
  if (old_) {
    add_missing(*old_, found, journal, plan);
  }
  MILLRACE_TRY(auto doubles, find_doubles(*store_, std::move(plan.covered), plan.rows));
  doubles.insert(doubles.end(), plan.deleted.begin(), plan.deleted.end());
  report_.directory = journal.directory;
  describe(journal.topics, plan, journal.kept, journal.starts);
  describe(journal, files);
  NewCatalog made{.directory = journal.directory,
                  .broker = {.topics = {}, .partitions = {}, .place = journal.place},
                  .flushes = std::move(files.flushes),
                  .segments = {.added = std::move(plan.rows),
                               .removed = {},
                               .place = journal.place,
                               .leaving = std::move(doubles)}};
  for (const auto& [id, topic] : journal.topics) {
    made.broker.topics.push_back(broker::row_of(topic));
  }
  for (const auto& [partition, kept] : journal.kept) {
    const Offset end = readable_end(journal, plan, partition);
    made.broker.partitions.push_back({partition, std::min(kept.start, end), end});
  }
  if (options_.dry_run) {
    return {};
  }
  MILLRACE_TRY(auto filled, fill_holes(journal.topics, plan.holes));
  std::ranges::move(filled, std::back_inserter(made.segments.added));
  MILLRACE_TRY_STATUS(write(made));
  MILLRACE_TRY_STATUS(move_aside({"catalog.db", "catalog.db-wal", "catalog.db-journal"}));
  return publish();
}

/// Out of a directory's own objects was only read until here.
Result<std::vector<catalog::SegmentRow>> Rebuild::fill_holes(const Topics& topics,
                                                             const std::vector<Gap>& holes) {
  if (holes.empty()) {
    return std::vector<catalog::SegmentRow>();
  }
  if (!options_.server.bucket) {
    MILLRACE_TRY(store_, objects::LocalStore::open(disk_, data_, path("tmp/segments")));
  }
  return write_gaps(*store_, report_.directory, topics, holes, now_ms_);
}

Result<tables::FoundFiles> Rebuild::read_files(const KnownJournal& journal) {
  MILLRACE_TRY(const bool has_tables, disk_.exists(path("tables")));
  if (!has_tables && journal.tables.empty()) {
    return tables::FoundFiles{};
  }
  const auto store = objects::LocalStore::view(frozen_, path("tables"));
  MILLRACE_TRY(auto files, tables::find_files(*store, journal.tables, journal.place,
                                              [this](size_t done, size_t all) {
                                                options_.progress("files", done, all);
                                              }));
  for (const tables::UnusedFile& file : files.unused) {
    report_.left_alone.push_back({store->location_of(file.path), file.why});
  }
  return files;
}

void Rebuild::describe(const Topics& topics, const SegmentPlan& plan, const Ranges& ranges,
                       const Starts& starts) {
  for (const auto& [id, topic] : topics) {
    if (topic.is_deleted || topic.settings.is_table) {
      continue;
    }
    RebuiltTopic rebuilt{id, topic.name, {}};
    for (int32_t i = 0; i < topic.partitions; ++i) {
      const TopicPartition partition{id, PartitionId{i}};
      const record::PartitionRange kept = ranges.at(partition);
      const auto deletion = starts.find(partition);
      const Offset deleted_below = deletion == starts.end() ? Offset{0} : deletion->second;
      const auto history = plan.histories.find(partition);
      if (history == plan.histories.end()) {
        const Offset start = std::max(kept.start, deleted_below);
        rebuilt.partitions.push_back({PartitionId{i}, start, kept.end, kept.start, 0});
        if (kept.start > deleted_below && !report_.is_new_directory) {
          report_.lost.push_back(fmt::format(
              "records of topic {} partition {} before offset {}, unless they were expired: no "
              "object has them",
              topic.name, i, kept.start));
        }
        continue;
      }
      const Offset start = std::max(std::min(history->second.start, kept.start), deleted_below);
      rebuilt.partitions.push_back(
          {PartitionId{i}, start, kept.end, history->second.end, history->second.objects});
    }
    report_.topics.push_back(std::move(rebuilt));
  }
  std::ranges::sort(report_.topics, {}, &RebuiltTopic::name);
  report_.lost.insert(report_.lost.begin(), plan.lost.begin(), plan.lost.end());
  for (const catalog::SegmentRow& row : plan.rows) {
    ++report_.objects;
    report_.object_bytes += row.bytes;
  }
  for (const broker::UnusedObject& object : plan.unused) {
    report_.left_alone.push_back({store_->location_of(object.name), object.why});
  }
}

void Rebuild::describe(const KnownJournal& journal, const tables::FoundFiles& files) {
  for (const tables::JournalTable& table : journal.tables) {
    RebuiltTable rebuilt{.name = table.fact.name.to_string(), .next = table.kept.end};
    for (const catalog::FlushCommit& flush : files.flushes) {
      if (flush.partition.topic != table.fact.topic) {
        continue;
      }
      rebuilt.files += flush.files.size();
      rebuilt.files_end = flush.next;
      for (const catalog::FileRow& row : flush.files) {
        rebuilt.rows += row.rows;
      }
    }
    report_.files += rebuilt.files;
    report_.tables.push_back(std::move(rebuilt));
  }
  std::ranges::sort(report_.tables, {}, &RebuiltTable::name);
  report_.lost.insert(report_.lost.end(), files.lost.begin(), files.lost.end());
  report_.lost.emplace_back(
      "what was in an object or a file that is gone altogether, if no other lies behind it: only "
      "the lost catalog knew of it");
}

/// Topics are as their newest objects say, partitions go on behind a gap.
Status Rebuild::directory_of_bucket() {
  MILLRACE_TRY(const broker::FoundObjects found, read_objects());
  if (found.objects.empty() && found.unused.empty()) {
    return nothing_in(*store_);
  }
  std::map<TopicId, std::string> left;
  const Topics topics = topics_of(found, left);
  if (topics.empty()) {
    return make_error(Code::kNotFound, "{}: of {} objects none can be used; the first: {}",
                      store_->location_of(segment::kFolder),
                      found.objects.size() + found.unused.size(),
                      found.unused.empty() ? left.begin()->second : found.unused.front().why);
  }
  SegmentPlan plan = plan_segments(found, topics, left);
  report_.is_new_directory = true;
  report_.directory = DirectoryId(Uuid::random());
  const auto [gaps, lost] = plan_gaps(topics, plan, options_.gap, now_ms_);
  Ranges ranges;
  for (const Gap& gap : gaps) {
    ranges[gap.partition] = {gap.next, gap.next};
    History& history = plan.histories.try_emplace(gap.partition).first->second;
    history.end = gap.next;
    ++history.objects;
  }
  report_.lost = lost;
  describe(topics, plan, ranges, {});  // which records were deleted only the journal knew
  if (options_.dry_run) {
    return {};
  }
  MILLRACE_TRY_STATUS(disk_.make_directories(data_));
  MILLRACE_TRY_STATUS(lock());
  return make_directory(topics, std::move(plan), gaps);
}

/// The objects of the gaps come first: what a server gives out is behind them for ever. The catalog
/// comes last: with a journal alone a rebuild goes on where this one ended.
Status Rebuild::make_directory(const Topics& topics, SegmentPlan plan,
                               const std::vector<Gap>& gaps) {
  MILLRACE_TRY_STATUS(remove_unfinished_journal());
  MILLRACE_TRY(auto doubles, find_doubles(*store_, std::move(plan.covered), plan.rows));
  std::vector<Gap> all = plan.holes;
  all.insert(all.end(), gaps.begin(), gaps.end());
  std::ranges::sort(all, {}, [](const Gap& gap) { return std::pair(gap.partition, gap.first); });
  MILLRACE_TRY(auto filled, write_gaps(*store_, report_.directory, topics, all, now_ms_));
  std::ranges::move(filled, std::back_inserter(plan.rows));
  journal::Seed seed;
  NewCatalog made{.directory = report_.directory, .broker = {}, .flushes = {}, .segments = {}};
  for (const auto& [id, topic] : topics) {
    seed.facts.push_back(topic.to_frame());
    made.broker.topics.push_back(broker::row_of(topic));
  }
  for (const Gap& gap : gaps) {
    seed.partitions.push_back({gap.partition, gap.next});
    made.broker.partitions.push_back({gap.partition, gap.next, gap.next});
  }
  const std::string journal = path(kJournalBeingMade);
  MILLRACE_TRY(made.broker.place,
               journal::make_journal(disk_, journal, made.directory, seed, {}, system_clock()));
  made.segments = {.added = std::move(plan.rows),
                   .removed = {},
                   .place = made.broker.place,
                   .leaving = std::move(doubles)};
  MILLRACE_TRY_STATUS(write(made));
  MILLRACE_TRY_STATUS(disk_.rename(journal, path("journal")));
  MILLRACE_TRY_STATUS(disk_.sync_directory(data_));
  return publish();
}

Status Rebuild::remove_unfinished_journal() {
  MILLRACE_TRY(const bool is_there, disk_.exists(path(kJournalBeingMade)));
  if (!is_there) {
    return {};
  }
  MILLRACE_TRY(const auto entries, disk_.list(path(kJournalBeingMade)));
  for (const io::DirectoryEntry& entry : entries) {
    MILLRACE_TRY_STATUS(disk_.remove(path(kJournalBeingMade) + "/" + entry.name));
  }
  return disk_.remove(path(kJournalBeingMade));
}

/// Beside the name that it gets when it is whole.
Status Rebuild::write(const NewCatalog& made) {
  for (const char* end : {"", "-wal", "-wal.tmp", ".new", ".new-wal"}) {  // of one cut short
    const Status removed = disk_.remove(path(kCatalogBeingMade) + end);
    if (!removed.ok() && removed.error().code != Code::kNotFound) {
      return removed;
    }
  }
  MILLRACE_TRY(const auto catalog, catalog::open_sqlite(disk_, path(kCatalogBeingMade)));
  MILLRACE_TRY_STATUS(catalog->begin(made.directory));
  MILLRACE_TRY_STATUS(commit(*catalog, made));
  return catalog->close();
}

Status Rebuild::commit(catalog::Catalog& catalog, const NewCatalog& made) const {
  MILLRACE_TRY_STATUS(catalog.commit_store(name_of_store(options_.server)));
  MILLRACE_TRY_STATUS(catalog.commit_broker(made.broker));
  for (size_t i = 0; i < made.flushes.size(); ++i) {
    options_.progress("commits", i, made.flushes.size());
    MILLRACE_TRY_STATUS(catalog.commit_flush(made.flushes[i]));
  }
  const bool has_none = made.segments.added.empty() && made.segments.leaving.empty();
  return has_none ? Status() : catalog.commit_segments(made.segments);
}

/// Under numbers that nothing there has yet, the same for all.
Status Rebuild::move_aside(const std::vector<std::string>& names) {
  std::vector<std::string> found;
  for (const std::string& name : names) {
    MILLRACE_TRY(const bool is_there, disk_.exists(path(name)));
    if (is_there) {
      found.push_back(name);
    }
  }
  if (found.empty()) {
    return {};
  }
  MILLRACE_TRY_STATUS(disk_.make_directories(path("quarantine")));
  MILLRACE_TRY(const auto entries, disk_.list(path("quarantine")));
  const auto is_taken = [&](int number) {
    return std::ranges::any_of(entries, [&](const io::DirectoryEntry& entry) {
      return entry.name.starts_with("catalog.db") &&
             entry.name.ends_with(fmt::format(".{}", number));
    });
  };
  int number = 1;
  while (is_taken(number)) {
    ++number;
  }
  for (const std::string& name : found) {
    const std::string aside = fmt::format("{}/{}.{}", path("quarantine"), name, number);
    MILLRACE_TRY_STATUS(disk_.rename(path(name), aside));
    report_.moved.push_back(aside);
  }
  MILLRACE_TRY_STATUS(disk_.sync_directory(path("quarantine")));
  return disk_.sync_directory(data_);
}

Status Rebuild::publish() {
  MILLRACE_TRY_STATUS(disk_.rename(path(kCatalogBeingMade), path("catalog.db")));
  return disk_.sync_directory(data_);
}

}  // namespace

Result<RebuildReport> rebuild(const RebuildOptions& options) {
  return Rebuild(options).run();
}

}  // namespace millrace::server
