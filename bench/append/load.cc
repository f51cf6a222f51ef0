#include "bench/append/load.h"

#include "base/cpu_time.h"
#include "base/mutex.h"
#include "bench/append/counting_disk.h"
#include "bench/append/exhibits.h"
#include "bench/append/raw_disk.h"
#include "io/appender.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <latch>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

namespace millrace::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kZeroBytes = size_t{1} << 20;
constexpr uint64_t kBetweenLooks = 256;  // records, at whether to stop

io::AppendMethod append_method_of(Method method) {
  switch (method) {
    case Method::kDirect:
      return io::AppendMethod::kDirect;
    case Method::kUring:
      return io::AppendMethod::kUring;
    default:
      return io::AppendMethod::kPageCache;
  }
}

std::optional<Exhibit> exhibit_of(Method method) {
  switch (method) {
    case Method::kWrite:
      return Exhibit::kWriteEach;
    case Method::kBuffered:
      return Exhibit::kBuffered;
    case Method::kPageAligned:
      return Exhibit::kPageAligned;
    case Method::kMapped:
      return Exhibit::kMapped;
    default:
      return std::nullopt;
  }
}

/// A file of `bytes`, all written, so that its blocks are there.
Status make_recycled(io::Disk& disk, const std::string& path, uint64_t bytes) {
  MILLRACE_TRY(const bool is_there, disk.exists(path));
  if (is_there) {
    return {};
  }
  MILLRACE_TRY(const auto file, disk.open(path, io::OpenMode::kCreateNew));
  const std::vector<std::byte> zeros(kZeroBytes);
  for (uint64_t at = 0; at < bytes; at += zeros.size()) {
    const size_t count = std::min<uint64_t>(zeros.size(), bytes - at);
    MILLRACE_TRY_STATUS(file->write_at(at, std::span(zeros).first(count)));
  }
  return file->sync();
}

/// The files of a case, made ready before the clock runs.
Result<std::vector<std::string>> make_files(const Case& load, io::Disk& disk,
                                            const std::string& directory) {
  const size_t count = load.is_shared ? 1 : load.threads;
  const uint64_t bytes = load.bytes() / count;
  std::vector<std::string> paths;
  for (size_t i = 0; i < count; ++i) {
    if (load.ground == Ground::kRecycled) {
      paths.push_back(fmt::format("{}/recycled-{}-{}", directory, bytes, i));
      MILLRACE_TRY_STATUS(make_recycled(disk, paths.back(), bytes));
      continue;
    }
    paths.push_back(fmt::format("{}/fresh-{}", directory, i));
    if (auto removed = disk.remove(paths.back());
        !removed.ok() && removed.error().code != Code::kNotFound) {
      return removed.error();
    }
  }
  return paths;
}

Result<std::unique_ptr<io::Appender>> open(const Case& load, io::Disk& disk,
                                           const std::string& path) {
  if (const auto exhibit = exhibit_of(load.method)) {
    return open_exhibit(*exhibit, disk, path, std::max(load.buffer_bytes, io::kDirectBlock));
  }
  io::AppenderOptions options;
  options.method = append_method_of(load.method);
  options.buffer_bytes = load.buffer_bytes;
  options.buffers = load.method == Method::kUring ? kRawDepth : options.buffers;
  // What is never to be synced need not be written out early.
  options.writeback_bytes = load.policy.kind == Policy::Kind::kNone ? 0 : options.writeback_bytes;
  return io::open_appender(disk, path, io::OpenMode::kCreate, 0, options);
}

/// Appenders, each with the lock that kEach takes, so that no two records share a sync.
struct Target {
  std::unique_ptr<io::Appender> appender;
  Mutex each;
};

/// One thread's share of the records.
class Worker {
 public:
  Worker(const Case& load, Target& target, uint64_t records, const LoadOptions& options)
      : load_(load),
        target_(target),
        records_(records),
        options_(options),
        record_(load.record_bytes) {
    for (size_t i = 0; i < record_.size(); ++i) {
      record_[i] = static_cast<std::byte>(i);
    }
    batch_.reserve(load.batch_bytes);
  }

  Status run() {
    auto before = Clock::now();
    for (uint64_t i = 1; i <= records_; ++i) {
      MILLRACE_TRY_STATUS(put(i));
      if (options_.has_latencies) {
        const auto now = Clock::now();
        latencies_ns_.add(std::chrono::nanoseconds(now - before).count());
        before = now;
      }
      if (i % kBetweenLooks == 0 && options_.stop != nullptr && *options_.stop) {
        return make_error(Code::kCancelled, "interrupted");
      }
    }
    return batch_.empty() ? Status() : append(batch_);
  }

  const Histogram& latencies_ns() const { return latencies_ns_; }

 private:
  Status put(uint64_t number) {
    if (load_.batch_bytes == 0) {
      return load_.policy.kind == Policy::Kind::kEach ? append_and_sync() : put_one(number);
    }
    if (batch_.size() + record_.size() > load_.batch_bytes) {
      MILLRACE_TRY_STATUS(append(batch_));
      batch_.clear();
    }
    batch_.insert(batch_.end(), record_.begin(), record_.end());
    return {};
  }

  Status put_one(uint64_t number) {
    MILLRACE_TRY_STATUS(append(record_));
    const bool syncs =
        load_.policy.kind == Policy::Kind::kGroup ||
        (load_.policy.kind == Policy::Kind::kEvery && number % load_.policy.every == 0);
    return syncs ? target_.appender->sync() : Status();
  }

  Status append_and_sync() {
    MutexLock lock(target_.each);
    MILLRACE_TRY_STATUS(append(record_));
    return target_.appender->sync();
  }

  Status append(io::ConstBytes bytes) {
    MILLRACE_TRY([[maybe_unused]] const uint64_t place, target_.appender->append(bytes));
    return {};
  }

  const Case& load_;
  Target& target_;
  const uint64_t records_;
  const LoadOptions& options_;
  std::vector<std::byte> record_;
  std::vector<std::byte> batch_;
  Histogram latencies_ns_;
};

/// Syncs at each interval, in a thread of its own, until it is gone.
class IntervalSync {
 public:
  IntervalSync(std::vector<Target>& targets, std::chrono::milliseconds interval)
      : thread_([this, &targets, interval] { loop(targets, interval); }) {}

  ~IntervalSync() {
    {
      MutexLock lock(mutex_);
      is_over_ = true;
      changed_.notify_one();
    }
    thread_.join();
  }

  IntervalSync(const IntervalSync&) = delete;
  IntervalSync& operator=(const IntervalSync&) = delete;

 private:
  void loop(std::vector<Target>& targets, std::chrono::milliseconds interval) {
    mutex_.lock();
    while (!is_over_) {
      if (!changed_.wait_for(mutex_, interval)) {
        mutex_.unlock();
        for (Target& target : targets) {
          static_cast<void>(target.appender->sync());  // its error stays and ends the workers
        }
        mutex_.lock();
      }
    }
    mutex_.unlock();
  }

  Mutex mutex_;
  Condition changed_;
  bool is_over_ MILLRACE_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

/// What the policy left to the end.
Status finish(const Case& load, std::vector<Target>& targets) {
  for (Target& target : targets) {
    io::Appender& appender = *target.appender;
    if (load.policy.kind == Policy::Kind::kNone) {
      MILLRACE_TRY_STATUS(appender.flush());
    } else if (appender.synced_position() < appender.position()) {
      MILLRACE_TRY_STATUS(appender.sync());
    }
  }
  return {};
}

/// All workers at once, each in a thread; `begin` is called when all are ready. A worker alone runs
/// here, as no thread has to be woken for it then.
Status run_workers(std::vector<Worker>& workers, const std::function<Status()>& begin) {
  if (workers.size() == 1) {
    MILLRACE_TRY_STATUS(begin());
    return workers.front().run();
  }
  std::vector<Status> ends(workers.size());
  std::latch ready(static_cast<std::ptrdiff_t>(workers.size()));
  std::latch go(1);
  std::vector<std::thread> threads;
  threads.reserve(workers.size());
  for (size_t i = 0; i < workers.size(); ++i) {
    threads.emplace_back([&, i] {
      ready.count_down();
      go.wait();
      ends[i] = workers[i].run();
    });
  }
  ready.wait();
  Status status = begin();
  go.count_down();
  for (std::thread& thread : threads) {
    thread.join();
  }
  for (const Status& end : ends) {
    status = status.ok() ? end : status;
  }
  return status;
}

/// Sets `seconds`.
Status work(const Case& load, std::vector<Target>& targets, std::vector<Worker>& workers,
            double& seconds) {
  Clock::time_point begun;
  std::optional<IntervalSync> interval;
  const auto begin = [&]() -> Status {
    begun = Clock::now();
    if (load.policy.kind == Policy::Kind::kInterval) {
      interval.emplace(targets, load.policy.interval);
    }
    for (Target& target : targets) {
      if (load.ground == Ground::kReserved) {
        MILLRACE_TRY_STATUS(target.appender->reserve(load.bytes() / targets.size()));
      }
    }
    return {};
  };
  MILLRACE_TRY_STATUS(run_workers(workers, begin));
  interval.reset();
  MILLRACE_TRY_STATUS(finish(load, targets));
  seconds = std::chrono::duration<double>(Clock::now() - begun).count();
  return {};
}

Result<Sample> run_raw(const Case& load, io::Disk& disk, const std::string& path) {
  CountingDisk counting(disk);
  const double cpu_before = own_cpu_seconds();
  const auto begun = Clock::now();
  MILLRACE_TRY_STATUS(write_raw(counting, path, load.bytes(), load.buffer_bytes));
  Sample sample;
  sample.seconds = std::chrono::duration<double>(Clock::now() - begun).count();
  sample.cpu_seconds = own_cpu_seconds() - cpu_before;
  sample.system_calls = counting.calls();
  sample.buffer_bytes = load.buffer_bytes;
  return sample;
}

}  // namespace

Result<Sample> run(const Case& load, io::Disk& disk, const LoadOptions& options) {
  if (load.threads == 0 || load.records < load.threads || load.record_bytes == 0) {
    return make_error(Code::kInvalid, "{} records of {} bytes by {} threads", load.records,
                      load.record_bytes, load.threads);
  }
  MILLRACE_TRY(const auto paths, make_files(load, disk, options.directory));
  if (load.method == Method::kRawDisk) {
    return run_raw(load, disk, paths.front());
  }
  CountingDisk counting(disk);
  std::vector<Target> targets(paths.size());
  Sample sample;
  for (size_t i = 0; i < paths.size(); ++i) {
    MILLRACE_TRY(targets[i].appender, open(load, counting, paths[i]));
    sample.buffer_bytes += targets[i].appender->buffer_memory();
    if (load.method == Method::kMapped) {
      MILLRACE_TRY_STATUS(targets[i].appender->reserve(load.bytes() / paths.size()));
    }
  }
  std::vector<Worker> workers;
  workers.reserve(load.threads);
  for (unsigned i = 0; i < load.threads; ++i) {
    const uint64_t records = load.records / load.threads + (i < load.records % load.threads);
    workers.emplace_back(load, targets[load.is_shared ? 0 : i], records, options);
  }
  const uint64_t calls_before = counting.calls();
  const double cpu_before = own_cpu_seconds();
  MILLRACE_TRY_STATUS(work(load, targets, workers, sample.seconds));
  sample.cpu_seconds = own_cpu_seconds() - cpu_before;
  if (load.method != Method::kMapped) {
    sample.system_calls = counting.calls() - calls_before;
  }
  for (const Worker& worker : workers) {
    sample.latencies_ns.merge(worker.latencies_ns());
  }
  for (Target& target : targets) {
    MILLRACE_TRY_STATUS(target.appender->close());
  }
  return sample;
}

}  // namespace millrace::bench
