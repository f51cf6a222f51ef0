#include "journal/commit_log.h"

#include "base/log.h"
#include "runtime/coroutine.h"

#include <pthread.h>

#include <algorithm>

namespace millrace::journal {
namespace {

constexpr std::chrono::milliseconds kBetweenAsks{100};  // for a round, by refused commits
constexpr std::chrono::minutes kBetweenLines{1};        // of the log about them

}  // namespace

JournalLog::JournalLog(io::Disk& disk, JournalOptions options, const Clock& clock,
                       runtime::BlockingPool& readers)
    : options_(std::move(options)),
      clock_(clock),
      readers_(readers),
      files_(disk, options_.directory),
      chunks_(disk, options_.chunk_bytes),
      reader_(index_, &chunks_) {}

Result<std::unique_ptr<JournalLog>> JournalLog::open(io::Disk& disk, JournalOptions options,
                                                     const Clock& clock,
                                                     runtime::BlockingPool& readers) {
  std::unique_ptr<JournalLog> log(new JournalLog(disk, std::move(options), clock, readers));
  MILLRACE_TRY(auto opened, open_writer(log->files_, log->index_, log->options_.recovery, clock));
  log->writer_ = std::move(opened.writer);
  log->report_ = std::move(opened.report);
  log->publish_place();
  log->writer_thread_ = std::thread([raw = log.get()] { raw->write_loop(); });
  log->maintainer_ = std::thread([raw = log.get()] { raw->maintain_loop(); });
  pthread_setname_np(log->writer_thread_.native_handle(), "journal-write");
  pthread_setname_np(log->maintainer_.native_handle(), "journal-tend");
  return log;
}

JournalLog::~JournalLog() {
  stop();
}

runtime::Task<Result<record::CommitOutcome>> JournalLog::commit(record::CommitRequest request) {
  Operation operation({.request = std::move(request), .queued = clock_.steady()});
  {
    MutexLock lock(mutex_);
    if (is_stopping_) {
      co_return make_error(Code::kCancelled, "the server is stopping; nothing was written");
    }
    const bool is_first = queue_.empty();
    queue_.put(operation);
    if (is_first) {
      changed_.notify_one();
    }
  }
  co_await operation.done.wait(runtime::Deadline::never());
  co_return std::move(operation.pending.result);
}

runtime::Task<Status> JournalLog::sync() {
  Barrier barrier;
  {
    MutexLock lock(mutex_);
    if (is_stopping_) {
      co_return make_error(Code::kCancelled, "the server is stopping");
    }
    barriers_.push_back(&barrier);
    changed_.notify_one();
  }
  co_await barrier.done.wait(runtime::Deadline::never());
  co_return std::move(barrier.status);
}

runtime::Task<Result<std::vector<record::StoredBatch>>> JournalLog::read(TopicPartition partition,
                                                                         Offset from,
                                                                         record::ReadLimit limit) {
  const auto blocking = [this, partition, from, &limit] {
    return read_blocking(partition, from, limit);
  };
  co_return co_await readers_.run(blocking);
}

Result<std::vector<record::StoredBatch>> JournalLog::read_blocking(TopicPartition partition,
                                                                   Offset from,
                                                                   const record::ReadLimit& limit) {
  auto batches = reader_.read(partition, from, limit);
  if (!batches.ok()) {
    failures_.note(batches.error(), partition, from);
  }
  return batches;
}

runtime::Task<Result<std::optional<record::StoredBatch>>> JournalLog::find_timestamp(
    TopicPartition partition, Offset from, int64_t timestamp_ms) {
  const auto blocking = [this, partition, from, timestamp_ms] {
    auto found = reader_.find_timestamp(partition, from, timestamp_ms);
    if (!found.ok()) {
      failures_.note(found.error(), partition, index_.range(partition).start);
    }
    return found;
  };
  co_return co_await readers_.run(blocking);
}

std::vector<record::SystemFrame> JournalLog::recovered(record::SystemKind kind) const {
  return writer_->state().facts(kind);
}

JournalPlace JournalLog::place() const {
  MutexLock lock(mutex_);
  return place_;
}

void JournalLog::publish_place() {
  MutexLock lock(mutex_);
  place_ = writer_->place();
}

void JournalLog::hold(const std::string& name, FileNumber number) {
  {
    MutexLock lock(mutex_);
    FileNumber& held = holds_[name];
    const bool has_moved = held < number;
    held = number;
    if (!has_moved) {
      return;
    }
  }
  ask_for_round();
}

FileNumber JournalLog::free_below(FileNumber number) {
  MutexLock lock(mutex_);
  for (const auto& [name, held] : holds_) {
    number = std::min(number, held);
  }
  free_below_ = std::max(free_below_, number);
  changed_.notify_one();
  return number;
}

uint64_t JournalLog::queued_bytes() const {
  MutexLock lock(mutex_);
  return queue_.bytes();
}

std::optional<Error> JournalLog::full() const {
  auto full = writer_->full();
  if (full) {
    MutexLock lock(mutex_);
    full->message += kept_for_.empty() ? "" : "; all of it is kept for " + kept_for_;
  }
  return full;
}

void JournalLog::set_kept_for(std::string topics) {
  MutexLock lock(mutex_);
  kept_for_ = std::move(topics);
}

void JournalLog::ask_for_round() {
  MutexLock lock(mutex_);
  is_round_wanted_ = true;
  if (round_) {
    round_->set();
  }
}

runtime::Task<uint64_t> JournalLog::wait_for_round(uint64_t seen, runtime::Deadline deadline,
                                                   runtime::CancelToken cancel) {
  const auto signal = std::make_shared<runtime::Signal>();
  bool is_wanted = false;
  {
    MutexLock lock(mutex_);
    round_ = signal;
    std::swap(is_wanted, is_round_wanted_);
  }
  // After it is registered: a rotation in between is either seen here or sets the signal.
  if (is_wanted || counters().rotations > seen) {
    co_return counters().rotations.load();
  }
  const runtime::CancelCallback wake(cancel, [signal] { signal->set(); });
  co_await signal->wait(deadline);
  MutexLock lock(mutex_);
  is_round_wanted_ = false;  // this one is it: what comes from here on is for the next
  co_return counters().rotations.load();
}

void JournalLog::stop() {
  {
    MutexLock lock(mutex_);
    if (is_stopping_) {
      return;
    }
    is_stopping_ = true;
    changed_.notify_one();
    maintain_.notify_one();
  }
  if (writer_thread_.joinable()) {
    writer_thread_.join();
    maintainer_.join();
  }
}

void JournalLog::write_loop() {
  while (true) {
    std::vector<FairQueue::Item*> taken;
    std::vector<Barrier*> barriers;
    FileNumber free_below;
    bool is_idle = false;
    bool is_last = false;
    {
      MutexLock lock(mutex_);
      while (queue_.empty() && barriers_.empty() && !is_stopping_ && free_below_.value == 0 &&
             !is_idle) {
        is_idle = !changed_.wait_for(mutex_, patience());
      }
      taken = queue_.take(options_.recovery.writer.run_bytes - kRunHeaderBytes);
      barriers.swap(barriers_);
      std::swap(free_below, free_below_);
      is_last = is_stopping_ && taken.empty() && barriers.empty();
    }
    if (free_below.value != 0 && !writer_->is_poisoned()) {
      writer_->free_below(free_below);  // first: what is queued may need the room
    }
    write_all(taken);
    if (!barriers.empty()) {
      sync_for(barriers);
    }
    tell_of_room();
    if (is_last) {
      tell_poison(writer_->finish());
      return;
    }
    if (is_idle) {
      tell_poison(writer_->sync_due() ? writer_->sync() : writer_->prove());
      publish_place();
    }
  }
}

/// How long to wait for more before what was written is synced, or proven.
std::chrono::nanoseconds JournalLog::patience() const {
  const auto due = writer_->sync_due();
  return due ? std::clamp<std::chrono::nanoseconds>(*due - clock_.steady(), {},
                                                    options_.prove_after)
             : options_.prove_after;
}

void JournalLog::sync_for(const std::vector<Barrier*>& barriers) {
  const Status synced = writer_->sync();
  publish_place();
  tell_poison(synced);
  for (Barrier* barrier : barriers) {
    barrier->status = synced;
    barrier->done.set();
  }
}

void JournalLog::tell_poison(const Status& status) {
  if (!status.ok() && status.error().code != Code::kReadOnly) {
    log::error("journal", "read-only from now on, restart to recover: {}", status.error().message);
  }
}

void JournalLog::write_all(const std::vector<FairQueue::Item*>& taken) {
  std::vector<Pending*> pending;
  std::vector<runtime::Signal*> done;
  pending.reserve(taken.size());
  done.reserve(taken.size());
  for (FairQueue::Item* item : taken) {
    pending.push_back(&item->pending);
    done.push_back(&static_cast<Operation*>(item)->done);
  }
  const bool was_poisoned = writer_->is_poisoned();
  const uint64_t rotations = writer_->counters().rotations;
  const uint64_t refused = writer_->counters().refused;
  for (size_t at = 0; at < pending.size();) {
    const size_t count = writer_->write(std::span(pending).subspan(at));
    publish_place();
    runtime::Signal::set_all(std::span(done).subspan(at, count));
    at += count;
  }
  if (!was_poisoned && writer_->is_poisoned()) {
    log::error("journal", "read-only from now on, restart to recover: {}", writer_->poison_cause());
  }
  if (rotations != writer_->counters().rotations) {
    MutexLock lock(mutex_);
    needs_maintenance_ = true;
    maintain_.notify_one();
    if (round_) {
      round_->set();
    }
  }
  if (refused != writer_->counters().refused) {
    after_refusals();
  }
}

/// What could be freed since the last round has asked for one itself, but for what grew too old.
void JournalLog::after_refusals() {
  const auto now = clock_.steady();
  if (!refusals_asked_ || now - *refusals_asked_ >= kBetweenAsks) {
    refusals_asked_ = now;
    ask_for_round();
  }
  const auto full = this->full();
  if (full && (!refusals_logged_ || now - *refusals_logged_ >= kBetweenLines)) {
    refusals_logged_ = now;
    is_refusing_told_ = true;
    log::error("journal", "writes are refused: {}", full->message);
  }
}

/// As often as the line about refusals, at most.
void JournalLog::tell_of_room() {
  if (is_refusing_told_ && !writer_->full()) {
    is_refusing_told_ = false;
    log::info("journal", "writes are taken again: {} of {} bytes in use (journal.max_bytes)",
              index_.total_bytes(), max_bytes());
  }
}

void JournalLog::maintain_loop() {
  while (true) {
    {
      MutexLock lock(mutex_);
      while (!needs_maintenance_ && !is_stopping_) {
        maintain_.wait(mutex_);
      }
      if (is_stopping_) {
        return;
      }
      needs_maintenance_ = false;
    }
    for (const auto& [file, stored] : index_.encode_unstored()) {
      // Derived: a torn one fails its CRC and is built again.
      auto written = files_.disk().replace_file(files_.index_path_of(file->number), stored);
      if (!written.ok()) {
        log::warning("journal", "index of file {} not stored: {}", file->number,
                     written.error().message);
      }
    }
    if (auto prepared = files_.prepare_spare(options_.recovery.writer.file_bytes); !prepared.ok()) {
      log::warning("journal", "{}", prepared.error().message);
    }
  }
}

}  // namespace millrace::journal
