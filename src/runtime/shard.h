// Threads that never share: each shard is one thread with one loop, and owns what lives on it.
#pragma once

#include "base/clock.h"
#include "base/result.h"
#include "runtime/task.h"

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime {

class TimerQueue;

/// One thread running one single-threaded loop. Made by ShardSet. What lives on a shard is touched
/// from its thread alone, so it needs no lock. To run something there: Gate::spawn, or on_shard()
/// ("runtime/on_shard.h") from a coroutine, or post() from anywhere.
class Shard {
 public:
  ~Shard();
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;

  /// The shard of the calling thread; nullptr on a thread that is none.
  static Shard* current();
  /// The same; a thread that is none ends the process.
  static Shard& here();

  /// Place in its set, from 0.
  size_t index() const;
  const std::string& name() const;
  /// What deadlines on this shard are measured by.
  const Clock& clock() const;

  Executor executor() const;
  /// For net/, which opens its sockets here.
  boost::asio::io_context& context() const;
  TimerQueue& timers() const;

  /// Runs `function` on this shard's thread, after what was posted before; never inside this call.
  /// Any thread. Dropped when the shard has stopped. An exception out of it ends the process.
  void post(std::function<void()> function);

 private:
  friend class ShardSet;
  struct Impl;

  explicit Shard(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

/// The shards of a process, usually one a core. Thread-safe but for stop() and destruction.
class ShardSet {
 public:
  /// `count` >= 1 threads named "NAME-0", "NAME-1" .. (Linux shows 15 characters). `clock` outlives
  /// the set. Errors: invalid (count 0), overloaded (no more threads).
  static Result<std::unique_ptr<ShardSet>> start(size_t count, std::string_view name,
                                                 const Clock& clock = system_clock());
  /// Stops if that was not done.
  ~ShardSet();
  ShardSet(const ShardSet&) = delete;
  ShardSet& operator=(const ShardSet&) = delete;

  size_t size() const { return shards_.size(); }

  Shard& shard(size_t index) const { return *shards_[index]; }

  /// Makes every shard look at its clock again: for a ManualClock that was advanced.
  void clock_moved();

  /// Runs what was posted so far, ends the loops and joins the threads. Close the gates first: a
  /// coroutine that still waits is never resumed. Not from a shard. A second call does nothing.
  void stop();

 private:
  ShardSet() = default;

  std::vector<std::unique_ptr<Shard>> shards_;
};

}  // namespace millrace::runtime
