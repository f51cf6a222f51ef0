#include "query/deadline_watch.h"

#include <pthread.h>

#include <algorithm>
#include <chrono>

namespace millrace::query {

DeadlineWatch::~DeadlineWatch() {
  std::thread thread;
  {
    const MutexLock lock(mutex_);
    is_stopped_ = true;
    thread = std::move(thread_);
    changed_.notify_one();
  }
  if (thread.joinable()) {
    thread.join();
  }
}

uint64_t DeadlineWatch::add(runtime::Deadline deadline, std::function<void()> expired) {
  const MutexLock lock(mutex_);
  const uint64_t id = next_id_++;
  deadlines_.emplace(id, deadline);
  waiting_.emplace(Key{deadline, id}, std::move(expired));
  if (!thread_.joinable()) {
    thread_ = std::thread([this] { run(); });
  }
  changed_.notify_one();
  return id;
}

void DeadlineWatch::remove(uint64_t id) {
  const MutexLock lock(mutex_);
  const auto found = deadlines_.find(id);
  if (found != deadlines_.end()) {
    waiting_.erase(Key{found->second, id});
    deadlines_.erase(found);
  }
}

void DeadlineWatch::run() noexcept {
  pthread_setname_np(pthread_self(), "query-watch");
  // Bounds a wait that a time point beyond the clock's range would make; it only looks again.
  constexpr std::chrono::nanoseconds kLongest = std::chrono::hours(1);
  const MutexLock lock(mutex_);
  while (!is_stopped_) {
    if (waiting_.empty()) {
      changed_.wait(mutex_);
      continue;
    }
    const auto first = waiting_.begin();
    if (!first->first.first.has_passed()) {
      changed_.wait_for(mutex_, std::min(first->first.first.remaining(), kLongest));
      continue;
    }
    first->second();  // under the lock, so that remove() waits for it
    deadlines_.erase(first->first.second);
    waiting_.erase(first);
  }
}

}  // namespace millrace::query
