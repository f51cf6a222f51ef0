#include "broker/history.h"

#include <algorithm>
#include <iterator>

namespace millrace::broker {

History::History(objects::ObjectStore& store, size_t cache_bytes,
                 const std::vector<catalog::SegmentRow>& segments)
    : cache_(store, cache_bytes) {
  MutexLock lock(mutex_);
  for (const catalog::SegmentRow& row : segments) {
    add(row);
  }
}

std::optional<record::PartitionRange> History::range(TopicPartition partition) const {
  MutexLock lock(mutex_);
  const auto found = partitions_.find(partition);
  if (found == partitions_.end()) {
    return std::nullopt;
  }
  const Parts& parts = found->second;
  return record::PartitionRange{parts.begin()->first, parts.rbegin()->second.next};
}

std::optional<History::Part> History::find(TopicPartition partition, Offset offset) const {
  MutexLock lock(mutex_);
  const auto found = partitions_.find(partition);
  if (found == partitions_.end()) {
    return std::nullopt;
  }
  const auto behind = found->second.upper_bound(offset);
  if (behind == found->second.begin() || std::prev(behind)->second.next <= offset) {
    return std::nullopt;
  }
  return std::prev(behind)->second;
}

Result<segment::SegmentCache::Part> History::open(const Part& part, TopicPartition partition) {
  return cache_.open(segment::ObjectId(part.segment->object), part.segment->name, partition);
}

Result<std::vector<record::StoredBatch>> History::read(TopicPartition partition, Offset from,
                                                       const record::ReadLimit& limit) {
  auto batches = try_read(partition, from, limit);
  if (!batches.ok()) {
    failures_.note(batches.error(), partition, from);
  }
  return batches;
}

Result<std::optional<record::StoredBatch>> History::find_timestamp(TopicPartition partition,
                                                                   Offset from,
                                                                   int64_t timestamp_ms) {
  auto found = try_find(partition, from, timestamp_ms);
  if (!found.ok()) {
    failures_.note(found.error(), partition, {});
  }
  return found;
}

Result<std::vector<record::StoredBatch>> History::try_read(TopicPartition partition, Offset from,
                                                           const record::ReadLimit& limit) {
  const auto part = find(partition, from);
  if (!part) {
    return make_error(Code::kNotFound, "offset {} of partition {} is in no segment", from,
                      partition.partition);
  }
  MILLRACE_TRY(const auto opened, open(*part, partition));
  return opened.read(from, limit);
}

std::optional<History::Part> History::find_as_new(TopicPartition partition, Offset from,
                                                  int64_t timestamp_ms) const {
  MutexLock lock(mutex_);
  const auto found = partitions_.find(partition);
  if (found == partitions_.end()) {
    return std::nullopt;
  }
  const auto at = std::ranges::find_if(found->second, [&](const auto& one) {
    return one.second.next > from && one.second.max_timestamp_ms >= timestamp_ms;
  });
  return at == found->second.end() ? std::nullopt : std::optional(at->second);
}

Result<std::optional<record::StoredBatch>> History::try_find(TopicPartition partition, Offset from,
                                                             int64_t timestamp_ms) {
  while (const auto part = find_as_new(partition, from, timestamp_ms)) {
    MILLRACE_TRY(const auto opened, open(*part, partition));
    const auto& batches = opened.index->batches;
    const auto is_as_new = [&](const auto& one) { return one.max_timestamp_ms >= timestamp_ms; };
    const auto at = std::ranges::find_if(
        batches, [&](const auto& one) { return one.next() > from && is_as_new(one); });
    if (at != batches.end()) {
      MILLRACE_TRY(auto found, opened.read(at->base, 1));
      return std::optional(std::move(found.front()));
    }
    if (std::ranges::none_of(batches, is_as_new)) {
      return make_error(Code::kCorrupt, "{}: its index has no batch as new as the catalog says",
                        part->segment->name);
    }
    from = part->next;  // what is as new is before `from`
  }
  return std::optional<record::StoredBatch>();
}

void History::apply(const catalog::SegmentsCommit& commit) {
  {
    MutexLock lock(mutex_);
    for (const catalog::TrimmedPart& part : commit.trimmed) {
      trim(part);
    }
    for (const Uuid& object : commit.removed) {
      remove(object);
    }
    for (const catalog::SegmentRow& row : commit.added) {
      add(row);
    }
  }
  for (const Uuid& object : commit.removed) {
    cache_.forget(segment::ObjectId(object));
  }
}

void History::add(const catalog::SegmentRow& row) {
  const auto segment = std::make_shared<const catalog::SegmentRow>(row);
  segments_[row.object] = segment;
  names_.insert(row.name);
  being_made_.erase(row.object);
  bytes_ += row.bytes;
  for (const catalog::SegmentPartRow& part : row.parts) {
    partitions_[part.partition][part.first] = {part.next, part.max_timestamp_ms, segment};
  }
}

void History::trim(const catalog::TrimmedPart& trimmed) {
  auto row = *segments_.at(trimmed.object);
  const auto part =
      std::ranges::find(row.parts, trimmed.partition, &catalog::SegmentPartRow::partition);
  remove(*part);
  row.parts.erase(part);
  trimmed_[trimmed.object].insert(trimmed.partition.topic);
  segments_[trimmed.object] = std::make_shared<const catalog::SegmentRow>(std::move(row));
}

void History::remove(const catalog::SegmentPartRow& part) {
  const auto partition = partitions_.find(part.partition);
  partition->second.erase(part.first);
  if (partition->second.empty()) {
    partitions_.erase(partition);
  }
}

void History::remove(const Uuid& object) {
  const auto segment = segments_.find(object);
  if (segment == segments_.end()) {
    return;
  }
  for (const catalog::SegmentPartRow& part : segment->second->parts) {
    remove(part);
  }
  bytes_ -= segment->second->bytes;
  removed_[object] = segment->second;
  names_.erase(segment->second->name);
  segments_.erase(segment);
}

void History::set_being_cut(const void* maker, std::vector<TopicPartition> partitions) {
  MutexLock lock(mutex_);
  being_cut_[maker] = {partitions.begin(), partitions.end()};
}

bool History::is_being_cut(TopicPartition partition) const {
  MutexLock lock(mutex_);
  return std::ranges::any_of(being_cut_,
                             [&](const auto& entry) { return entry.second.contains(partition); });
}

void History::begin_making(const Uuid& object) {
  MutexLock lock(mutex_);
  being_made_.insert(object);
}

void History::end_making(const Uuid& object) {
  MutexLock lock(mutex_);
  being_made_.erase(object);
}

bool History::knows(const std::string& object_name) const {
  MutexLock lock(mutex_);
  const auto is_being_made = [&](const Uuid& object) {
    return object_name.ends_with(object.to_string() + ".seg");
  };
  return names_.contains(object_name) || std::ranges::any_of(being_made_, is_being_made);
}

History::Size History::size() const {
  MutexLock lock(mutex_);
  return {segments_.size(), bytes_};
}

void History::tell_perhaps_left(const std::vector<TopicPartition>& partitions) {
  MutexLock lock(mutex_);
  for (const TopicPartition& partition : partitions) {
    perhaps_left_.insert(partition.topic);
  }
}

void History::tell_contents(const std::map<Uuid, std::set<TopicId>>& topics) {
  MutexLock lock(mutex_);
  for (const auto& [object, its_topics] : topics) {
    trimmed_[object].insert(its_topics.begin(), its_topics.end());
  }
  has_contents_ = true;
}

bool History::may_have(const TopicId& topic) const {
  MutexLock lock(mutex_);
  const auto is_of_it = [&](const auto& one) { return one.partition.topic == topic; };
  return !is_swept_ || !has_contents_ || perhaps_left_.contains(topic) ||
         std::ranges::any_of(partitions_,
                             [&](const auto& one) { return one.first.topic == topic; }) ||
         std::ranges::any_of(
             removed_,
             [&](const auto& one) { return std::ranges::any_of(one.second->parts, is_of_it); }) ||
         std::ranges::any_of(trimmed_, [&](const auto& one) { return one.second.contains(topic); });
}

void History::gone(const Uuid& object) {
  MutexLock lock(mutex_);
  removed_.erase(object);
  trimmed_.erase(object);
}

void History::tell_swept() {
  MutexLock lock(mutex_);
  is_swept_ = true;
}

std::vector<catalog::SegmentRow> History::segments() const {
  MutexLock lock(mutex_);
  std::vector<catalog::SegmentRow> rows;
  rows.reserve(segments_.size());
  for (const auto& [object, segment] : segments_) {
    rows.push_back(*segment);
  }
  return rows;
}

std::vector<History::SegmentPtr> History::segments_if(
    const std::function<bool(const catalog::SegmentRow&)>& is_wanted) const {
  MutexLock lock(mutex_);
  std::vector<SegmentPtr> wanted;
  for (const auto& [object, segment] : segments_) {
    if (is_wanted(*segment)) {
      wanted.push_back(segment);
    }
  }
  return wanted;
}

std::vector<catalog::SegmentPartRow> History::parts(TopicPartition partition) const {
  MutexLock lock(mutex_);
  std::vector<catalog::SegmentPartRow> parts;
  if (const auto found = partitions_.find(partition); found != partitions_.end()) {
    for (const auto& [first, part] : found->second) {
      parts.push_back(
          *std::ranges::find(part.segment->parts, partition, &catalog::SegmentPartRow::partition));
    }
  }
  return parts;
}

}  // namespace millrace::broker
