// Which journal files nobody wants any more.
#include "base/log.h"
#include "broker/broker.h"
#include "runtime/coroutine.h"

#include <algorithm>
#include <unordered_map>

namespace millrace::broker {
namespace {

using journal::FileSummary;
using journal::PartitionSpan;

/// Bytes of each partition in all files, counted down while files are given up from the oldest on.
using BytesLeft = std::unordered_map<TopicPartition, uint64_t>;

bool is_expired(const TopicSettings& settings, const PartitionSpan& span, uint64_t bytes_left,
                int64_t now_ms) {
  const bool too_old =
      settings.retention_ms >= 0 && span.max_timestamp_ms < now_ms - settings.retention_ms;
  const bool too_many = settings.retention_bytes >= 0 &&
                        bytes_left - span.bytes >= static_cast<uint64_t>(settings.retention_bytes);
  return too_old || too_many;
}

}  // namespace

FileNumber Broker::first_wanted_file(const std::vector<FileSummary>& files) const {
  BytesLeft left;
  for (const FileSummary& file : files) {
    for (const auto& [partition, span] : file.partitions) {
      left[partition] += span.bytes;
    }
  }
  const int64_t now_ms = clock_.wall_ms().time_since_epoch().count();
  for (const FileSummary& file : files) {
    for (const auto& [partition, span] : file.partitions) {
      const TopicPtr topic = find(partition.topic);
      if (topic && !is_expired(topic->record.settings, span, left[partition], now_ms)) {
        return file.number;
      }
    }
    for (const auto& [partition, span] : file.partitions) {
      left[partition] -= span.bytes;
    }
  }
  return files.empty() ? FileNumber{0} : files.back().number;
}

runtime::Task<void> Broker::apply_retention() {
  const auto files = log_.files();
  if (log_.is_poisoned()) {
    co_return;
  }
  if (const FileNumber wanted = first_wanted_file(files);
      !files.empty() && wanted > files.front().number) {
    log_.free_below(wanted);
  }
  const uint64_t limit = log_.max_bytes() / 10 * 8;
  if (const uint64_t used = log_.total_bytes(); used > limit && !files.empty()) {
    std::string pinning;
    for (const auto& [partition, span] : files.front().partitions) {
      const TopicPtr topic = find(partition.topic);
      if (topic && pinning.find(topic->name()) == std::string::npos) {
        pinning += (pinning.empty() ? "" : ", ") + topic->name();
      }
    }
    log::warning("journal",
                 "{} of {} bytes in use (journal.max_bytes); the oldest file is kept for: {}", used,
                 log_.max_bytes(), pinning);
  }
  co_await end_tombstones(files);
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
      if (!is_named) {
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
