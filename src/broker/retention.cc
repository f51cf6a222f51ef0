// Which journal files nobody wants any more.
#include "base/log.h"
#include "broker/broker.h"
#include "runtime/coroutine.h"

#include <algorithm>
#include <iterator>
#include <ranges>
#include <unordered_map>

namespace millrace::broker {
namespace {

using journal::FileSummary;
using journal::PartitionSpan;

/// Bytes of each partition in all files, counted down while files are given up from the oldest on.
using BytesLeft = std::unordered_map<TopicPartition, uint64_t>;

constexpr size_t kPartitionsNamed = 8;  // in a line of the log
constexpr size_t kTopicsNamed = 8;

BytesLeft bytes_in(const std::vector<FileSummary>& files) {
  BytesLeft bytes;
  for (const FileSummary& file : files) {
    for (const auto& [partition, span] : file.partitions) {
      bytes[partition] += span.bytes;
    }
  }
  return bytes;
}

/// All of its records below `end` are.
bool is_deleted(const Topic& topic, PartitionId partition, Offset end) {
  const auto found = topic.partition(partition);
  return found && end <= found->deleted_below();
}

/// Why a span of an expired topic was freed.
const char* reason_of(const Topic& topic, PartitionId partition, const PartitionSpan& span,
                      int64_t now_ms) {
  const TopicSettings& settings = topic.record.settings;
  return settings.is_table                                    ? "its rows are in table files"
         : is_deleted(topic, partition, span.end)             ? "delete-records"
         : settings.is_too_old(span.max_timestamp_ms, now_ms) ? "retention.ms"
                                                              : "retention.bytes";
}

std::string names_of(const std::vector<Pin>& pins, size_t limit) {
  std::string names;
  for (size_t i = 0; i < std::min(pins.size(), limit); ++i) {
    names += (names.empty() ? "" : ", ") + pins[i].topic->name();
  }
  return pins.size() > limit ? fmt::format("{} and {} more", names, pins.size() - limit) : names;
}

}  // namespace

Broker::Wanted Broker::first_wanted(const std::vector<FileSummary>& files) const {
  BytesLeft left = bytes_in(files);
  const int64_t now_ms = clock_.wall_ms().time_since_epoch().count();
  for (const FileSummary& file : files) {
    std::map<std::string, Pin> pins;
    for (const auto& [partition, span] : file.partitions) {
      const TopicPtr topic = find(partition.topic);
      if (!topic) {
        continue;
      }
      const InSegments segments = in_segments(partition, span.end);
      const auto owner = topic->partition(partition.partition);
      const bool is_expired = is_deleted(*topic, partition.partition, span.end) ||
                              topic->record.settings.is_expired(
                                  span.max_timestamp_ms, left[partition] - span.bytes, now_ms);
      const bool is_wanted = segments == InSegments::kBefore ||
                             (owner && owner->waits_for_objects(span.end)) || !is_expired;
      const bool is_kept = segments != InSegments::kIt && is_wanted;
      if (is_kept || (observer_ != nullptr && observer_->needs(partition.topic, span.end))) {
        const auto [at, is_new] = pins.try_emplace(topic->name(), Pin{topic, 0, true});
        at->second.bytes += span.bytes;
        at->second.is_needed = at->second.is_needed && !is_kept;
      }
    }
    if (!pins.empty() && file.number < files.back().number) {
      Wanted wanted{file.number, {}};
      std::ranges::move(pins | std::views::values, std::back_inserter(wanted.pins));
      return wanted;
    }
    for (const auto& [partition, span] : file.partitions) {
      left[partition] -= span.bytes;
    }
  }
  return {files.empty() ? FileNumber{0} : files.back().number, {}};
}

/// What comes next in segments must follow what is in them: it is kept until it is there, however
/// old it is.
Broker::InSegments Broker::in_segments(TopicPartition partition, Offset end) const {
  if (sources_.history == nullptr) {
    return InSegments::kNothing;
  }
  // In this order: a cut that ends in between is seen in one of them.
  const bool is_being_cut = sources_.history->is_being_cut(partition);
  const auto history = sources_.history->range(partition);
  if (history && history->end >= end) {
    return InSegments::kIt;
  }
  return history || is_being_cut ? InSegments::kBefore : InSegments::kNothing;
}

bool Broker::is_short_of_room(uint64_t bytes) const {
  return static_cast<double>(bytes) > static_cast<double>(log_.max_bytes()) * kShortOfRoom;
}

std::vector<Pin> Broker::pins() const {
  return is_short_of_room() ? first_wanted(log_.files()).pins : std::vector<Pin>();
}

runtime::Task<void> Broker::apply_retention() {
  const auto files = log_.files();
  if (log_.is_poisoned() || files.empty()) {
    co_return;
  }
  const Wanted wanted = first_wanted(files);
  FileNumber first = files.front().number;
  if (wanted.file > first) {
    first = log_.free_below(wanted.file);
    tell_freed(files, first);
  }
  uint64_t kept = 0;
  for (const FileSummary& file : files) {
    kept += file.number < first ? 0 : file.bytes;
  }
  const bool is_short = is_short_of_room(kept);
  log_.set_kept_for(is_short ? names_of(wanted.pins, kTopicsNamed) : "");
  if (is_short) {
    std::vector<TopicId> needed;
    for (const Pin& pin : wanted.pins) {
      if (pin.is_needed) {
        needed.push_back(pin.topic->record.id);
      }
    }
    if (observer_ != nullptr && !needed.empty() && needed.size() == wanted.pins.size()) {
      observer_->let_go(needed);
    }
    warn(wanted.pins, kept);
  }
  co_await end_tombstones(files);
}

/// One line for all files below `first`, each file once: where their partitions start now, and why.
void Broker::tell_freed(const std::vector<FileSummary>& files, FileNumber first) {
  struct Freed {
    Offset start;
    const char* reason;
  };

  const int64_t now_ms = clock_.wall_ms().time_since_epoch().count();
  std::map<std::pair<std::string, PartitionId>, Freed> freed;
  size_t count = 0;
  for (const FileSummary& file : files) {
    if (file.number >= first || file.number < told_freed_below_) {
      continue;
    }
    ++count;
    for (const auto& [partition, span] : file.partitions) {
      const TopicPtr topic = find(partition.topic);
      if (topic && in_segments(partition, span.end) != InSegments::kIt) {
        freed[{topic->name(), partition.partition}] = {
            span.end, reason_of(*topic, partition.partition, span, now_ms)};
      }
    }
  }
  told_freed_below_ = std::max(told_freed_below_, first);
  std::string starts;
  size_t named = 0;
  for (const auto& [partition, what] : freed) {
    if (named++ == kPartitionsNamed) {
      starts += fmt::format(", and {} more partitions", freed.size() - kPartitionsNamed);
      break;
    }
    starts += fmt::format("{}{} partition {} starts at {} ({})", starts.empty() ? "" : ", ",
                          partition.first, partition.second, what.start, what.reason);
  }
  if (!freed.empty()) {
    log::info("journal", "{} {} freed: {}", count, count == 1 ? "file" : "files", starts);
  }
}

/// Once a minute, and when other topics are in the way.
void Broker::warn(const std::vector<Pin>& pins, uint64_t bytes) {
  constexpr std::chrono::minutes kBetweenLines{1};
  std::string names = names_of(pins, pins.size());
  if (names.empty()) {
    names = "what is being written";
  }
  const auto now = clock_.steady();
  if (names == warned_of_ && warned_at_ && now - *warned_at_ < kBetweenLines) {
    return;
  }
  warned_of_ = names;
  warned_at_ = now;
  log::warning("journal",
               "{} of {} bytes in use (journal.max_bytes); the oldest file is kept for: {}", bytes,
               log_.max_bytes(), names);
}

runtime::Task<void> Broker::end_tombstones(const std::vector<FileSummary>& files) {
  std::vector<TopicRecord> ended;
  {
    MutexLock lock(mutex_);
    for (const auto& [id, record] : tombstones_) {
      const TopicId topic = id;
      const bool is_named = std::any_of(files.begin(), files.end(), [&](const FileSummary& file) {
        return std::any_of(file.partitions.begin(), file.partitions.end(),
                           [&](const auto& entry) { return entry.first.topic == topic; });
      });
      const bool is_in_objects = sources_.history != nullptr && sources_.history->may_have(topic);
      const bool is_in_files = observer_ != nullptr && observer_->holds(topic);
      if (!is_named && !is_in_objects && !is_in_files) {
        ended.push_back(record);
      }
    }
  }
  for (const TopicRecord& record : ended) {
    record::CommitRequest request;
    request.makes_room = true;
    request.system.push_back(record.to_removal());
    if (const auto outcome = co_await log_.commit(std::move(request)); !outcome.ok()) {
      co_return;  // the next round tries again
    }
    MutexLock lock(mutex_);
    tombstones_.erase(record.id);
  }
}

}  // namespace millrace::broker
