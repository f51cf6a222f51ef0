#include "runtime/blocking_pool.h"

#include "base/check.h"
#include "base/log.h"
#include "base/mutex.h"
#include "runtime/shard.h"

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <deque>
#include <system_error>
#include <thread>
#include <vector>

namespace millrace::runtime {

struct BlockingPool::Impl {
  explicit Impl(BlockingPoolOptions given) : options(std::move(given)) {}

  const BlockingPoolOptions options;
  mutable Mutex mutex;
  Condition ready;
  std::deque<std::function<void()>> jobs MILLRACE_GUARDED_BY(mutex);
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
    auto job = std::move(jobs.front());
    jobs.pop_front();
    return job;
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
      impl->threads.emplace_back([impl, i] { impl->work(i); });
    }
  } catch (const std::system_error& error) {
    return make_error(Code::kOverloaded, "pool {}: starting a thread: {}", impl->options.name,
                      error.what());
  }
  return pool;
}

BlockingPool::~BlockingPool() {
  stop();
}

Status BlockingPool::submit(std::function<void()> job) {
  {
    const MutexLock lock(impl_->mutex);
    if (impl_->is_stopped) {
      return make_error(Code::kCancelled, "pool {} has stopped", impl_->options.name);
    }
    if (impl_->jobs.size() >= impl_->options.queue_bound) {
      return make_error(Code::kOverloaded, "pool {}: {} calls wait already", impl_->options.name,
                        impl_->jobs.size());
    }
    impl_->jobs.push_back(std::move(job));
  }
  impl_->ready.notify_one();
  return {};
}

size_t BlockingPool::queued() const {
  const MutexLock lock(impl_->mutex);
  return impl_->jobs.size();
}

void BlockingPool::stop() {
  {
    const MutexLock lock(impl_->mutex);
    impl_->is_stopped = true;
  }
  impl_->ready.notify_all();
  for (std::thread& thread : impl_->threads) {
    if (thread.joinable()) {
      MILLRACE_CHECK(Shard::current() == nullptr, "a shard cannot wait for its pool");
      thread.join();
    }
  }
}

}  // namespace millrace::runtime
