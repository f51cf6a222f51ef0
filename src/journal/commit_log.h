// The local commit log: one thread that turns everything queued into runs, and syncs them.
#pragma once

#include "base/clock.h"
#include "base/mutex.h"
#include "base/result.h"
#include "io/disk.h"
#include "journal/chunk_cache.h"
#include "journal/fair_queue.h"
#include "journal/files.h"
#include "journal/index.h"
#include "journal/open.h"
#include "journal/reader.h"
#include "journal/writer.h"
#include "record/commit_log.h"
#include "record/read_failures.h"
#include "runtime/blocking_pool.h"
#include "runtime/cancel_token.h"
#include "runtime/signal.h"

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace millrace::journal {

struct JournalOptions {
  std::string directory;  // DIR/journal
  RecoveryOptions recovery;
  std::chrono::milliseconds prove_after{1000};  // idleness after which the last run is proven
  size_t chunk_bytes = size_t{32} << 20;        // memory for pieces of files that are read
};

/// Threads: one writes; one makes the next file ready and stores the index of sealed ones. Reads
/// run on `readers`. All calls are thread-safe. stop() before the destruction of `readers`.
class JournalLog final : public record::CommitLog {
 public:
  /// Recovers and starts the threads. Errors: those of recover() and open_writer().
  static Result<std::unique_ptr<JournalLog>> open(io::Disk& disk, JournalOptions options,
                                                  const Clock& clock,
                                                  runtime::BlockingPool& readers);
  ~JournalLog() override;

  runtime::Task<Result<record::CommitOutcome>> commit(record::CommitRequest request) override;
  runtime::Task<Status> sync() override;
  runtime::Task<Result<std::vector<record::StoredBatch>>> read(TopicPartition partition,
                                                               Offset from,
                                                               record::ReadLimit limit) override;

  /// read() on the calling thread, which waits for the disk.
  Result<std::vector<record::StoredBatch>> read_blocking(TopicPartition partition, Offset from,
                                                         const record::ReadLimit& limit);

  record::PartitionRange range(TopicPartition partition) const override {
    return index_.range(partition);
  }

  runtime::Task<Result<std::optional<record::StoredBatch>>> find_timestamp(
      TopicPartition partition, Offset from, int64_t timestamp_ms) override;

  const StartReport& report() const { return report_; }

  DirectoryId directory_id() const { return report_.directory; }

  /// The facts of one kind as recovery found them: for their owners, once, before the first commit.
  std::vector<record::SystemFrame> recovered(record::SystemKind kind) const;

  /// A durable run, not older than that of any fsync commit or sync() that has returned.
  JournalPlace place() const;

  /// `name` needs every file from `number` on; a later call moves it. Without a call it needs none.
  /// A move ahead asks for a round.
  void hold(const std::string& name, FileNumber number);
  /// Frees files below `number`, but none that is held. Returns at once: the first file that stays.
  FileNumber free_below(FileNumber number);

  std::vector<FileSummary> files() const { return index_.summaries(); }

  /// For who reads them by itself: opened by path, a file may be freed and used again meanwhile;
  /// has_file() asked after a read says whether what was read was still the file.
  std::vector<Index::Sealed> sealed_files() const { return index_.sealed(); }

  bool has_file(FileNumber number) const { return index_.has(number); }

  std::string path_of(FileNumber number) const { return files_.path_of(number); }

  uint64_t total_bytes() const { return index_.total_bytes(); }

  uint64_t max_bytes() const { return options_.recovery.writer.max_bytes; }

  bool is_poisoned() const { return writer_->is_poisoned(); }

  /// Why writes are refused for want of room, with what helps and what the room is kept for;
  /// nullopt while they are not.
  std::optional<Error> full() const;
  /// For full(): the topics that the oldest file is kept for, "" for none that are known.
  void set_kept_for(std::string topics);

  const WriterCounters& counters() const { return writer_->counters(); }

  /// Of commits that wait for their run.
  uint64_t queued_bytes() const;

  const ChunkCache& chunks() const { return chunks_; }

  /// Reads that met damage or a failing disk.
  uint64_t read_failures() const { return failures_.count(); }

  uint64_t recycled() const { return files_.recycled(); }

  uint64_t zero_written() const { return files_.zero_written(); }

  /// Somebody should look now what can be freed: something ended. Calls before the next round are
  /// one.
  void ask_for_round();

  /// Waits until more than `seen` rotations were made, a round was asked for, `deadline` passed or
  /// `cancel` came; returns how many rotations were made. A round is asked for also when a hold
  /// moves and, ten times a second at most, when a commit is refused for want of room. What is
  /// freed at once becomes the file of the next rotation. One waiter.
  runtime::Task<uint64_t> wait_for_round(uint64_t seen, runtime::Deadline deadline,
                                         runtime::CancelToken cancel);

  /// Refuses new commits (kCancelled), writes what is queued, proves the last run and joins the
  /// threads. Blocks; not from a shard. A second call does nothing.
  void stop();

 private:
  struct Operation : FairQueue::Item {
    using Item::Item;

    runtime::Signal done;
  };

  JournalLog(io::Disk& disk, JournalOptions options, const Clock& clock,
             runtime::BlockingPool& readers);

  void publish_place();
  void write_loop();
  std::chrono::nanoseconds patience() const;

  struct Barrier {
    Status status;
    runtime::Signal done;
  };

  void sync_for(const std::vector<Barrier*>& barriers);
  void tell_poison(const Status& status);
  void write_all(const std::vector<FairQueue::Item*>& taken);
  void after_refusals();
  void tell_of_room();
  void maintain_loop();

  const JournalOptions options_;
  const Clock& clock_;
  runtime::BlockingPool& readers_;
  Files files_;
  Index index_;
  ChunkCache chunks_;
  const Reader reader_;
  record::ReadFailures failures_{"journal"};
  std::unique_ptr<Writer> writer_;  // used by the writer thread once it runs
  StartReport report_;

  mutable Mutex mutex_;
  Condition changed_;   // for the writer
  Condition maintain_;  // for the maintainer
  FairQueue queue_ MILLRACE_GUARDED_BY(mutex_);
  std::vector<Barrier*> barriers_ MILLRACE_GUARDED_BY(mutex_);
  JournalPlace place_ MILLRACE_GUARDED_BY(mutex_);
  FileNumber free_below_ MILLRACE_GUARDED_BY(mutex_);  // 0: nothing to free
  std::map<std::string, FileNumber> holds_ MILLRACE_GUARDED_BY(mutex_);
  std::string kept_for_ MILLRACE_GUARDED_BY(mutex_);
  bool is_stopping_ MILLRACE_GUARDED_BY(mutex_) = false;
  bool needs_maintenance_ MILLRACE_GUARDED_BY(mutex_) = true;
  bool is_round_wanted_ MILLRACE_GUARDED_BY(mutex_) = false;
  std::shared_ptr<runtime::Signal> round_ MILLRACE_GUARDED_BY(mutex_);  // null: nobody waits
  // Used by the writer thread: when refusals last asked for a round, and were last logged; they
  // were, and writes have not been taken since.
  std::optional<std::chrono::steady_clock::time_point> refusals_asked_;
  std::optional<std::chrono::steady_clock::time_point> refusals_logged_;
  bool is_refusing_told_ = false;
  std::thread writer_thread_;
  std::thread maintainer_;
};

}  // namespace millrace::journal
