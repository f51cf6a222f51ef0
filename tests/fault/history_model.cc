#include "history_model.h"

#include "broker/segment_trust.h"
#include "bytes/crc32c.h"
#include "catalog/sqlite_catalog.h"
#include "journal/test_options.h"
#include "record/record_batch_builder.h"
#include "segment/format.h"

#include <algorithm>
#include <array>
#include <tuple>

namespace millrace::broker {
namespace {

using namespace std::chrono_literals;
using objects::PutFate;

constexpr uint64_t kFileBytes = 64 << 10;
constexpr uint64_t kLifeSteps = 100;        // numbers of a life
constexpr const char* kKeptMs = "3600000";  // of topics that have it
constexpr objects::StoreFaults kCalm{.least_latency = 1ms, .most_latency = 50ms};
constexpr objects::StoreFaults kStorm{
    .refuses = 0.2, .breaks = 0.2, .repeats = 0.2, .least_latency = 1ms, .most_latency = 2s};

/// Id and padding.
bytes::Buffer batch_of(uint64_t id, size_t padding, int64_t now_ms) {
  record::RecordBatchBuilder builder;
  const std::string value = fmt::format("{}:{}", id, std::string(padding, 'x'));
  builder.add(TimestampMs(std::chrono::milliseconds(now_ms)), std::nullopt, bytes::as_bytes(value));
  return std::move(builder).build().value();
}

}  // namespace

HistoryModel::HistoryModel(uint64_t seed, Lie lie, std::optional<std::set<uint64_t>> only)
    : seed_(seed),
      lie_(std::move(lie)),
      only_(std::move(only)),
      random_(seed),
      disk_(seed),
      is_bucket_(seed % 2 == 0),
      has_times_(seed % 3 == 0),
      faulty_bucket_(bucket_, seed,
                     [this](std::chrono::nanoseconds latency) { clock_.advance(latency); }) {
  shards_ = runtime::ShardSet::start(1, "shard").value();
  pool_ = runtime::BlockingPool::start({.name = "pool", .threads = 4}).value();
  std::ignore = disk_.make_directories("/data");
  faulty_bucket_.set_faults(kCalm);
  counters_.schedules = 1;
}

// NOLINTNEXTLINE(bugprone-exception-escape): one that throws must end the test.
HistoryModel::~HistoryModel() {
  stop_parts();
  pool_->stop();
  shards_->stop();
}

void HistoryModel::choose_by(uint64_t number) {
  random_.seed(seed_ * 1'000'003 + number);
}

uint64_t HistoryModel::pick(uint64_t least, uint64_t most) {
  return std::uniform_int_distribution<uint64_t>(least, most)(random_);
}

bool HistoryModel::chance(double share) {
  return std::uniform_real_distribution<>(0, 1)(random_) < share;
}

std::optional<std::string> HistoryModel::run() {
  const uint64_t lives = pick(2, 5);
  for (uint64_t life = 1; life <= lives; ++life) {
    if (auto violation = start()) {
      return violation;
    }
    if (auto violation = live(life)) {
      return violation;
    }
    choose_by((life + 1) * kLifeSteps - 1);
    if (auto violation = end_life()) {
      return violation;
    }
  }
  return settle();
}

/// As a server does, in its order.
std::optional<std::string> HistoryModel::start() {
  disk_.set_faults({.lies_about = lie_});
  auto options = journal::test_options(kFileBytes);
  auto catalog = catalog::open_sqlite(disk_, "/data/catalog.db");
  if (!catalog.ok()) {
    return "the catalog does not open: " + catalog.error().message;
  }
  catalog_ = std::move(*catalog);
  folder_ = objects::LocalStore::open(disk_, "/data", "/data/tmp").value();
  options.recovery.expected = catalog_->contents().directory;
  options.recovery.approve = [&](const journal::Findings& found) {
    return check_segment_trust(catalog_->contents(), found, [&]() -> Result<bool> {
      MILLRACE_TRY(const auto objects, store().list(segment::kFolder));
      return !objects.empty();
    });
  };
  auto log = journal::JournalLog::open(disk_, std::move(options), clock_, *pool_);
  if (!log.ok()) {
    return "the start is refused: " + log.error().message;
  }
  log_ = std::move(*log);
  log_->hold("broker", catalog_->contents().broker_place.value_or(JournalPlace{}).file);
  if (const Status begun = catalog_->begin(log_->directory_id()); !begun.ok()) {
    return "the catalog does not begin: " + begun.error().message;
  }
  broker_ = Broker::open(*log_, 20'000, clock_).value();
  history_ = std::make_unique<History>(store(), 1 << 20, catalog_->contents().segments);
  broker_->read_history(*history_, *pool_);
  segments_ = std::make_unique<Segments>(
      SegmentsParts{*broker_, *log_, *catalog_, store(), *history_, *pool_, *pool_, clock_},
      SegmentsOptions{.cut = {.bytes = 30'000,
                              .least_segment = 6'000,
                              .age = 10min,
                              .least_age = is_bucket_ ? 0min : 10min},
                      .object_linger = 0ms,
                      .object_patience = 20ms});
  broker_->upload_objects(segments_->uploader(), catalog_->contents().partitions);
  stop_ = std::make_unique<runtime::CancelSource>();
  gate_ = std::make_unique<runtime::Gate>();
  static_cast<void>(
      gate_->spawn(shards_->shard(0), "uploads", segments_->uploader().run(stop_->token())));
  return check_all();
}

void HistoryModel::stop_parts() {
  if (gate_) {
    stop_->cancel();
    run(gate_->close());
    gate_.reset();
  }
  if (segments_) {
    counters_.objects_made +=
        segments_->archived().objects + segments_->uploader().counters().objects;
    counters_.objects_expired += segments_->expired();
    counters_.parts_trimmed += segments_->trimmed();
    counters_.objects_merged += segments_->merged().replaced;
  }
  segments_.reset();
  broker_.reset();
  history_.reset();
  if (log_) {
    log_->stop();
    counters_.files_freed += log_->counters().files_freed;
  }
  log_.reset();
  folder_.reset();
  if (catalog_) {
    static_cast<void>(catalog_->close());
  }
  catalog_.reset();
}

std::optional<std::string> HistoryModel::live(uint64_t life) {
  choose_by(life * kLifeSteps);
  if (chance(0.4)) {
    disk_.set_faults({.off_at = disk_.operations() + pick(1, 300), .lies_about = lie_});
  }
  const uint64_t steps = pick(5, 40);
  for (uint64_t i = 1; i <= steps && !disk_.is_off(); ++i) {
    const uint64_t number = life * kLifeSteps + i;
    if (only_ && !only_->contains(number)) {
      continue;
    }
    steps_.push_back(number);
    choose_by(number);
    if (auto violation = step()) {
      return violation;
    }
  }
  return std::nullopt;
}

std::optional<std::string> HistoryModel::step() {
  const uint64_t what = pick(0, 99);
  if (what < 49) {
    append();
  } else if (what < 63) {
    round();
  } else if (what < 72) {
    run(broker_->apply_retention());
  } else if (what < 76) {
    const uint64_t before = acks_;
    if (run(broker_->write_catalog(*catalog_, *pool_))) {
      synced_ = std::max(synced_, before);
    }
  } else if (what < 84) {
    clock_.advance(chance(0.3) ? std::chrono::minutes(pick(5, 180))
                               : std::chrono::seconds(pick(1, 60)));
  } else if (what < 90) {
    break_store();
  } else if (what < 93) {
    create();
  } else if (what < 95) {
    remove();
  } else if (what < 98) {
    delete_records();
  } else if (what < 99) {
    return check_all();
  } else {
    change_weather();
  }
  return std::nullopt;
}

/// How a life ends: in good order, by a kill or with the power.
std::optional<std::string> HistoryModel::end_life() {
  const bool has_power = !disk_.is_off();
  if (has_power && chance(0.3)) {
    ++counters_.clean_stops;
    const uint64_t before = acks_;
    segments_->finish();
    run(broker_->write_catalog(*catalog_, *pool_));
    stop_parts();
    if (disk_.is_off()) {
      cut_power();
    } else {
      synced_ = std::max(synced_, before);
    }
    return std::nullopt;
  }
  const bool is_kill = has_power && chance(0.5);
  disk_.power_off();  // so that nothing is made good on the way out
  stop_parts();
  if (is_kill) {
    ++counters_.kills;
    disk_.kill();
  } else {
    ++counters_.power_cuts;
    cut_power();
  }
  for (const auto& [name, topic] : topics_) {
    counters_.deletions_crashed += static_cast<uint64_t>(std::ranges::count_if(
        topic.partitions, [](const auto& one) { return one.second.deleted_below > 0; }));
  }
  return std::nullopt;
}

/// Until all could be read once, what was not synced by now may be found lost.
void HistoryModel::cut_power() {
  disk_.power_cut();
  synced_at_cut_ = may_lose_ ? std::min(synced_at_cut_, synced_) : synced_;
  may_lose_ = true;
}

void HistoryModel::create() {
  Topic topic;
  topic.name = fmt::format("t{}", next_id_++);
  const uint64_t kind = pick(0, 9);
  std::map<std::string, std::string> configs{
      {"retention.ms", has_times_ && next_id_ % 2 == 0 ? kKeptMs : "-1"}};
  configs["durability"] = kind < 5 ? "fsync" : kind < 8 ? "interval" : "object";
  if (chance(0.3)) {
    configs["retention.bytes"] = std::to_string(kKeptBytes);
  }
  std::ignore = topic.settings.apply(configs);
  const auto made = run(broker_->create({topic.name, static_cast<int32_t>(pick(1, 3)), configs}));
  topic.is_known = made.ok();
  topics_[topic.name] = topic;
}

void HistoryModel::remove() {
  if (topics_.empty()) {
    return;
  }
  auto at = topics_.begin();
  std::advance(at, pick(0, topics_.size() - 1));
  if (!broker_->find(at->first)) {
    return;
  }
  at->second.is_known = false;  // until it is known to be gone, it may be there
  if (run(broker_->remove(at->first)).ok()) {
    at->second.is_deleted = true;
    ++counters_.topics_deleted;
  }
}

/// Of a partition, below an offset or all of them.
void HistoryModel::delete_records() {
  const auto topics = broker_->topics();
  if (topics.empty()) {
    return;
  }
  const TopicPtr& topic = topics[pick(0, topics.size() - 1)];
  const auto number = static_cast<int32_t>(pick(0, topic->partitions.size() - 1));
  Partition& known = topics_[topic->name()].partitions[number];
  const record::PartitionRange range = topic->partition(PartitionId{number})->range();
  const auto below = static_cast<int64_t>(
      pick(static_cast<uint64_t>(range.start.value), static_cast<uint64_t>(range.end.value)));
  const bool is_all = chance(0.2);
  const int64_t before = is_all ? range.end.value : below;
  if (chance(0.05)) {
    disk_.set_faults({.off_at = disk_.operations() + pick(0, 2), .lies_about = lie_});
  }
  const auto answer = run(broker_->delete_records(
      {{topic->name(), PartitionId{number}, is_all ? RecordsToDelete::kAll : Offset{below}}}));
  if (!answer.front().ok()) {
    ++counters_.deletions_failed;
    known.perhaps_below = std::max(known.perhaps_below, before);
    return;
  }
  for (auto at = known.seen.lower_bound(range.start.value);
       at != known.seen.end() && at->first < before; ++at) {
    ++counters_.records_deleted;
  }
  known.deleted_below = std::max(known.deleted_below, before);
}

void HistoryModel::append() {
  const auto topics = broker_->topics();
  if (topics.empty()) {
    return create();
  }
  const TopicPtr& topic = topics[pick(0, topics.size() - 1)];
  Topic& known = topics_[topic->name()];
  const auto number = static_cast<int32_t>(pick(0, topic->partitions.size() - 1));
  const uint64_t id = next_id_++;
  const int64_t now = clock_.wall_ms().time_since_epoch().count();
  const auto payload = batch_of(id, chance(0.2) ? pick(5'000, 20'000) : pick(0, 2'000), now);
  std::vector<PartitionAppend> appends;
  appends.push_back(
      {topic->partitions[static_cast<size_t>(number)], payload, bytes::crc32c(payload), 1, now});
  const uint64_t before = acks_;
  const auto outcome = run(broker::Partition::append(*log_, std::move(appends), {}));
  if (!outcome.ok()) {
    ++counters_.unknown;
    return;
  }
  Seen seen{.id = id, .is_acked = true, .bytes = payload.size(), .ms = now};
  switch (known.settings.durability) {
    case Durability::kFsync:
      ++counters_.fsync_acked;
      synced_ = std::max(synced_, before);
      break;
    case Durability::kInterval:
      ++counters_.interval_acked;
      seen.unsynced = ++acks_;
      break;
    case Durability::kObject:
      ++counters_.object_acked;
      synced_ = std::max(synced_, before);
      break;
  }
  Seen& at = known.partitions[number].seen[outcome->base_offsets.front().value];
  if (at.id != 0) {
    twice_ = fmt::format("given again: {} partition {} offset {}", known.name, number,
                         outcome->base_offsets.front().value);
  }
  at = seen;
}

void HistoryModel::round() {
  const uint64_t before = acks_;
  if (run(segments_->round()).ok()) {
    synced_ = std::max(synced_, before);
  } else {
    ++counters_.failed_rounds;
  }
}

/// Nothing of it happens to a folder of the disk.
void HistoryModel::break_store() {
  const uint64_t what = pick(0, 5);
  if (what == 0) {
    is_away_ = !is_away_;
    counters_.outages += is_away_ ? 1 : 0;
    faulty_bucket_.set_away(is_away_);
    if (is_away_) {
      clock_.advance(std::chrono::minutes(pick(1, 300)));
    }
  } else if (what == 1) {
    land_late_puts(1);
  } else {
    constexpr std::array kFates{PutFate::kRefused, PutFate::kBrokenDone, PutFate::kBrokenNotDone,
                                PutFate::kBrokenLate, PutFate::kDoneAndAgain};
    faulty_bucket_.plan_puts({kFates.at(pick(0, kFates.size() - 1))});
    ++planned_puts_;
  }
}

/// Requests of any kind fail one by one, or no longer. Nothing of it happens to a folder of the
/// disk.
void HistoryModel::change_weather() {
  is_stormy_ = !is_stormy_;
  counters_.storms += is_stormy_ ? 1 : 0;
  faulty_bucket_.set_faults(is_stormy_ ? kStorm : kCalm);
}

/// All is well again: after stops in good order and another start the store has what the catalog
/// names, and nothing else.
std::optional<std::string> HistoryModel::settle() {
  faulty_bucket_.set_away(false);
  is_away_ = false;
  if (is_stormy_) {
    change_weather();
  }
  for (uint64_t i = 0; i < planned_puts_; ++i) {  // what was planned happens to others
    if (auto writer = faulty_bucket_.create(fmt::format("others/{}", i)); writer.ok()) {
      static_cast<void>((*writer)->publish());
    }
  }
  counters_.requests_failed += faulty_bucket_.counters().failures;
  constexpr int kPasses = 3;
  for (int pass = 1; pass <= kPasses; ++pass) {
    land_late_puts(SIZE_MAX);
    if (auto violation = start()) {
      return violation;
    }
    const size_t before = store().list(segment::kFolder)->size();
    const size_t named = history_->segments().size();
    if (const Status done = run(segments_->round()); !done.ok()) {
      return "the last round fails: " + done.error().message;
    }
    counters_.leftovers += before > named ? before - named : 0;
    segments_->finish();
    run(broker_->write_catalog(*catalog_, *pool_));
    if (pass == kPasses) {
      if (auto violation = check_store()) {
        return violation;
      }
    }
    stop_parts();
  }
  return std::nullopt;
}

void HistoryModel::land_late_puts(size_t most) {
  for (size_t i = 0; i < most; ++i) {
    const auto landed = faulty_bucket_.land_late_put();
    if (!landed.ok() || !*landed) {
      return;
    }
    has_late_puts_ = true;
    ++counters_.late_puts;
  }
}

objects::ObjectStore& HistoryModel::store() {
  return is_bucket_ ? static_cast<objects::ObjectStore&>(faulty_bucket_) : *folder_;
}

}  // namespace millrace::broker
