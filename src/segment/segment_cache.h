// Segment objects that are open, with the indexes of their partitions, as far as memory goes.
#pragma once

#include "base/mutex.h"
#include "objects/object_store.h"
#include "segment/segment.h"

#include <list>
#include <map>
#include <memory>
#include <string>

namespace millrace::segment {

/// Least recently used ones are closed when what all of them take passes a limit; the last one
/// stays, whatever it takes. Thread-safe; the store outlives it.
class SegmentCache {
 public:
  SegmentCache(objects::ObjectStore& store, size_t max_bytes)
      : store_(store), max_bytes_(max_bytes) {}

  /// A partition of an open object. Valid as long as it is held, whatever the cache does.
  struct Part {
    std::shared_ptr<const Segment> segment;
    const PartitionRow* row = nullptr;
    std::shared_ptr<const PartitionIndex> index;

    Result<std::vector<record::StoredBatch>> read(Offset from,
                                                  const record::ReadLimit& limit) const {
      return segment->read(*row, *index, from, limit);
    }
  };

  /// Reads footer and index unless they are there: blocking. Errors: those of
  /// objects::ObjectStore::read and Segment, which name its location; kCorrupt when there is no
  /// such object, when it is not `object`, or has none of the partition.
  Result<Part> open(const ObjectId& object, const std::string& name, TopicPartition partition);

  /// The object is to be removed. Who holds a part of it reads on as far as the store allows.
  void forget(const ObjectId& object);

  size_t bytes() const;

 private:
  struct Entry {
    ObjectId object;
    std::shared_ptr<const Segment> segment;
    std::map<TopicPartition, std::shared_ptr<const PartitionIndex>> indexes;
    size_t bytes = 0;
  };

  using Entries = std::list<Entry>;  // most recently used first

  Result<std::shared_ptr<const Segment>> segment_of(const ObjectId& object,
                                                    const std::string& name);
  std::shared_ptr<const PartitionIndex> find_index(const ObjectId& object,
                                                   TopicPartition partition);
  void add_index(const ObjectId& object, TopicPartition partition,
                 const std::shared_ptr<const PartitionIndex>& index);
  void evict() MILLRACE_REQUIRES(mutex_);

  objects::ObjectStore& store_;
  const size_t max_bytes_;
  mutable Mutex mutex_;
  Entries entries_ MILLRACE_GUARDED_BY(mutex_);
  std::map<ObjectId, Entries::iterator> by_object_ MILLRACE_GUARDED_BY(mutex_);
  size_t bytes_ MILLRACE_GUARDED_BY(mutex_) = 0;
};

}  // namespace millrace::segment
