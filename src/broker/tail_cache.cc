#include "broker/tail_cache.h"

#include <algorithm>

namespace millrace::broker {

void TailCache::put(TopicPartition partition, record::StoredBatch batch) {
  MutexLock lock(mutex_);
  Line& line = lines_[partition];
  if (!line.batches.empty() && batch.base_offset < line.end) {
    return;
  }
  if (!line.batches.empty() && batch.base_offset != line.end) {
    line.batches.clear();  // their ages leave the queue when their turn comes
  }
  const size_t bytes = cost(batch);
  line.end = batch.base_offset + batch.records;
  ages_.push_back({partition, batch.base_offset, bytes});
  line.batches.push_back(std::move(batch));
  bytes_ += bytes;
  evict();
}

void TailCache::evict() {
  while (bytes_ > max_bytes_ && !ages_.empty()) {
    const Age oldest = ages_.front();
    ages_.pop_front();
    bytes_ -= oldest.bytes;
    const auto line = lines_.find(oldest.partition);
    if (line == lines_.end()) {
      continue;
    }
    auto& batches = line->second.batches;
    if (!batches.empty() && batches.front().base_offset == oldest.base) {
      batches.pop_front();
    }
    if (batches.empty()) {
      lines_.erase(line);
    }
  }
}

std::vector<record::StoredBatch> TailCache::read(TopicPartition partition, Offset from,
                                                 size_t max_bytes) const {
  std::vector<record::StoredBatch> found;
  MutexLock lock(mutex_);
  const auto line = lines_.find(partition);
  if (line == lines_.end() || line->second.batches.empty() ||
      from < line->second.batches.front().base_offset || from >= line->second.end) {
    return found;
  }
  const auto& batches = line->second.batches;
  auto at = std::upper_bound(
      batches.begin(), batches.end(), from,
      [](Offset wanted, const record::StoredBatch& batch) { return wanted < batch.base_offset; });
  size_t bytes = 0;
  for (--at; at != batches.end(); ++at) {
    if (!found.empty() && bytes + at->payload.size() > max_bytes) {
      break;
    }
    bytes += at->payload.size();
    found.push_back(*at);
  }
  return found;
}

void TailCache::forget(TopicPartition partition) {
  MutexLock lock(mutex_);
  lines_.erase(partition);
}

size_t TailCache::bytes() const {
  MutexLock lock(mutex_);
  return bytes_;
}

}  // namespace millrace::broker
