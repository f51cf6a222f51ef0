#include "catalog_model.h"

#include "catalog/memory_catalog.h"
#include "catalog/sqlite_catalog.h"
#include "catalog/sqlite_files.h"

#include <algorithm>
#include <utility>

namespace millrace::catalog {
namespace {

const std::string kDirectory = "/data";
const std::string kLog = "/data/catalog.db-wal";

Contents fresh() {
  Contents contents;
  contents.directory = directory_id();
  return contents;
}

}  // namespace

CatalogModel::CatalogModel(uint64_t seed, Lie lie)
    : lie_(std::move(lie)), random_(seed), disk_(seed ^ 0x9E3779B97F4A7C15u) {
  static_cast<void>(disk_.make_directories(kDirectory));
  Contents none;
  none.is_new = true;
  possible_.push_back(none);
  if (below(4) == 0) {
    put_version_1();
  }
}

void CatalogModel::violation(const std::string& what) {
  if (!violation_) {
    violation_ = what;
  }
}

std::optional<std::string> CatalogModel::run() {
  ++counters_.schedules;
  const uint64_t lives = 2 + below(5);
  for (uint64_t life = 0; life < lives && !violation_; ++life) {
    arm_for_begin();
    if (start() && begin()) {
      live();
    }
    end_life();
  }
  if (!violation_) {  // a last look with a disk that works
    disk_.set_faults(no_faults());
    static_cast<void>(start() && begin());
  }
  catalog_.reset();
  return violation_;
}

io::DiskFaults CatalogModel::no_faults() {
  io::DiskFaults faults;
  faults.lies_about = [this](const std::string& path) {  // called at each sync that works
    counters_.checkpoints += path == kPath ? 1 : 0;
    counters_.logs_copied += path == kLog + ".tmp" ? 1 : 0;
    return lie_ && lie_(path);
  };
  return faults;
}

void CatalogModel::arm_for_begin() {
  io::DiskFaults faults = no_faults();
  is_full_ = false;
  const uint64_t choice = below(8);
  if (choice < 3) {
    faults.off_at = disk_.operations() + 1 + below(choice == 0 ? 60 : 14);
  } else if (choice == 3) {
    faults.fail_at = disk_.operations() + 1 + below(14);
  } else if (choice == 4) {
    faults.capacity_bytes = 1;
    is_full_ = true;
  }
  disk_.set_faults(faults);
}

/// Opens and compares. An open changes nothing, so no fault can meet it.
bool CatalogModel::start() {
  const uint64_t operations = disk_.operations();
  auto opened = open_sqlite(disk_, kPath, {.checkpoint_frames = 12});
  if (!opened.ok()) {
    violation("the start is refused: " + opened.error().message);
    return false;
  }
  catalog_ = std::move(opened).value();
  if (disk_.operations() != operations) {
    violation("open() changed something");
  }
  verify_opened(catalog_->contents());
  if (!state_.is_new && !is_old_ && stored_version() != latest_version()) {
    violation("a catalog that began is of an older version again");
  }
  return !violation_;
}

void CatalogModel::verify_opened(const Contents& shown) {
  const auto found = std::find(possible_.begin(), possible_.end(), shown);
  if (found == possible_.end()) {
    return violation(fmt::format(
        "{} topics, {} tables, {} files, {} segments, {} were shown: none of the {} states that "
        "may be",
        shown.topics.size(), shown.tables.size(), shown.files.size(), shown.segments.size(),
        shown.is_new ? "a new catalog" : "an old catalog", possible_.size()));
  }
  state_ = shown;
}

/// Only what begin() answered for is certain: until then a power cut may take what an open showed.
bool CatalogModel::begin() {
  const bool is_new = state_.is_new;
  const bool had_log = disk_.exists(kLog).value();
  const uint64_t operations = disk_.operations();
  const Status begun = catalog_->begin(directory_id());
  if (!begun.ok()) {
    if (is_new && std::find(possible_.begin(), possible_.end(), fresh()) == possible_.end()) {
      possible_.push_back(fresh());
    }
    if (disk_.is_off()) {
      ++(is_new ? counters_.crashes_in_creation : counters_.crashes_in_begin);
      counters_.crashes_in_migration += is_old_ ? 1 : 0;
    } else if (begun.error().code == Code::kOverloaded ? is_full_ && (is_new || is_old_)
                                                       : begun.error().code == Code::kIo) {
      ++counters_.errors_in_begin;
    } else {
      violation("begin: " + begun.error().message);
    }
    return false;
  }
  counters_.unknown_found += possible_.size() == 2 && state_ == possible_[1] && !is_new ? 1 : 0;
  counters_.creations += is_new ? 1 : 0;
  counters_.migrations += is_old_ ? 1 : 0;
  is_old_ = false;
  counters_.begins_on_full_disk += is_full_ && had_log ? 1 : 0;
  if (disk_.operations() == operations) {
    violation("begin() synced nothing");
  }
  state_ = is_new ? fresh() : state_;
  possible_ = {state_};
  is_unknown_ = false;
  commits_in_life_ = 0;
  return true;
}

void CatalogModel::end_life() {
  const bool began = catalog_ != nullptr && possible_.size() == 1 && !state_.is_new;
  if (began && !disk_.is_off() && below(4) == 0 && catalog_->close().ok()) {
    ++counters_.clean_stops;
  }
  catalog_.reset();
  const bool has_doubt = possible_.size() > 1;  // a kill leaves it to the page cache
  const bool is_bare = began && was_killed_ && commits_in_life_ == 0 && !has_doubt;
  if (!is_bare && below(has_doubt ? 2 : 3) == 0) {
    ++counters_.kills;
    was_killed_ = true;
    disk_.kill();
  } else {
    ++counters_.power_cuts;
    counters_.power_cuts_after_begin += is_bare ? 1 : 0;
    was_killed_ = false;
    disk_.power_cut();
  }
}

void CatalogModel::arm_for_life() {
  io::DiskFaults faults = no_faults();
  is_full_ = false;
  was_full_ = false;
  const uint64_t choice = below(8);
  if (choice < 3) {
    faults.off_at = disk_.operations() + 1 + below(300);
  } else if (choice < 5) {
    faults.fail_at = disk_.operations() + 1 + below(60);
  } else if (choice < 7) {
    const io::Space space = disk_.space(kDirectory).value();
    faults.capacity_bytes = space.total_bytes - space.free_bytes + below(60'000);
    is_full_ = true;
  }
  disk_.set_faults(faults);
}

void CatalogModel::heal_full_disk() {
  is_full_ = false;
  was_full_ = true;
  disk_.set_faults(no_faults());
}

void CatalogModel::live() {
  if (below(was_killed_ ? 2 : 8) == 0) {
    return;  // nothing but the begin(): what it answered for must stand by itself
  }
  disk_.set_faults(no_faults());  // on a disk that was full there is room again
  arm_for_life();
  const uint64_t steps = 1 + below(25);
  for (uint64_t i = 0; i < steps && !violation_ && !disk_.is_off(); ++i) {
    const uint64_t refused = counters_.commits_full;
    step();
    if (counters_.commits_full != refused && below(4) == 0) {
      break;  // with nothing written over what the refused one may have left
    }
  }
  if (is_full_ && !disk_.is_off() && below(2) == 0) {
    heal_full_disk();
    for (int i = 0; i < 3 && !violation_; ++i) {
      step();
    }
  }
}

void CatalogModel::step() {
  const uint64_t choice = below(24);
  if (choice < 10) {
    commit_flush();
  } else if (choice < 13) {
    commit_part();
  } else if (choice == 13) {
    commit_drop();
  } else if (choice < 16) {
    commit_conflict();
  } else if (choice < 22) {
    commit_segments();
  } else {
    commit_wrong_segments();
  }
}

JournalPlace CatalogModel::next_place() {
  const uint64_t id = next_id_++;
  return {FileNumber{1 + id / 16}, 4096 * id, RunNumber{id}, static_cast<uint32_t>(random_())};
}

BrokerPart CatalogModel::make_part() {
  BrokerPart part;
  const uint64_t topics = below(5);
  for (uint64_t i = 0; i < topics; ++i) {
    TopicRow topic{
        topic_id(i),   "t" + std::to_string(i),         1 + static_cast<int32_t>(below(8)),
        below(4) == 0, static_cast<int64_t>(random_()), {}};
    for (uint64_t n = below(3); n > 0; --n) {
      topic.settings["s" + std::to_string(n)] = std::string(below(40), 'v');
    }
    part.topics.push_back(std::move(topic));
    const auto start = static_cast<int64_t>(below(1000));
    part.partitions.push_back({{topic_id(i), PartitionId{static_cast<int32_t>(below(8))}},
                               Offset{start},
                               Offset{start + static_cast<int64_t>(below(1000))}});
  }
  part.place = next_place();
  return part;
}

FlushCommit CatalogModel::make_flush(const TopicPartition& partition) {
  FlushCommit flush;
  const uint64_t schema = below(8) == 0 ? below(20'000) : below(300);
  flush.table = {partition.topic, "main", "cpu", next_id_,
                 std::string(schema, static_cast<char>('a' + next_id_ % 26))};
  flush.partition = partition;
  const auto known = state_.table_offsets.find(partition);
  flush.first = known == state_.table_offsets.end() ? Offset{} : known->second;
  flush.next = flush.first + static_cast<int64_t>(1 + below(50));
  for (uint64_t n = below(4); n > 0; --n) {
    FileRow file;
    file.path = fmt::format("main/cpu~{}/{}.parquet", partition.topic.bytes[0], next_id_++);
    file.partition = partition;
    file.first = flush.first;
    file.next = flush.next;
    file.rows = below(1000);
    file.bytes = random_() >> 1;
    file.min_time_us = static_cast<int64_t>(below(1000)) - 500;
    file.max_time_us = file.min_time_us + static_cast<int64_t>(below(1000));
    file.schema_version = next_id_;
    file.commit.bytes[0] = static_cast<uint8_t>(next_id_);
    flush.files.push_back(std::move(file));
  }
  flush.place = next_place();
  return flush;
}

void CatalogModel::commit_part() {
  const BrokerPart part = make_part();
  Contents after = state_;
  static_cast<void>(apply(after, part));
  settle(catalog_->commit_broker(part), std::move(after));
}

void CatalogModel::commit_flush() {
  const FlushCommit flush =
      make_flush({topic_id(below(kTopics)), PartitionId{static_cast<int32_t>(below(kPartitions))}});
  Contents after = state_;
  static_cast<void>(apply(after, flush));
  settle(catalog_->commit_flush(flush), std::move(after));
}

void CatalogModel::commit_drop() {
  const TopicId topic = topic_id(below(kTopics));
  const JournalPlace place = next_place();
  Contents after = state_;
  apply_drop(after, topic, place);
  settle(catalog_->drop_table(topic, place), std::move(after));
}

/// A flush that does not go on from the offset, or whose last file is there already.
void CatalogModel::commit_conflict() {
  FlushCommit flush =
      make_flush({topic_id(below(kTopics)), PartitionId{static_cast<int32_t>(below(kPartitions))}});
  if (below(2) == 0 || state_.files.empty() || flush.files.empty()) {
    flush.files.clear();
    flush.first = flush.first + static_cast<int64_t>(1 + below(3));
    flush.next = flush.first + 1;
  } else {
    flush.files.back().path = state_.files[below(state_.files.size())].path;
  }
  const Status status = catalog_->commit_flush(flush);
  const bool is_conflict = !status.ok() && status.error().code == Code::kConflict;
  counters_.conflicts += is_conflict ? 1 : 0;
  if (status.ok()) {
    violation("a flush that conflicts was taken");
  } else if (!is_conflict) {
    settle(status, state_);  // the disk was in its way: it can leave nothing but what was there
  }
}

void CatalogModel::settle(const Status& status, Contents after) {
  if (status.ok()) {
    if (is_unknown_) {
      return violation("a commit was taken after one of unknown outcome");
    }
    ++counters_.commits_acked;
    ++commits_in_life_;
    counters_.commits_after_full += was_full_ ? 1 : 0;
    state_ = std::move(after);
    possible_ = {state_};
    return;
  }
  switch (status.error().code) {
    case Code::kOverloaded:
      ++counters_.commits_full;
      if (!is_full_ || is_unknown_) {
        violation("a disk that is not full: " + status.error().message);
      }
      return;
    case Code::kReadOnly:
      ++counters_.commits_refused;
      return;
    case Code::kIo:
      if (is_unknown_) {
        violation("not read-only after an unknown outcome: " + status.error().message);
      }
      ++counters_.commits_unknown;
      is_unknown_ = true;
      possible_ = {state_, std::move(after)};
      return;
    default:
      violation("a commit: " + status.error().to_string());
  }
}

}  // namespace millrace::catalog
