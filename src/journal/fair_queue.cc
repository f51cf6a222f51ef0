#include "journal/fair_queue.h"

#include <algorithm>

namespace millrace::journal {

FairQueue::Item::Item(Pending commit)
    : pending(std::move(commit)), bytes_(Writer::footprint(pending.request)) {
  for (const auto& batch : pending.request.batches) {
    partitions_.push_back(batch.partition);
  }
  std::ranges::sort(partitions_);
  partitions_.erase(std::unique(partitions_.begin(), partitions_.end()), partitions_.end());
  if (partitions_.empty()) {
    partitions_.emplace_back();
  }
}

void FairQueue::put(Item& item) {
  for (const TopicPartition& partition : item.partitions_) {
    Line& line = lines_[partition];
    item.behind_ += line.items.empty() ? 0 : 1;
    line.items.push_back(&item);
  }
  if (item.behind_ == 0) {
    ready_.push_back(&item);
  }
  ++items_;
  bytes_ += item.bytes_;
}

std::vector<FairQueue::Item*> FairQueue::take(uint64_t max_bytes) {
  std::vector<Item*> taken;
  uint64_t bytes = 0;
  while (!ready_.empty()) {
    Item& item = *ready_.front();
    if (!taken.empty() && bytes + item.bytes_ > max_bytes) {
      break;
    }
    ready_.pop_front();
    bytes += item.bytes_;
    --items_;
    bytes_ -= item.bytes_;
    leave(item);
    taken.push_back(&item);
  }
  return taken;
}

/// Whoever becomes first in all lines thereby is ready: at once while its line's turn lasts.
void FairQueue::leave(Item& item) {
  for (const TopicPartition& partition : item.partitions_) {
    const auto at = lines_.find(partition);
    Line& line = at->second;
    line.items.pop_front();
    if (line.items.empty()) {
      lines_.erase(at);
      continue;
    }
    line.turn_bytes += item.bytes_;
    Item& next = *line.items.front();
    if (--next.behind_ > 0) {
      continue;
    }
    if (line.turn_bytes < kTurnBytes) {
      ready_.push_front(&next);
    } else {
      line.turn_bytes = 0;
      ready_.push_back(&next);
    }
  }
}

}  // namespace millrace::journal
