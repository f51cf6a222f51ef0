// Reads what lies in the journal's sealed files and in segment objects, slowly, and checks every
// CRC, so that damage is known before a reader meets it.
#pragma once

#include "base/backoff.h"
#include "base/result.h"
#include "broker/broker.h"
#include "broker/history.h"
#include "io/disk.h"
#include "journal/commit_log.h"
#include "journal/file_check.h"
#include "objects/object_store.h"
#include "runtime/blocking_pool.h"
#include "runtime/cancel_token.h"
#include "runtime/task.h"
#include "segment/object_check.h"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

namespace millrace::broker {

/// All outlive it.
struct ScrubParts {
  const Broker& broker;
  const journal::JournalLog& log;
  io::Disk& disk;               // the journal's
  objects::ObjectStore& store;  // without a cache: what is read is to be what is stored
  const History& history;
  runtime::BlockingPool& pool;  // reads run on it
};

struct ScrubOptions {
  std::chrono::milliseconds interval{0};          // from one pass to the next; 0: never
  uint64_t bytes_per_second = uint64_t{8} << 20;  // at most
  segment::ObjectCheck::Depth objects = segment::ObjectCheck::Depth::kData;
  std::string data;  // the directory, for what the log says
};

/// A pass goes through all once, from the oldest journal file on, and remembers no place: a start
/// begins a new one. It holds no file: what is freed or removed meanwhile is passed over. One loop;
/// counters by any thread.
class Scrub {
 public:
  Scrub(const ScrubParts& parts, ScrubOptions options);

  /// Pass after pass until `stop`; the first one after a minute or so, not the same for all servers
  /// that start together. Shard: any.
  runtime::Task<void> run(runtime::CancelToken stop);

  /// One pass. Errors: kCancelled; those of a store that cannot be asked now, of all else is the
  /// rest.
  runtime::Task<Status> pass(runtime::CancelToken stop);

  uint64_t read_bytes() const { return read_bytes_.load(); }

  uint64_t passes() const { return passes_.load(); }  // whole ones

  /// Places, each once however often it is met.
  uint64_t damaged() const { return damaged_.load(); }

  /// Places that the last whole pass met, or the one under way if it has met more.
  uint64_t damaged_now() const;

  /// Since the last whole pass; since the start, when there was none.
  std::chrono::duration<double> age() const;

 private:
  struct FileWork;
  struct ObjectWork;

  runtime::Task<Status> check_file(journal::Index::Sealed file, runtime::CancelToken stop);
  runtime::Task<Status> check_object(catalog::SegmentRow row, runtime::CancelToken stop);
  /// Waits until `bytes` more are within the rate. false: `stop` came.
  runtime::Task<bool> pay(uint64_t bytes, runtime::CancelToken stop);

  bool step(FileWork& work);
  Result<bool> step(ObjectWork& work);
  Result<bool> open(ObjectWork& work);

  void tell(const std::string& file, const journal::FileDamage& damage);
  bool tell(const ObjectWork& work, const segment::ObjectCheck::Damages& damages);
  void tell(const std::string& file, const char* problem, std::optional<uint64_t> position,
            const std::string& what, const std::vector<segment::PartRange>& touched);
  std::string text_of(const segment::PartRange& range) const;

  const ScrubParts parts_;
  const ScrubOptions options_;
  std::atomic<bool> is_stopping_{false};
  std::chrono::steady_clock::time_point paid_at_{};  // when all that was read is within the rate
  std::set<std::string> told_;                       // used by one step after the other
  std::atomic<uint64_t> read_bytes_{0};
  std::atomic<uint64_t> passes_{0};
  std::atomic<uint64_t> damaged_{0};
  std::atomic<uint64_t> met_{0};  // by the pass under way
  std::atomic<uint64_t> met_last_{0};
  std::atomic<int64_t> whole_at_ns_;  // steady clock
};

}  // namespace millrace::broker
