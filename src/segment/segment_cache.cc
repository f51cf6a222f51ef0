#include "segment/segment_cache.h"

namespace millrace::segment {
namespace {

size_t cost_of(const Segment& segment) {
  return sizeof(Segment) + segment.held_bytes();
}

size_t cost_of(const PartitionIndex& index) {
  return sizeof(PartitionIndex) + index.batches.size() * sizeof(BatchEntry);
}

}  // namespace

Result<SegmentCache::Part> SegmentCache::open(const ObjectId& object, const std::string& name,
                                              TopicPartition partition) {
  Part part;
  MILLRACE_TRY(part.segment, segment_of(object, name));
  part.row = part.segment->tail().partition(partition);
  if (part.row == nullptr) {
    return make_error(Code::kCorrupt, "{}: it has nothing of partition {} of topic {}",
                      store_.location_of(name), partition.partition, partition.topic.to_string());
  }
  part.index = find_index(object, partition);
  if (!part.index) {
    MILLRACE_TRY(auto index, part.segment->index(*part.row));
    part.index = std::make_shared<const PartitionIndex>(std::move(index));
    add_index(object, partition, part.index);
  }
  return part;
}

Result<std::shared_ptr<const Segment>> SegmentCache::segment_of(const ObjectId& object,
                                                                const std::string& name) {
  {
    MutexLock lock(mutex_);
    if (const auto found = by_object_.find(object); found != by_object_.end()) {
      entries_.splice(entries_.begin(), entries_, found->second);
      return found->second->segment;
    }
  }
  auto reader = store_.read(name);
  if (!reader.ok()) {
    return reader.error().code == Code::kNotFound
               ? make_error(Code::kCorrupt, "{}: the object is missing", store_.location_of(name))
               : reader.error();
  }
  MILLRACE_TRY(auto opened, Segment::open(*std::move(reader), store_.location_of(name)));
  if (opened->footer().object != object) {
    return make_error(Code::kCorrupt, "{}: it is object {}, not {}", store_.location_of(name),
                      opened->footer().object.to_string(), object.to_string());
  }
  const std::shared_ptr<const Segment> segment = std::move(opened);
  MutexLock lock(mutex_);
  if (!by_object_.contains(object)) {  // another thread may have been faster
    const size_t bytes = cost_of(*segment);
    entries_.push_front({object, segment, {}, bytes});
    by_object_[object] = entries_.begin();
    bytes_ += bytes;
    evict();
  }
  return segment;
}

std::shared_ptr<const PartitionIndex> SegmentCache::find_index(const ObjectId& object,
                                                               TopicPartition partition) {
  MutexLock lock(mutex_);
  const auto found = by_object_.find(object);
  if (found == by_object_.end()) {
    return nullptr;
  }
  const auto index = found->second->indexes.find(partition);
  return index == found->second->indexes.end() ? nullptr : index->second;
}

void SegmentCache::add_index(const ObjectId& object, TopicPartition partition,
                             const std::shared_ptr<const PartitionIndex>& index) {
  MutexLock lock(mutex_);
  const auto found = by_object_.find(object);
  if (found == by_object_.end() || !found->second->indexes.emplace(partition, index).second) {
    return;
  }
  found->second->bytes += cost_of(*index);
  bytes_ += cost_of(*index);
  evict();
}

void SegmentCache::evict() {
  while (bytes_ > max_bytes_ && entries_.size() > 1) {
    bytes_ -= entries_.back().bytes;
    by_object_.erase(entries_.back().object);
    entries_.pop_back();
  }
}

void SegmentCache::forget(const ObjectId& object) {
  MutexLock lock(mutex_);
  if (const auto found = by_object_.find(object); found != by_object_.end()) {
    bytes_ -= found->second->bytes;
    entries_.erase(found->second);
    by_object_.erase(found);
  }
}

size_t SegmentCache::bytes() const {
  MutexLock lock(mutex_);
  return bytes_;
}

}  // namespace millrace::segment
