#include "broker/object_uploader.h"

#include "base/backoff.h"
#include "base/failure_log.h"
#include "broker/cut_plan.h"
#include "broker/partition.h"
#include "runtime/coroutine.h"
#include "runtime/deadline.h"

#include <algorithm>
#include <set>

namespace millrace::broker {
namespace {

constexpr std::chrono::milliseconds kFirstPause{50};
constexpr std::chrono::milliseconds kLongestPause{5'000};
constexpr size_t kFewPartitions = 64;

}  // namespace

runtime::Task<Status> ObjectUploader::await(std::vector<Written> records) {
  const auto waiter = std::make_shared<Waiter>();
  waiter->records = std::move(records);
  {
    MutexLock lock(mutex_);
    if (is_stopped_) {
      co_return make_error(Code::kCancelled, "the server is stopping");
    }
    waiters_.push_back(waiter);
    for (const Written& written : waiter->records) {
      add_locked(written);
    }
  }
  if (!co_await waiter->done.wait(runtime::Deadline::after(options_.patience))) {
    MutexLock lock(mutex_);
    waiters_.remove(waiter);
    if (!waiter->done.is_set()) {
      co_return make_error(
          Code::kOutcomeUnknown,
          "the records are in the journal, and were not in the object store within "
          "{} ms; they will be",
          options_.patience.count());
    }
  }
  co_return std::move(waiter->status);
}

void ObjectUploader::add(const Written& records) {
  MutexLock lock(mutex_);
  add_locked(records);
}

void ObjectUploader::add_locked(const Written& records) {
  const auto [at, is_new] = pending_.try_emplace(records.partition->id(), records);
  if (!is_new) {
    at->second.next = std::max(at->second.next, records.next);
    at->second.bytes += records.bytes;
  }
  if (wake_) {
    wake_->set();
  }
}

runtime::Task<void> ObjectUploader::run(runtime::CancelToken stop) {
  Backoff backoff(kFirstPause, kLongestPause);
  FailureLog failures("segments",
                      "writes to durability=object topics wait for the object store; nothing is "
                      "lost, and it is tried again",
                      "writes to durability=object topics are in the object store again");
  while (co_await wait_for_records(stop)) {
    const Status uploaded = co_await upload(stop);
    if (!stop.is_cancelled()) {
      failures.tell(uploaded);
    }
    {
      MutexLock lock(mutex_);
      const bool is_over = uploaded.ok() || pending_.empty();  // or their topics were deleted
      failure_ = is_over ? std::nullopt : std::optional(uploaded.error());
    }
    if (uploaded.ok()) {
      backoff.reset();
    } else if (!co_await runtime::sleep_until(runtime::Deadline::after(backoff.next()), stop)) {
      break;
    }
  }
  finish();
}

/// Until there are some and the first of them has lingered; false: stop.
runtime::Task<bool> ObjectUploader::wait_for_records(const runtime::CancelToken& stop) {
  const auto wake = std::make_shared<runtime::Signal>();
  {
    MutexLock lock(mutex_);
    wake_ = wake;
    if (!pending_.empty()) {
      wake->set();
    }
  }
  {
    const runtime::CancelCallback on_stop(stop, [wake] { wake->set(); });
    co_await wake->wait(runtime::Deadline::never());
  }
  {
    MutexLock lock(mutex_);
    wake_.reset();
  }
  co_return co_await runtime::sleep_until(runtime::Deadline::after(options_.linger), stop);
}

runtime::Task<Status> ObjectUploader::upload(runtime::CancelToken stop) {
  Pending pending;
  {
    MutexLock lock(mutex_);
    pending.swap(pending_);
  }
  forget_deleted();
  const auto made = co_await maker_.make(plan(pending), std::move(stop));
  tell(pending);
  co_return made.ok() ? Status() : made.error();
}

/// Looks for them when there are twice as many partitions as the last time: that costs little for
/// each that was added.
void ObjectUploader::forget_deleted() {
  if (maker_.remembered() < std::max(kFewPartitions, 2 * remembered_)) {
    return;
  }
  std::set<TopicPartition> awaited;  // of a request that waits for another one too
  {
    MutexLock lock(mutex_);
    for (const auto& waiter : waiters_) {
      for (const Written& written : waiter->records) {
        awaited.insert(written.partition->id());
      }
    }
  }
  maker_.keep_only([&](TopicPartition partition) {
    return maker_.parts().topic(partition.topic) || awaited.contains(partition);
  });
  remembered_ = maker_.remembered();
}

std::vector<std::vector<segment::CutPart>> ObjectUploader::plan(const Pending& pending) const {
  std::vector<Uncut> uncut;
  uncut.reserve(pending.size());
  for (const auto& [partition, written] : pending) {
    const Offset first = end_of(partition);
    if (first < written.next && !maker_.is_damaged(partition)) {
      uncut.push_back({.partition = partition,
                       .first = first,
                       .next = written.next,
                       .bytes = written.bytes,
                       .age = {},
                       .pressing = std::nullopt});
    }
  }
  // Whatever does not fill an object by itself shares one.
  return plan_cuts(std::move(uncut), {.bytes = options_.segment_bytes,
                                      .least_segment = options_.segment_bytes,
                                      .age = std::chrono::milliseconds(0)});
}

Offset ObjectUploader::end_of(TopicPartition partition) const {
  return std::max(maker_.made_until(partition), maker_.parts().log.range(partition).start);
}

/// Readers see what is in objects, who waited for it is answered, and the rest waits on.
void ObjectUploader::tell(const Pending& pending) {
  for (const auto& [partition, written] : pending) {
    written.partition->advance(end_of(partition));
  }
  std::vector<std::shared_ptr<Waiter>> answered;
  {
    MutexLock lock(mutex_);
    for (const auto& [partition, written] : pending) {
      const bool is_gone = written.partition->has_ended() || maker_.is_damaged(partition);
      if (end_of(partition) < written.next && !is_gone) {
        add_locked({written.partition, written.next, written.bytes});
      }
    }
    std::erase_if(waiters_, [&](const std::shared_ptr<Waiter>& waiter) {
      const bool is_there = std::ranges::all_of(waiter->records, [&](const Written& written) {
        return end_of(written.partition->id()) >= written.next;
      });
      if (is_there) {
        answered.push_back(waiter);
      }
      return is_there;
    });
  }
  for (const auto& waiter : answered) {
    waiter->done.set();
  }
}

std::optional<Error> ObjectUploader::failure() const {
  MutexLock lock(mutex_);
  return failure_;
}

void ObjectUploader::finish() {
  std::list<std::shared_ptr<Waiter>> waiters;
  {
    MutexLock lock(mutex_);
    is_stopped_ = true;
    waiters.swap(waiters_);
  }
  for (const auto& waiter : waiters) {
    waiter->status = make_error(Code::kCancelled, "the server is stopping");
    waiter->done.set();
  }
}

}  // namespace millrace::broker
