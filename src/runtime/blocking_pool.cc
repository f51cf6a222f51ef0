#include "runtime/blocking_pool.h"

#include "base/check.h"
#include "base/log.h"
#include "base/mutex.h"
#include "runtime/shard.h"

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <system_error>
#include <thread>
#include <vector>

namespace millrace::runtime {

namespace {

struct Job {
  uint64_t number = 0;
  std::function<void()> function;
};

}  // namespace

struct BlockingPool::Impl {
  explicit Impl(BlockingPoolOptions given) : options(std::move(given)) {}

  const BlockingPoolOptions options;
  mutable Mutex mutex;
  Condition ready;
  Condition ended;
  std::deque<Job> jobs MILLRACE_GUARDED_BY(mutex);
  uint64_t next_number MILLRACE_GUARDED_BY(mutex) = 0;
  size_t at_work MILLRACE_GUARDED_BY(mutex) = 0;  // threads that have not ended
  bool is_stopped MILLRACE_GUARDED_BY(mutex) = false;
  std::vector<std::thread> threads;

  /// noexcept: an exception out of a job ends the process.
  void work(size_t index) noexcept {
    const std::string name = fmt::format("{}-{}", options.name, index);
    pthread_setname_np(pthread_self(), name.substr(0, 15).c_str());
    // Linux: a thread has a nice value of its own (setpriority(2), "C library/kernel differences").
    const auto thread_id = static_cast<id_t>(gettid());
    if (options.nice != 0 &&
        setpriority(PRIO_PROCESS, thread_id, getpriority(PRIO_PROCESS, 0) + options.nice) != 0) {
      log::warning("runtime", "pool {}: setpriority(2): {}", name,
                   std::generic_category().message(errno));
    }
    while (auto job = next()) {
      job();
    }
    const MutexLock lock(mutex);
    --at_work;
    ended.notify_all();
  }

  /// Empty: stopped, and nothing left.
  std::function<void()> next() {
    const MutexLock lock(mutex);
    while (jobs.empty() && !is_stopped) {
      ready.wait(mutex);
    }
    if (jobs.empty()) {
      return {};
    }
    auto job = std::move(jobs.front().function);
    jobs.pop_front();
    return job;
  }

  /// Until `deadline`. Returns: how many have not ended.
  size_t wait_for_threads(Deadline deadline) {
    // Bounds a wait that a time point beyond the clock's range would make; it only looks again.
    constexpr std::chrono::nanoseconds kLongest = std::chrono::hours(1);
    const MutexLock lock(mutex);
    while (at_work > 0 && !deadline.has_passed()) {
      ended.wait_for(mutex, std::min<std::chrono::nanoseconds>(deadline.remaining(), kLongest));
    }
    return at_work;
  }
};

BlockingPool::BlockingPool(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<BlockingPool>> BlockingPool::start(BlockingPoolOptions options) {
  if (options.threads == 0) {
    return make_error(Code::kInvalid, "pool {}: at least one thread is needed", options.name);
  }
  std::unique_ptr<BlockingPool> pool(new BlockingPool(std::make_unique<Impl>(std::move(options))));
  Impl* impl = pool->impl_.get();
  try {
    for (size_t i = 0; i < impl->options.threads; ++i) {
      {
        const MutexLock lock(impl->mutex);
        ++impl->at_work;
      }
      impl->threads.emplace_back([impl, i] { impl->work(i); });
    }
  } catch (const std::system_error& error) {
    const MutexLock lock(impl->mutex);
    --impl->at_work;
    return make_error(Code::kOverloaded, "pool {}: starting a thread: {}", impl->options.name,
                      error.what());
  }
  return pool;
}

BlockingPool::~BlockingPool() {
  stop();
}

Status BlockingPool::submit(std::function<void()> job) {
  MILLRACE_TRY([[maybe_unused]] const uint64_t number, enqueue(std::move(job)));
  return {};
}

Result<uint64_t> BlockingPool::enqueue(std::function<void()> job) {
  uint64_t number = 0;
  {
    const MutexLock lock(impl_->mutex);
    if (impl_->is_stopped) {
      return make_error(Code::kCancelled, "pool {} has stopped", impl_->options.name);
    }
    if (impl_->jobs.size() >= impl_->options.queue_bound) {
      return make_error(Code::kOverloaded, "pool {}: {} calls wait already", impl_->options.name,
                        impl_->jobs.size());
    }
    number = impl_->next_number++;
    impl_->jobs.push_back({number, std::move(job)});
  }
  impl_->ready.notify_one();
  return number;
}

void BlockingPool::take_back(uint64_t number) {
  Job taken;  // goes after the lock
  const MutexLock lock(impl_->mutex);
  const auto found = std::ranges::find(impl_->jobs, number, &Job::number);
  if (found != impl_->jobs.end()) {
    taken = std::move(*found);
    impl_->jobs.erase(found);
  }
}

size_t BlockingPool::queued() const {
  const MutexLock lock(impl_->mutex);
  return impl_->jobs.size();
}

void BlockingPool::stop() {
  stop(Deadline::never());
}

size_t BlockingPool::stop(Deadline deadline) {
  MILLRACE_CHECK(impl_->threads.empty() || Shard::current() == nullptr,
                 "a shard cannot wait for its pool");
  {
    const MutexLock lock(impl_->mutex);
    impl_->is_stopped = true;
  }
  impl_->ready.notify_all();
  if (const size_t left = impl_->wait_for_threads(deadline); left > 0) {
    return left;
  }
  for (std::thread& thread : impl_->threads) {
    thread.join();
  }
  impl_->threads.clear();
  return 0;
}

}  // namespace millrace::runtime
