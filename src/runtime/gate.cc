#include "runtime/gate.h"

#include "base/check.h"
#include "base/mutex.h"
#include "runtime/coroutine.h"
#include "runtime/shard.h"
#include "runtime/signal.h"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <fmt/format.h>

#include <exception>
#include <string>
#include <utility>
#include <vector>

namespace millrace::runtime {
namespace {

[[noreturn]] void end_process(const char* name, const std::exception_ptr& exception) {
  std::string what = "not a std::exception";
  try {
    std::rethrow_exception(exception);
  } catch (const std::exception& error) {
    what = error.what();
  } catch (...) {  // NOLINT(bugprone-empty-catch): `what` says it
  }
  const std::string message = fmt::format("exception out of coroutine {}: {}", name, what);
  check_failed(__FILE__, __LINE__, "no exception leaves a task", message.c_str());
}

}  // namespace

struct Gate::State {
  mutable Mutex mutex;
  size_t count MILLRACE_GUARDED_BY(mutex) = 0;
  bool is_closed MILLRACE_GUARDED_BY(mutex) = false;
  std::vector<Signal*> closers MILLRACE_GUARDED_BY(mutex);

  void leave() {
    const MutexLock lock(mutex);
    if (--count == 0 && is_closed) {
      Signal::set_all(closers);
      closers.clear();
    }
  }
};

Gate::Gate() : state_(std::make_shared<State>()) {}

Gate::~Gate() {
  MILLRACE_CHECK(count() == 0, "a gate was destroyed with tasks inside");
}

size_t Gate::count() const {
  const MutexLock lock(state_->mutex);
  return state_->count;
}

bool Gate::spawn(Shard& shard, const char* name, Task<void> task) {
  {
    const MutexLock lock(state_->mutex);
    if (state_->is_closed) {
      return false;
    }
    ++state_->count;
  }
  boost::asio::co_spawn(shard.executor(), std::move(task),
                        [name, state = state_](const std::exception_ptr& exception) {
                          if (exception) {
                            end_process(name, exception);
                          }
                          state->leave();
                        });
  return true;
}

Task<void> Gate::close() {
  co_await close(Deadline::never());
}

Task<bool> Gate::close(Deadline deadline) {
  const std::shared_ptr<State> state = state_;
  Signal empty;
  {
    const MutexLock lock(state->mutex);
    state->is_closed = true;
    if (state->count == 0) {
      co_return true;
    }
    state->closers.push_back(&empty);
  }
  if (co_await empty.wait(deadline)) {
    co_return true;
  }
  const MutexLock lock(state->mutex);
  std::erase(state->closers, &empty);
  co_return empty.is_set();
}

}  // namespace millrace::runtime
