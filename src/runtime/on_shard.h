// Runs a coroutine on another shard and comes back. Apart from shard.h, since it needs Asio's
// co_spawn; only files that define coroutines include it.
#pragma once

#include "base/check.h"
#include "runtime/coroutine.h"
#include "runtime/shard.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <future>
#include <optional>
#include <type_traits>
#include <utility>

namespace millrace::runtime {
namespace internal {

// T need not be default constructible, which co_spawn would ask for.
template <typename T>
Task<void> store(std::optional<T>& result, Task<T> task) {
  result.emplace(co_await std::move(task));
}

}  // namespace internal

/// co_await on_shard(shard, task()): runs `task` on `shard`, then resumes on the caller's shard
/// with its value. On the caller's own shard it is a plain call. `shard` outlives the call. Shard:
/// any; must not be used by a thread that is none.
template <typename T>
Task<T> on_shard(Shard& shard, Task<T> task) {
  if (Shard::current() == &shard) {
    co_return co_await std::move(task);
  }
  if constexpr (std::is_void_v<T>) {
    co_await boost::asio::co_spawn(shard.executor(), std::move(task), boost::asio::use_awaitable);
  } else {
    std::optional<T> result;
    co_await boost::asio::co_spawn(shard.executor(), internal::store(result, std::move(task)),
                                   boost::asio::use_awaitable);
    // NOLINTNEXTLINE(bugprone-unchecked-optional-access): store() has ended.
    co_return *std::move(result);
  }
}

/// Runs `task` on `shard` and blocks the calling thread until it has ended: for main() and tests.
/// Never from a shard (checked): it would wait for itself.
template <typename T>
T block_on(Shard& shard, Task<T> task) {
  MILLRACE_CHECK(Shard::current() == nullptr, "block_on would stop this shard");
  std::promise<void> done;
  const auto finish = [&done](std::exception_ptr exception) {
    if (exception) {
      done.set_exception(std::move(exception));
    } else {
      done.set_value();
    }
  };
  if constexpr (std::is_void_v<T>) {
    boost::asio::co_spawn(shard.executor(), std::move(task), finish);
    done.get_future().get();
  } else {
    std::optional<T> result;
    boost::asio::co_spawn(shard.executor(), internal::store(result, std::move(task)), finish);
    done.get_future().get();
    // NOLINTNEXTLINE(bugprone-unchecked-optional-access): store() has ended.
    return *std::move(result);
  }
}

}  // namespace millrace::runtime
