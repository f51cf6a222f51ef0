// What the model looks at: everything that readers see, against what was promised.
#include "history_model.h"
#include "record/record_batch.h"
#include "record/record_reader.h"
#include "segment/format.h"
#include "segment/segment.h"

#include <algorithm>
#include <charconv>

namespace millrace::broker {
namespace {

constexpr size_t kMaxContent = 1 << 20;

/// nullopt: it has no record.
Result<std::optional<uint64_t>> id_of(const bytes::Buffer& payload) {
  MILLRACE_TRY(const auto header, record::parse_header(payload));
  if (header.is_filler()) {
    return std::optional<uint64_t>();
  }
  MILLRACE_TRY(const auto batch, record::parse_batch(payload));
  MILLRACE_TRY(auto reader, record::RecordReader::open(batch, kMaxContent));
  record::Record record;
  if (!reader.next(record) || !record.value) {
    return make_error(Code::kCorrupt, "a batch without its record");
  }
  const std::string_view value = bytes::as_text(*record.value);
  uint64_t id = 0;
  std::from_chars(value.data(), value.data() + value.size(), id);
  return std::optional(id);
}

std::string place(const std::string& topic, int32_t partition, int64_t offset) {
  return fmt::format("{} partition {} offset {}", topic, partition, offset);
}

}  // namespace

std::optional<std::string> HistoryModel::check_all() {
  if (twice_) {
    return twice_;
  }
  for (auto& [name, topic] : topics_) {
    if (auto violation = check(name, topic)) {
      return violation;
    }
  }
  may_lose_ = may_lose_ && is_put_off_;
  is_put_off_ = false;
  return std::nullopt;
}

std::optional<std::string> HistoryModel::check(const std::string& name, Topic& topic) {
  const TopicPtr found = broker_->find(name);
  if (!found) {
    return topic.is_known ? std::optional("lost: topic " + name) : std::nullopt;
  }
  if (topic.is_deleted) {
    return "back again: topic " + name;
  }
  if (found->record.settings != topic.settings) {
    return "other settings: topic " + name;
  }
  for (const auto& partition : found->partitions) {
    if (auto violation = check(topic, partition->id().partition.value, *partition)) {
      return violation;
    }
  }
  return std::nullopt;
}

std::optional<std::string> HistoryModel::check(Topic& topic, int32_t number,
                                               broker::Partition& partition) {
  Partition& known = topic.partitions[number];
  static_cast<void>(run(log_->sync()));  // the writer has freed what it was told to
  const record::PartitionRange range = partition.range();
  if (range.start.value < known.deleted_below) {
    return fmt::format("deleted records are back: {}, deleted below {}",
                       place(topic.name, number, range.start.value), known.deleted_below);
  }
  if (range.end.value < known.end) {
    return fmt::format("the end went back from {}: {}", known.end,
                       place(topic.name, number, range.end.value));
  }
  known.end = range.end.value;
  std::set<int64_t> found;
  bool is_whole = true;
  if (auto violation = read_all(topic, number, partition, range, found, is_whole)) {
    return violation;
  }
  if (!is_whole) {
    is_put_off_ = true;
    return std::nullopt;
  }
  // What waits for its object is behind what is readable too.
  const bool has_more = log_->range(partition.id()).end > range.end;
  if (auto violation = check_start(topic, known, number, range); violation && !has_more) {
    return violation;
  }
  for (auto& [offset, seen] : known.seen) {
    if (offset < range.start.value || seen.is_lost || found.contains(offset)) {
      continue;
    }
    const bool may_be_lost = may_lose_ && seen.unsynced > synced_at_cut_;
    if (!may_be_lost) {
      return "lost: " + place(topic.name, number, offset);
    }
    seen.is_lost = true;
    counters_.lost_unsynced += seen.is_acked ? 1 : 0;
  }
  return std::nullopt;
}

/// A read, of an object if the journal has it no longer.
bool HistoryModel::may_fail(bool is_of_object) {
  const bool is_bad = is_bucket_ && (is_away_ || is_stormy_) && is_of_object;
  counters_.reads_put_off += is_bad ? 1 : 0;
  return is_bad || disk_.is_off();
}

/// Notes every record in the range. `is_whole` false: what is in a bucket that is away, or on a
/// disk that is off, is looked at another time.
std::optional<std::string> HistoryModel::read_all(Topic& topic, int32_t number,
                                                  broker::Partition& partition,
                                                  record::PartitionRange range,
                                                  std::set<int64_t>& found, bool& is_whole) {
  const Offset kept = log_->range(partition.id()).start;
  for (Offset at = range.start; at < range.end;) {
    const auto batches = run(partition.read(at, 20'000));
    if (!batches.ok() && may_fail(at < kept)) {
      is_whole = false;
      return std::nullopt;
    }
    if (!batches.ok() || batches->empty()) {
      return fmt::format("cannot be read: {}: {}", place(topic.name, number, at.value),
                         batches.ok() ? "nothing" : batches.error().message);
    }
    for (const auto& batch : *batches) {
      const bool is_within = at == range.start && batch.base_offset < at;  // a filler, perhaps
      if (batch.base_offset != at && !is_within) {
        return "a gap before " + place(topic.name, number, batch.base_offset.value);
      }
      counters_.read_from_objects += at < kept ? 1 : 0;
      if (auto violation = note(topic, topic.partitions[number], number, batch, found)) {
        return violation;
      }
      at = batch.base_offset + batch.records;
    }
  }
  return std::nullopt;
}

std::optional<std::string> HistoryModel::note(Topic& topic, Partition& known, int32_t number,
                                              const record::StoredBatch& batch,
                                              std::set<int64_t>& found) {
  const int64_t offset = batch.base_offset.value;
  const auto id = id_of(batch.payload);
  if (!id.ok()) {
    return id.error().message + ": " + place(topic.name, number, offset);
  }
  if (!*id) {
    return std::nullopt;  // a filler: whatever it covers is found missing
  }
  found.insert(offset);
  Seen& seen = known.seen[offset];
  if (seen.is_lost || (seen.id != 0 && seen.id != **id)) {
    return "two values: " + place(topic.name, number, offset);
  }
  if (seen.id == 0) {
    ++counters_.unknown_found;
    seen.id = **id;
    seen.bytes = batch.payload.size();
    seen.ms = batch.max_timestamp_ms;
    seen.unsynced = topic.settings.durability == Durability::kInterval ? ++acks_ : 0;
  }
  return std::nullopt;
}

/// A start moves up only, as far as records were deleted, and only as far as that and
/// retention let it.
std::optional<std::string> HistoryModel::check_start(const Topic& topic, Partition& known,
                                                     int32_t number,
                                                     record::PartitionRange range) const {
  const int64_t start = range.start.value;
  if (start < known.start && !may_lose_) {  // a power cut may bring a freed file back
    return "the start went back: " + place(topic.name, number, start);
  }
  known.start = start;
  if (start <= std::max(known.deleted_below, known.perhaps_below)) {
    return std::nullopt;
  }
  uint64_t bytes = 0;
  const auto last = known.seen.lower_bound(start);
  if (known.seen.begin() == last) {
    return std::nullopt;  // offsets that no record was ever found at
  }
  const bool is_old = topic.settings.retention_ms >= 0 &&
                      std::all_of(known.seen.begin(), last, [&](const auto& one) {
                        return one.first < known.deleted_below || one.second.is_lost ||
                               one.second.ms + topic.settings.retention_ms <=
                                   clock_.wall_ms().time_since_epoch().count();
                      });
  if (is_old) {
    return std::nullopt;
  }
  for (const auto& [offset, seen] : known.seen) {
    bytes += offset >= start && offset < range.end.value ? seen.bytes : 0;
  }
  // How much of a file or an object is behind an offset is estimated.
  if (topic.settings.retention_bytes < 0 || bytes < kKeptBytes / 2) {
    return fmt::format("removed too early: below {}, {} bytes are left",
                       place(topic.name, number, start), bytes);
  }
  return std::nullopt;
}

/// What is left alone though nothing needs it. Its put failed, and was done or came late:
/// retention.bytes took its records out of the journal meanwhile, and how much was behind them then
/// is not known any more, only that it may have been less than what is kept now. Or it came late,
/// and its topic was deleted and forgotten. One such partition in an object is enough.
bool HistoryModel::may_stay(const std::string& name) {
  const auto object = segment::Segment::open(store().read(name).value(), name);
  const auto is_excused = [this](const segment::PartitionRow& row) {
    const TopicPtr topic = broker_->find(row.partition.topic);
    if (!topic) {
      return has_late_puts_ && !broker_->was_deleted(row.partition.topic);
    }
    return topic->record.settings.retention_bytes >= 0 &&
           row.first < topic->partition(row.partition.partition)->range().start;
  };
  return object.ok() && std::ranges::any_of((*object)->tail().partitions, is_excused);
}

/// Nothing of a deleted topic is named, and of one with retention.bytes no part that has as many
/// behind it, whatever else is in their objects.
std::optional<std::string> HistoryModel::check_retention() {
  std::map<TopicPartition, uint64_t> bytes;
  for (const auto& segment : history_->segments()) {
    for (const catalog::SegmentPartRow& part : segment.parts) {
      bytes[part.partition] += part.bytes;
    }
  }
  for (const auto& [partition, all] : bytes) {
    const TopicPtr topic = broker_->find(partition.topic);
    if (!topic) {
      return "parts of a deleted topic stay: " + partition.topic.to_string();
    }
    const int64_t most = topic->record.settings.retention_bytes;
    const catalog::SegmentPartRow first = history_->parts(partition).front();
    if (most >= 0 && all - first.bytes >= static_cast<uint64_t>(most)) {
      return fmt::format("kept too long: {}, {} bytes are behind its part",
                         place(topic->name(), partition.partition.value, first.first.value),
                         all - first.bytes);
    }
  }
  return std::nullopt;
}

std::optional<std::string> HistoryModel::check_store() {
  if (auto violation = check_retention()) {
    return violation;
  }
  std::set<std::string> names;
  for (const auto& segment : history_->segments()) {
    names.insert(segment.name);
  }
  for (const auto& object : *store().list(segment::kFolder)) {
    if (names.erase(object.name) == 0 && !may_stay(object.name)) {
      return "an object that nothing names stays: " + object.name;
    }
  }
  return names.empty() ? std::nullopt : std::optional("an object is missing: " + *names.begin());
}

}  // namespace millrace::broker
