#include "broker/archiver.h"

#include "base/log.h"
#include "runtime/coroutine.h"

#include <algorithm>
#include <map>

namespace millrace::broker {
namespace {

constexpr int kMarksPerAge = 16;

std::vector<TopicPartition> partitions_of(const std::vector<std::vector<segment::CutPart>>& plan) {
  std::vector<TopicPartition> partitions;
  for (const auto& parts : plan) {
    for (const segment::CutPart& part : parts) {
      partitions.push_back(part.partition);
    }
  }
  return partitions;
}

}  // namespace

uint64_t bytes_behind(const journal::PartitionSpan& span, Offset first) {
  const auto offsets = static_cast<double>(span.end - span.first);
  const auto left = static_cast<double>(span.end - std::max(span.first, first));
  return static_cast<uint64_t>(static_cast<double>(span.bytes) * left / offsets);
}

runtime::Task<Result<size_t>> Archiver::round(bool is_pressing, runtime::CancelToken stop) {
  auto made = co_await cut_due(is_pressing, stop);
  parts_.history.set_being_cut({});
  if (made.ok() && *made > 0) {
    parts_.log.ask_for_round();  // journal files may be free now
  }
  co_return made;
}

runtime::Task<Result<size_t>> Archiver::cut_due(bool is_pressing, runtime::CancelToken stop) {
  const auto plan = plan_cuts(collect(parts_.log.files(), is_pressing), rules_);
  parts_.history.set_being_cut(partitions_of(plan));
  // All that the files speak of is durable, and what was to be freed before is.
  MILLRACE_CO_TRY_STATUS(co_await parts_.log.sync());
  const JournalPlace place = parts_.log.place();
  size_t made = 0;
  for (const auto& parts : plan) {
    if (stop.is_cancelled()) {
      break;
    }
    if (!is_there(parts)) {
      continue;  // retention was quicker
    }
    const auto work = [&] { return make(parts, place); };
    auto done = co_await parts_.pool.run(work);
    if (!done.ok()) {
      ++counters_.failures;
      co_return std::move(done).error();
    }
    made += *done ? 1 : 0;
  }
  co_return made;
}

bool Archiver::is_there(const std::vector<segment::CutPart>& parts) const {
  return std::ranges::all_of(parts, [this](const segment::CutPart& part) {
    return parts_.log.range(part.partition).start <= part.first;
  });
}

std::vector<Uncut> Archiver::collect(const std::vector<journal::FileSummary>& files,
                                     bool is_pressing) {
  std::unordered_map<TopicPartition, uint64_t> left;
  for (const auto& file : files) {
    for (const auto& [partition, span] : file.partitions) {
      left[partition] += span.bytes;
    }
  }
  std::erase_if(cut_, [&](const auto& entry) { return !left.contains(entry.first); });
  const int64_t now_ms = parts_.clock.wall_ms().time_since_epoch().count();
  std::map<TopicPartition, Uncut> uncut;
  for (const auto& file : files) {
    for (const auto& [partition, span] : file.partitions) {
      const uint64_t behind = left[partition] -= span.bytes;
      const Offset first = std::max(span.first, cut_until(partition));
      const auto topic = parts_.topic(partition.topic);
      if (first >= span.end || damaged_.contains(partition) || !topic) {
        continue;
      }
      const bool is_expired = topic->settings.is_expired(span.max_timestamp_ms, behind, now_ms);
      if (is_expired && !uncut.contains(partition) && !parts_.history.range(partition)) {
        continue;
      }
      const auto [at, is_new] = uncut.try_emplace(
          partition, Uncut{.partition = partition, .first = first, .next = first});
      Uncut& one = at->second;
      one.next = span.end;
      one.bytes += bytes_behind(span, first);
      if (is_pressing && file.number == files.front().number) {
        one.pressing = one.next;
        one.pressing_bytes = one.bytes;
      }
    }
  }
  std::erase_if(marks_, [&](const auto& entry) { return !uncut.contains(entry.first); });
  std::vector<Uncut> all;
  all.reserve(uncut.size());
  for (auto& [partition, one] : uncut) {
    one.age = age_of(one);
    all.push_back(one);
  }
  return all;
}

Offset Archiver::cut_until(TopicPartition partition) const {
  const auto history = parts_.history.range(partition);
  const auto cut = cut_.find(partition);
  return std::max(history ? history->end : Offset{0}, cut == cut_.end() ? Offset{0} : cut->second);
}

/// Late by a part of the age at most: there is a mark now and then only.
std::chrono::steady_clock::duration Archiver::age_of(const Uncut& uncut) {
  std::deque<Mark>& marks = marks_[uncut.partition];
  while (!marks.empty() && marks.front().next <= uncut.first) {
    marks.pop_front();
  }
  const auto now = parts_.clock.steady();
  if (marks.empty() ||
      (marks.back().next < uncut.next && now - marks.back().at >= rules_.age / kMarksPerAge)) {
    marks.push_back({uncut.next, now});
  }
  return now - marks.front().at;
}

/// false: nothing of it can be read.
Result<bool> Archiver::make(const std::vector<segment::CutPart>& parts, const JournalPlace& place) {
  const segment::Header header{parts_.log.directory_id(), segment::ObjectId(Uuid::random()),
                               parts_.clock.wall_ms().time_since_epoch().count()};
  const segment::CutSource source{[this](TopicPartition partition, Offset from, size_t max_bytes) {
                                    return parts_.log.read_blocking(partition, from, max_bytes);
                                  },
                                  [this](const TopicId& id) {
                                    const auto topic = parts_.topic(id);
                                    return topic ? topic->entry : segment::TopicEntry{id, "", ""};
                                  }};
  MILLRACE_TRY(const auto cut,
               segment::cut(parts_.store, header, parts, source, {.bytes = rules_.bytes}));
  note_unread(cut, parts);
  if (cut.made.partitions.empty()) {
    return false;
  }
  catalog::SegmentsCommit commit{.place = place};
  catalog::SegmentRow& row = commit.added.emplace_back(
      catalog::SegmentRow{cut.made.object, cut.name, cut.made.bytes, header.created_ms, {}});
  for (const auto& part : cut.made.partitions) {
    row.parts.push_back(
        {part.partition, part.first, part.next, part.max_timestamp_ms, part.data_bytes});
  }
  if (Status committed = parts_.catalog.commit_segments(commit); !committed.ok()) {
    if (committed.error().code != Code::kIo) {           // else the catalog may name it after all
      static_cast<void>(parts_.store.remove(cut.name));  // what stays is found by the next start
    }
    return std::move(committed).error();
  }
  parts_.history.apply(commit);
  for (const auto& part : row.parts) {
    cut_[part.partition] = part.next;
  }
  ++counters_.objects;
  counters_.bytes += cut.made.bytes;
  return true;
}

void Archiver::note_unread(const segment::Cut& cut, const std::vector<segment::CutPart>& parts) {
  for (const auto& [partition, error] : cut.unread) {
    Offset next;
    for (const auto& part : parts) {
      next = part.partition == partition ? part.first : next;
    }
    for (const auto& part : cut.made.partitions) {
      next = part.partition == partition ? part.next : next;
    }
    if (error.code == Code::kNotFound) {
      continue;  // its topic was deleted meanwhile
    }
    damaged_[partition] = next;
    log::error("segments",
               "partition {} of topic {} goes into no segment from offset {} on, and keeps its "
               "journal files: {}",
               partition.partition, partition.topic.to_string(), next, error.message);
  }
}

}  // namespace millrace::broker
