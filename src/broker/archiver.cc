#include "broker/archiver.h"

#include "runtime/coroutine.h"

#include <algorithm>
#include <map>

namespace millrace::broker {
namespace {

constexpr int kMarksPerAge = 16;

/// Of a span's bytes those behind `first`, about: by the share of its offsets.
uint64_t bytes_behind(const journal::PartitionSpan& span, Offset first) {
  const auto offsets = static_cast<double>(span.end - span.first);
  const auto left = static_cast<double>(span.end - std::max(span.first, first));
  return static_cast<uint64_t>(static_cast<double>(span.bytes) * left / offsets);
}

}  // namespace

runtime::Task<Result<size_t>> Archiver::round(bool is_pressing, runtime::CancelToken stop) {
  auto plan = plan_cuts(collect(maker_.parts().log.files(), is_pressing), rules_);
  co_return co_await maker_.make(std::move(plan), std::move(stop));
}

std::vector<Uncut> Archiver::collect(const std::vector<journal::FileSummary>& files,
                                     bool is_pressing) {
  std::unordered_map<TopicPartition, uint64_t> left;
  for (const auto& file : files) {
    for (const auto& [partition, span] : file.partitions) {
      left[partition] += span.bytes;
    }
  }
  maker_.keep_only([&](TopicPartition partition) { return left.contains(partition); });
  const int64_t now_ms = maker_.parts().clock.wall_ms().time_since_epoch().count();
  std::map<TopicPartition, Uncut> uncut;
  for (const auto& file : files) {
    for (const auto& [partition, span] : file.partitions) {
      const uint64_t behind = left[partition] -= span.bytes;
      const Offset first = std::max(span.first, maker_.made_until(partition));
      const auto topic = maker_.parts().topic(partition.topic);
      if (first >= span.end || maker_.is_damaged(partition) || !topic) {
        continue;
      }
      const bool is_expired = topic->settings.is_expired(span.max_timestamp_ms, behind, now_ms) ||
                              span.end <= maker_.parts().deleted_below(partition);
      if (is_expired && !uncut.contains(partition) && !maker_.parts().history.range(partition)) {
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

/// Late by a part of the age at most: there is a mark now and then only.
std::chrono::steady_clock::duration Archiver::age_of(const Uncut& uncut) {
  std::deque<Mark>& marks = marks_[uncut.partition];
  while (!marks.empty() && marks.front().next <= uncut.first) {
    marks.pop_front();
  }
  const auto now = maker_.parts().clock.steady();
  if (marks.empty() ||
      (marks.back().next < uncut.next && now - marks.back().at >= rules_.age / kMarksPerAge)) {
    marks.push_back({uncut.next, now});
  }
  return now - marks.front().at;
}

}  // namespace millrace::broker
