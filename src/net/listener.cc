#include "net/listener.h"

#include "base/check.h"
#include "base/log.h"
#include "net/bound_socket.h"
#include "runtime/coroutine.h"
#include "runtime/gate.h"
#include "runtime/on_shard.h"
#include "runtime/shard.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <unordered_set>
#include <utility>
#include <vector>

namespace millrace::net {
namespace {

namespace asio = boost::asio;
using runtime::Deadline;
using runtime::Shard;
using runtime::Task;
using Waitable = asio::posix::basic_stream_descriptor<asio::io_context::executor_type>;

constexpr auto kBackoff = std::chrono::milliseconds(100);
constexpr auto kLogEvery = std::chrono::seconds(1);
/// Descriptors that connections leave to files: what a process with none left cannot do besides
/// accepting (a journal file, a table's file, DuckDB's start) is worse than a refusal.
constexpr rlim_t kLeftToFiles = 64;

/// A descriptor is the lowest free number, so those below are all taken.
bool is_among_last(int descriptor) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) {
    return false;
  }
  const rlim_t kept = std::min(kLeftToFiles, limit.rlim_cur / 4);
  return static_cast<rlim_t>(descriptor) >= limit.rlim_cur - kept;
}

}  // namespace

struct Listener::Impl {
  Impl(runtime::ShardSet& set, ListenerOptions given, ConnectionHandler& serving, BoundSocket bound)
      : shards(set),
        options(std::move(given)),
        handler(serving),
        socket(std::move(bound)),
        readable(set.shard(0).context()),
        streams(set.size()) {}

  Task<void> accept_loop();
  bool accept_all();
  void hand_out(Descriptor connection);
  Task<void> serve(Descriptor connection);
  Task<void> stop_accepting();
  Task<void> on_streams(Shard& shard, void (Stream::*call)());
  Task<void> on_all_streams(void (Stream::*call)());
  void log_refusal(std::string_view why, uint64_t total);

  runtime::ShardSet& shards;
  const ListenerOptions options;
  ConnectionHandler& handler;

  // On the first shard.
  BoundSocket socket;
  Waitable readable;  // a second name of the socket's descriptor, for waiting
  size_t turn = 0;
  std::chrono::steady_clock::time_point last_log{};

  // One set per shard, touched there alone.
  std::vector<std::unordered_set<Stream*>> streams;

  std::atomic<uint64_t> accepted{0};
  std::atomic<uint64_t> refused_at_limit{0};
  std::atomic<uint64_t> out_of_descriptors{0};
  std::atomic<size_t> open{0};
  std::atomic<bool> is_draining{false};
  runtime::CancelSource stop_accept;
  runtime::CancelSource stop_serving;
  runtime::Gate accepting;
  runtime::Gate connections;
};

void Listener::Impl::log_refusal(std::string_view why, uint64_t total) {
  const auto now = shards.shard(0).clock().steady();
  if (last_log == std::chrono::steady_clock::time_point{} || now - last_log >= kLogEvery) {
    last_log = now;
    log::warning("net", "{} {}: connection refused: {} ({} so far)", options.name,
                 socket.address().to_string(), why, total);
  }
}

Task<void> Listener::Impl::accept_loop() {
  while (!stop_accept.is_cancelled()) {
    if (!accept_all()) {
      co_await runtime::sleep_until(Deadline::after(kBackoff, Shard::here().clock()),
                                    stop_accept.token());
      continue;
    }
    const auto [error] =
        co_await readable.async_wait(Waitable::wait_read, asio::as_tuple(asio::use_awaitable));
    if (error && error != asio::error::operation_aborted) {
      log::error("net", "{}: waiting for connections: {}", options.name, error.message());
      co_await runtime::sleep_until(Deadline::after(kBackoff, Shard::here().clock()),
                                    stop_accept.token());
    }
  }
  boost::system::error_code ignored;  // socket.close() has the last word
  readable.close(ignored);
  socket.close();
}

/// false: out of descriptors, so that trying again at once would spin.
bool Listener::Impl::accept_all() {
  // Bounded, so that a storm of connections does not keep the shard from its other work.
  for (int i = 0; i < 64; ++i) {
    Descriptor connection;
    switch (socket.accept(connection)) {
      case AcceptOutcome::kAccepted:
        hand_out(std::move(connection));
        break;
      case AcceptOutcome::kNothing:
        return true;
      case AcceptOutcome::kTryAgain:
        break;
      case AcceptOutcome::kRefused:
      case AcceptOutcome::kNoDescriptors:
        log_refusal("the process has no file descriptor left; raise ulimit -n",
                    ++out_of_descriptors);
        return false;
    }
  }
  return true;
}

void Listener::Impl::hand_out(Descriptor connection) {
  if (open.load() >= options.max_connections) {
    log_refusal(fmt::format("{} are open", options.max_connections), ++refused_at_limit);
    return;
  }
  if (is_among_last(connection.get())) {
    log_refusal("the process has few file descriptors left, which files need; raise ulimit -n",
                ++out_of_descriptors);
    return;
  }
  ++open;
  ++accepted;
  Shard& shard = shards.shard(turn++ % shards.size());
  if (!connections.spawn(shard, options.name.c_str(), serve(std::move(connection)))) {
    --open;
  }
}

Task<void> Listener::Impl::serve(Descriptor connection) {
  auto adopted = Stream::adopt(connection.release());
  if (adopted.ok()) {
    Stream& stream = **adopted;
    auto& here = streams[Shard::here().index()];
    here.insert(&stream);
    if (is_draining) {
      stream.drain();
    }
    if (stop_serving.is_cancelled()) {
      stream.cancel();
    }
    co_await handler.serve(stream, stop_serving.token());
    here.erase(&stream);
    stream.close();
  }
  --open;
}

Task<void> Listener::Impl::stop_accepting() {
  stop_accept.cancel();
  boost::system::error_code ignored;  // nothing waits: the loop sees stop_accept
  readable.cancel(ignored);
  co_await accepting.close();
}

Task<void> Listener::Impl::on_streams(Shard& shard, void (Stream::*call)()) {
  for (Stream* stream : streams[shard.index()]) {
    (stream->*call)();
  }
  co_return;
}

Task<void> Listener::Impl::on_all_streams(void (Stream::*call)()) {
  for (size_t i = 0; i < shards.size(); ++i) {
    co_await runtime::on_shard(shards.shard(i), on_streams(shards.shard(i), call));
  }
}

Listener::Listener(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Listener::~Listener() = default;

Result<std::unique_ptr<Listener>> Listener::start(runtime::ShardSet& shards,
                                                  ListenerOptions options,
                                                  ConnectionHandler& handler) {
  MILLRACE_TRY(auto socket, BoundSocket::open(options.address));
  auto impl = std::make_unique<Impl>(shards, std::move(options), handler, std::move(socket));
  boost::system::error_code error;
  const int second = impl->socket.duplicate();
  if (second < 0) {
    return errno_error("dup(2)", impl->socket.address().to_string(), errno);
  }
  impl->readable.assign(second, error);
  if (error) {
    ::close(second);
    return make_error(Code::kIo, "listen on {}: {}", impl->socket.address().to_string(),
                      error.message());
  }
  std::unique_ptr<Listener> listener(new Listener(std::move(impl)));
  const bool started =
      listener->impl_->accepting.spawn(shards.shard(0), "accept", listener->impl_->accept_loop());
  MILLRACE_CHECK(started, "a new gate is open");
  return listener;
}

const Address& Listener::address() const {
  return impl_->socket.address();
}

Listener::Counters Listener::counters() const {
  return Counters{impl_->accepted, impl_->refused_at_limit, impl_->out_of_descriptors, impl_->open};
}

Task<void> Listener::stop(Deadline drain) {
  Impl& impl = *impl_;
  co_await runtime::on_shard(impl.shards.shard(0), impl.stop_accepting());
  impl.is_draining = true;
  co_await impl.on_all_streams(&Stream::drain);
  if (!co_await impl.connections.close(drain)) {
    log::warning("net", "{}: {} connections were still busy at the drain deadline",
                 impl.options.name, impl.connections.count());
    impl.stop_serving.cancel();
    co_await impl.on_all_streams(&Stream::cancel);
    co_await impl.connections.close();
  }
}

}  // namespace millrace::net
