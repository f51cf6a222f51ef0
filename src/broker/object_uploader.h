// durability=object: a record is acknowledged when an object in the store has it, and the catalog
// the object.
#pragma once

#include "base/ids.h"
#include "base/mutex.h"
#include "base/result.h"
#include "broker/segment_maker.h"
#include "runtime/cancel_token.h"
#include "runtime/signal.h"
#include "runtime/task.h"

#include <chrono>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

namespace millrace::broker {

class Partition;

struct ObjectUploaderOptions {
  uint64_t segment_bytes = uint64_t{64} << 20;
  std::chrono::milliseconds linger{250};       // of the first record that waits
  std::chrono::milliseconds patience{30'000};  // of who waits
};

/// All that came to any partition within a time goes into one object together. What is in the
/// journal and in no object yet, a start takes up again. The parts outlive it.
class ObjectUploader {
 public:
  ObjectUploader(SegmentMakerParts parts, ObjectUploaderOptions options)
      : maker_(std::move(parts), options.segment_bytes), options_(options) {}

  /// Records that the log has committed: those of `partition` below `next`.
  struct Written {
    std::shared_ptr<Partition> partition;
    Offset next;
    uint64_t bytes = 0;
  };

  /// Returns when all of it is in objects and readable. Any shard. Errors: kOutcomeUnknown (not
  /// within the patience: the store is away, and it will be there once that is back), kCancelled
  /// (stopped: likewise after the next start).
  runtime::Task<Status> await(std::vector<Written> records);

  /// The same for what was found by the start; nobody waits.
  void add(const Written& records);

  /// Makes objects until `stop`, whatever fails. On the shard of SegmentMaker::make().
  runtime::Task<void> run(runtime::CancelToken stop);

  /// Why the last try failed, while records wait for the next; any thread.
  std::optional<Error> failure() const;

  const SegmentMakerCounters& counters() const { return maker_.counters(); }

  /// Partitions that it has made objects of: those that are there, and for a while deleted ones.
  /// Not while run() runs.
  size_t remembered() const { return maker_.remembered(); }

 private:
  struct Waiter {
    std::vector<Written> records;
    Status status;
    runtime::Signal done;
  };

  using Pending = std::unordered_map<TopicPartition, Written>;

  void add_locked(const Written& records) MILLRACE_REQUIRES(mutex_);
  runtime::Task<bool> wait_for_records(const runtime::CancelToken& stop);
  runtime::Task<Status> upload(runtime::CancelToken stop);
  void forget_deleted();
  std::vector<std::vector<segment::CutPart>> plan(const Pending& pending) const;
  /// Of a partition, the records below it are in objects, or were and are expired.
  Offset end_of(TopicPartition partition) const;
  void tell(const Pending& pending);
  void finish();

  SegmentMaker maker_;
  const ObjectUploaderOptions options_;
  size_t remembered_ = 0;  // partitions after forget_deleted() went through them
  mutable Mutex mutex_;
  Pending pending_ MILLRACE_GUARDED_BY(mutex_);
  std::list<std::shared_ptr<Waiter>> waiters_ MILLRACE_GUARDED_BY(mutex_);
  std::shared_ptr<runtime::Signal> wake_ MILLRACE_GUARDED_BY(mutex_);  // null: run() is busy
  std::optional<Error> failure_ MILLRACE_GUARDED_BY(mutex_);
  bool is_stopped_ MILLRACE_GUARDED_BY(mutex_) = false;
};

}  // namespace millrace::broker
