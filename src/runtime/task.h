// What a coroutine returns. Cheap to include: names Asio's types without their headers.
#pragma once

// NOLINTBEGIN(readability-identifier-naming): Asio's names.
namespace boost::asio {
class any_io_executor;
class io_context;
template <typename T, typename Executor>
class awaitable;
}  // namespace boost::asio

// NOLINTEND(readability-identifier-naming)

namespace millrace::runtime {

/// Where a coroutine runs: the executor of a Shard.
using Executor = boost::asio::any_io_executor;

/// A coroutine that has not started. It starts when awaited, on the awaiting coroutine's shard, or
/// when handed to Gate::spawn. Files that define or await one include "runtime/coroutine.h".
template <typename T>
using Task = boost::asio::awaitable<T, Executor>;

}  // namespace millrace::runtime
