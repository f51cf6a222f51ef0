#include "runtime/signal.h"

#include "base/check.h"
#include "runtime/coroutine.h"
#include "runtime/shard.h"
#include "runtime/timer.h"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <array>
#include <new>
#include <optional>
#include <utility>

namespace millrace::runtime {
namespace {

using Token = boost::asio::use_awaitable_t<Executor>;
using Handler = boost::asio::async_result<Token, void(bool)>::handler_type;

Handler* handler_in(std::byte* storage) {
  return std::launder(reinterpret_cast<Handler*>(storage));
}

}  // namespace

Signal::~Signal() {
  // Not waiting: a coroutine that waits lives in a frame that is older than this object's end.
  MILLRACE_DCHECK(state_.load(std::memory_order_relaxed) != State::kWaiting,
                  "signal destroyed under its waiter");
}

bool Signal::claim() {
  return state_.exchange(State::kSet, std::memory_order_acq_rel) == State::kWaiting;
}

void Signal::set() {
  if (claim()) {
    next_ = nullptr;
    resume_all(*shard_, this);
  }
}

void Signal::set_all(std::span<Signal* const> signals) {
  struct Chain {
    Shard* shard;
    Signal* first;
    Signal* last;
  };

  std::array<Chain, 64> chains;  // more shards than this only cost more posts
  size_t used = 0;
  const auto flush = [&] {
    for (size_t i = 0; i < used; ++i) {
      resume_all(*chains[i].shard, chains[i].first);
    }
    used = 0;
  };
  for (Signal* signal : signals) {
    if (signal == nullptr || !signal->claim()) {
      continue;
    }
    signal->next_ = nullptr;
    size_t i = 0;
    while (i < used && chains[i].shard != signal->shard_) {
      ++i;
    }
    if (i < used) {
      chains[i].last->next_ = signal;
      chains[i].last = signal;
      continue;
    }
    if (used == chains.size()) {
      flush();
    }
    chains[used++] = Chain{signal->shard_, signal, signal};
  }
  flush();
}

void Signal::resume_all(Shard& shard, Signal* first) {
  boost::asio::post(shard.context(), [first] {
    for (Signal* signal = first; signal != nullptr;) {
      Signal* next = signal->next_;  // resuming may destroy the signal
      signal->resume(true);
      signal = next;
    }
  });
}

void Signal::resume(bool value) {
  Handler* stored = handler_in(handler_);
  Handler handler(std::move(*stored));
  stored->~Handler();
  handler(value);
}

void Signal::park(void* handler) {
  static_assert(sizeof(Handler) <= kHandlerBytes && alignof(Handler) <= alignof(std::max_align_t));
  new (handler_) Handler(std::move(*static_cast<Handler*>(handler)));
  shard_ = &Shard::here();
  State expected = State::kIdle;
  if (!state_.compare_exchange_strong(expected, State::kWaiting, std::memory_order_acq_rel)) {
    MILLRACE_CHECK(expected == State::kSet, "two coroutines wait for one signal");
    next_ = nullptr;
    resume_all(*shard_, this);
  }
}

void Signal::expired(void* self) {
  auto* signal = static_cast<Signal*>(self);
  State expected = State::kWaiting;
  if (signal->state_.compare_exchange_strong(expected, State::kIdle, std::memory_order_acq_rel)) {
    signal->resume(false);
  }  // else set() won, and its post is on the way
}

Task<bool> Signal::wait(Deadline deadline) {
  if (is_set()) {
    co_return true;
  }
  std::optional<Timer> timer;
  if (!deadline.is_never()) {
    timer.emplace(&Signal::expired, this);
    timer->arm(deadline);
  }
  const auto start = [this](Handler handler) { park(&handler); };
  co_return co_await boost::asio::async_initiate<const Token&, void(bool)>(
      start, boost::asio::use_awaitable);
}

}  // namespace millrace::runtime
