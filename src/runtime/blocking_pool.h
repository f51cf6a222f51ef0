// Threads for calls that block: SQLite, DuckDB, Parquet, big compressions.
#pragma once

#include "base/result.h"
#include "runtime/cancel_token.h"
#include "runtime/coroutine.h"
#include "runtime/deadline.h"
#include "runtime/signal.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
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

  /// As run(), for a call that cannot be relied upon to end: waits until `deadline` or until
  /// `cancel` is cancelled. A call that has no thread by then is taken back; one that runs goes on,
  /// keeps its thread, and what it returns is dropped. So `function` owns what it refers to, or
  /// that outlives the pool. Returns: what `function` returned. Errors: overloaded, cancelled as
  /// run(); timeout, cancelled (not waited for any longer).
  template <typename Function>
  Task<Result<std::invoke_result_t<Function&>>> run_until(Function function, Deadline deadline,
                                                          CancelToken cancel) {
    const auto call = std::make_shared<Call<Function>>(std::move(function));
    auto queued = enqueue([call] {
      call->result.emplace(call->function());
      call->has_result.store(true, std::memory_order_release);
      call->wake.set();
    });
    if (!queued.ok()) {
      co_return std::move(queued).error();
    }
    bool in_time = false;
    {
      const CancelCallback wake(cancel, [&call] { call->wake.set(); });
      in_time = co_await call->wake.wait(deadline);
    }
    if (call->has_result.load(std::memory_order_acquire)) {
      // NOLINTNEXTLINE(bugprone-unchecked-optional-access): has_result says it is set.
      co_return *std::move(call->result);
    }
    take_back(*queued);
    co_return in_time ? make_error(Code::kCancelled, "the call was cancelled")
                      : make_error(Code::kTimeout, "the call did not end in time");
  }

  /// run() without an answer. Errors: as run().
  Status submit(std::function<void()> job);

  /// Calls waiting for a thread.
  size_t queued() const;

  /// Refuses new calls, runs those queued, joins the threads. Blocks: not from a shard, whose
  /// coroutines could be waiting for it. A second call does nothing.
  void stop();

  /// stop() that waits until `deadline` at most. Returns: threads whose call still runs then, 0
  /// when the pool has stopped. What those calls refer to has to stay. May be called again.
  size_t stop(Deadline deadline);

 private:
  struct Impl;

  /// Shared by the caller and the thread: either may be the last.
  template <typename Function>
  struct Call {
    explicit Call(Function given) : function(std::move(given)) {}

    Function function;
    std::optional<std::invoke_result_t<Function&>> result;
    std::atomic<bool> has_result{false};
    Signal wake;
  };

  explicit BlockingPool(std::unique_ptr<Impl> impl);

  /// submit() that returns the job's number.
  Result<uint64_t> enqueue(std::function<void()> job);
  /// Does nothing when the job has begun.
  void take_back(uint64_t number);

  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::runtime
