// The records of topics that lie in segment objects: which object has which offsets, and reading
// them.
#pragma once

#include "base/ids.h"
#include "base/mutex.h"
#include "base/result.h"
#include "catalog/catalog.h"
#include "objects/object_store.h"
#include "record/commit_log.h"
#include "record/read_failures.h"
#include "segment/segment_cache.h"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace millrace::broker {

/// What the catalog says of segments, in memory. Thread-safe; what reads blocks. The store outlives
/// it.
class History {
 public:
  using SegmentPtr = std::shared_ptr<const catalog::SegmentRow>;

  /// `segments`: as the catalog was opened. `cache_bytes`: of open objects' indexes.
  History(objects::ObjectStore& store, size_t cache_bytes,
          const std::vector<catalog::SegmentRow>& segments);

  /// What of it lies in objects, dense from start to end; nullopt: nothing does.
  std::optional<record::PartitionRange> range(TopicPartition partition) const;

  /// Whole batches from the one that holds `from`, at least one, of one object, so that fewer than
  /// `limit` do not mean that there are no more. Errors: kNotFound (`from` is not in range()),
  /// those of segment::SegmentCache::open and segment::Segment::read.
  Result<std::vector<record::StoredBatch>> read(TopicPartition partition, Offset from,
                                                const record::ReadLimit& limit);

  /// Of read() and find_timestamp(): damage or a store that fails, as the log names it.
  uint64_t read_failures() const { return failures_.count(); }

  /// The first batch that ends behind `from` and whose greatest timestamp is at least
  /// `timestamp_ms`; nullopt: there is none. Errors: as read().
  Result<std::optional<record::StoredBatch>> find_timestamp(TopicPartition partition, Offset from,
                                                            int64_t timestamp_ms);

  /// The catalog has committed it: readers find what was added, and no longer what was removed.
  void apply(const catalog::SegmentsCommit& commit);

  /// Objects with these partitions are being made: what follows must not be freed, as if something
  /// of them were in segments already. Another call of the same `maker` ends those before.
  void set_being_cut(const void* maker, std::vector<TopicPartition> partitions);
  bool is_being_cut(TopicPartition partition) const;

  /// An object is on its way into the store and the catalog, until apply() or end_making(). One of
  /// a commit whose outcome is unknown stays.
  void begin_making(const Uuid& object);
  void end_making(const Uuid& object);
  /// The catalog names it, or somebody is making it. For who has listed the store before.
  bool knows(const std::string& object_name) const;

  /// All objects, by id: for retention and for descriptions.
  std::vector<catalog::SegmentRow> segments() const;
  /// Those of them for which it is true; `is_wanted` does not call this.
  std::vector<SegmentPtr> segments_if(
      const std::function<bool(const catalog::SegmentRow&)>& is_wanted) const;
  /// A partition's parts of all objects, in order of offset.
  std::vector<catalog::SegmentPartRow> parts(TopicPartition partition) const;

  /// What it is about, for metrics.
  struct Size {
    uint64_t objects = 0;
    uint64_t bytes = 0;  // of objects
  };

  Size size() const;

  /// A put of an object with something of these topics failed, or a removal after it: the object
  /// may be there for all that is known. Until the next start, which looks.
  void tell_perhaps_left(const std::vector<TopicPartition>& partitions);
  /// What objects have of topics, also of those that an earlier process trimmed; may_have() knows
  /// nothing before.
  void tell_contents(const std::map<Uuid, std::set<TopicId>>& topics);
  /// The store has, or may have, an object with something of the topic: one that the catalog names
  /// for it, or named until it was trimmed; one that it no longer names and that is not gone() yet,
  /// one that is perhaps left, or one of an earlier process.
  bool may_have(const TopicId& topic) const;
  /// What was removed by apply() is no longer in the store.
  void gone(const Uuid& object);
  /// Objects of earlier processes that the catalog does not name were looked for: none is left that
  /// may go.
  void tell_swept();

 private:
  /// A partition's part of an object.
  struct Part {
    Offset next;
    int64_t max_timestamp_ms = -1;
    SegmentPtr segment;
  };

  using Parts = std::map<Offset, Part>;  // by first offset; dense

  /// The part that holds `offset`.
  std::optional<Part> find(TopicPartition partition, Offset offset) const;
  Result<std::vector<record::StoredBatch>> try_read(TopicPartition partition, Offset from,
                                                    const record::ReadLimit& limit);
  /// The first part that ends behind `from` and has something as new.
  std::optional<Part> find_as_new(TopicPartition partition, Offset from,
                                  int64_t timestamp_ms) const;
  Result<std::optional<record::StoredBatch>> try_find(TopicPartition partition, Offset from,
                                                      int64_t timestamp_ms);
  Result<segment::SegmentCache::Part> open(const Part& part, TopicPartition partition);
  void add(const catalog::SegmentRow& row) MILLRACE_REQUIRES(mutex_);
  void trim(const catalog::TrimmedPart& trimmed) MILLRACE_REQUIRES(mutex_);
  void remove(const catalog::SegmentPartRow& part) MILLRACE_REQUIRES(mutex_);
  void remove(const Uuid& object) MILLRACE_REQUIRES(mutex_);

  segment::SegmentCache cache_;
  record::ReadFailures failures_{"segments"};
  mutable Mutex mutex_;
  std::map<Uuid, SegmentPtr> segments_ MILLRACE_GUARDED_BY(mutex_);
  uint64_t bytes_ MILLRACE_GUARDED_BY(mutex_) = 0;
  std::map<const void*, std::unordered_set<TopicPartition>> being_cut_ MILLRACE_GUARDED_BY(mutex_);
  std::unordered_set<std::string> names_ MILLRACE_GUARDED_BY(mutex_);  // of segments_
  std::set<Uuid> being_made_ MILLRACE_GUARDED_BY(mutex_);
  std::map<Uuid, SegmentPtr> removed_ MILLRACE_GUARDED_BY(mutex_);
  /// Topics of parts that were trimmed, perhaps of others too, until the object is gone.
  std::map<Uuid, std::set<TopicId>> trimmed_ MILLRACE_GUARDED_BY(mutex_);
  std::unordered_set<TopicId> perhaps_left_ MILLRACE_GUARDED_BY(mutex_);
  bool is_swept_ MILLRACE_GUARDED_BY(mutex_) = false;
  bool has_contents_ MILLRACE_GUARDED_BY(mutex_) = false;
  std::unordered_map<TopicPartition, Parts> partitions_ MILLRACE_GUARDED_BY(mutex_);
};

}  // namespace millrace::broker
