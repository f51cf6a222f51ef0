// Threads for calls that block: SQLite, DuckDB, Parquet, big compressions.
#pragma once

#include "base/result.h"
#include "runtime/coroutine.h"
#include "runtime/signal.h"

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

namespace millrace::runtime {

struct BlockingPoolOptions {
  std::string name;           // of the threads: "NAME-0" ..
  size_t threads = 2;         // at least 1
  int nice = 0;               // 0..19, added to the process's: 10 lets the shards go first
  size_t queue_bound = 1024;  // calls that may wait for a thread; beyond it run() refuses
};

/// Runs functions on threads of its own while the caller's shard goes on. Any thread.
class BlockingPool {
 public:
  /// Errors: invalid (no threads), overloaded (the system has no more threads).
  static Result<std::unique_ptr<BlockingPool>> start(BlockingPoolOptions options);
  /// Stops if that was not done.
  ~BlockingPool();
  BlockingPool(const BlockingPool&) = delete;
  BlockingPool& operator=(const BlockingPool&) = delete;

  /// Calls `function`, which returns a Result, on a pool thread and resumes on the caller's shard
  /// with what it returned. It is not interrupted: give it a deadline of its own. What it refers to
  /// lives until run() returned. An exception out of it ends the process. Errors: overloaded (queue
  /// full), cancelled (stopped); in both `function` was not called.
  template <typename Function>
  Task<std::invoke_result_t<Function&>> run(Function function) {
    using R = std::invoke_result_t<Function&>;
    std::optional<R> result;
    Signal done;
    auto queued = submit([&] {
      result.emplace(function());
      done.set();
    });
    if (!queued.ok()) {
      co_return R(std::move(queued).error());
    }
    co_await done.wait(Deadline::never());
    // NOLINTNEXTLINE(bugprone-unchecked-optional-access): done says it is set.
    co_return *std::move(result);
  }

  /// The same without an answer. Errors: as run().
  Status submit(std::function<void()> job);

  /// Calls waiting for a thread.
  size_t queued() const;

  /// Refuses new calls, runs those queued, joins the threads. Blocks: not from a shard, whose
  /// coroutines could be waiting for it. A second call does nothing.
  void stop();

 private:
  struct Impl;

  explicit BlockingPool(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::runtime
