#include "runtime/shard.h"

#include "base/check.h"
#include "runtime/coroutine.h"
#include "runtime/timer.h"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <fmt/format.h>

#include <pthread.h>

#include <exception>
#include <system_error>
#include <thread>
#include <utility>

namespace millrace::runtime {
namespace {

thread_local Shard* current_shard = nullptr;

/// Destroys waiting coroutines in a step of its own: they may refer to other shards' contexts, so
/// all contexts are emptied before the first is destroyed.
class Context : public boost::asio::io_context {
 public:
  Context() : boost::asio::io_context(1) {}  // 1: a hint that one thread runs it

  void drop_handlers() { shutdown(); }
};

}  // namespace

struct Shard::Impl {
  Impl(size_t at, std::string called, const Clock& clock)
      : index(at), name(std::move(called)), work(context.get_executor()), timers(context, clock) {}

  const size_t index;
  const std::string name;
  Context context;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work;
  TimerQueue timers;
  std::thread thread;

  void run(Shard* self) noexcept {
    current_shard = self;
    pthread_setname_np(pthread_self(), name.substr(0, 15).c_str());
    try {
      context.run();
    } catch (const std::exception& error) {
      MILLRACE_CHECK(false, fmt::format("exception on shard {}: {}", name, error.what()).c_str());
    }
  }
};

Shard::Shard(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Shard::~Shard() = default;

Shard* Shard::current() {
  return current_shard;
}

Shard& Shard::here() {
  MILLRACE_CHECK(current_shard != nullptr, "this needs a shard's thread");
  return *current_shard;
}

size_t Shard::index() const {
  return impl_->index;
}

const std::string& Shard::name() const {
  return impl_->name;
}

const Clock& Shard::clock() const {
  return impl_->timers.clock();
}

Executor Shard::executor() const {
  return impl_->context.get_executor();
}

boost::asio::io_context& Shard::context() const {
  return impl_->context;
}

TimerQueue& Shard::timers() const {
  return impl_->timers;
}

void Shard::post(std::function<void()> function) {
  boost::asio::post(impl_->context, std::move(function));
}

Result<std::unique_ptr<ShardSet>> ShardSet::start(size_t count, std::string_view name,
                                                  const Clock& clock) {
  if (count == 0) {
    return make_error(Code::kInvalid, "shards {}: at least one is needed", name);
  }
  std::unique_ptr<ShardSet> set(new ShardSet());
  for (size_t i = 0; i < count; ++i) {
    auto impl = std::make_unique<Shard::Impl>(i, fmt::format("{}-{}", name, i), clock);
    set->shards_.push_back(std::unique_ptr<Shard>(new Shard(std::move(impl))));
  }
  try {
    for (auto& shard : set->shards_) {
      shard->impl_->thread = std::thread([s = shard.get()] { s->impl_->run(s); });
    }
  } catch (const std::system_error& error) {
    return make_error(Code::kOverloaded, "shards {}: starting a thread: {}", name, error.what());
  }
  return set;
}

void ShardSet::clock_moved() {
  for (auto& shard : shards_) {
    shard->post([s = shard.get()] { s->timers().run_due(); });
  }
}

void ShardSet::stop() {
  MILLRACE_CHECK(Shard::current() == nullptr, "a shard cannot stop its own set");
  for (auto& shard : shards_) {
    shard->post([s = shard.get()] { s->impl_->context.stop(); });
  }
  for (auto& shard : shards_) {
    if (shard->impl_->thread.joinable()) {
      shard->impl_->thread.join();
    }
  }
}

// NOLINTNEXTLINE(bugprone-exception-escape): only out of memory, which ends the process anyway.
ShardSet::~ShardSet() {
  stop();
  for (auto& shard : shards_) {
    shard->impl_->context.drop_handlers();
  }
}

}  // namespace millrace::runtime
