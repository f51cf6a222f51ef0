#include "server/application.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory_budget.h"
#include "broker/broker.h"
#include "bytes/buffer.h"
#include "io/disk.h"
#include "io/lock_file.h"
#include "journal/commit_log.h"
#include "kafka/service.h"
#include "net/listener.h"
#include "runtime/blocking_pool.h"
#include "runtime/cancel_token.h"
#include "runtime/coroutine.h"
#include "runtime/gate.h"
#include "runtime/on_shard.h"
#include "runtime/shard.h"
#include "server/budgets.h"

#include <algorithm>
#include <thread>

namespace millrace::server {
namespace {

using namespace std::chrono_literals;

constexpr size_t kReaderThreads = 4;
constexpr size_t kMaxIdleBuffers = size_t{16} << 20;

/// Looks every second; applies retention after a rotation and at least every `interval`.
runtime::Task<void> retention_loop(broker::Broker& broker, std::chrono::milliseconds interval,
                                   runtime::CancelToken stop) {
  uint64_t rotations = UINT64_MAX;
  auto due = runtime::Deadline::after(0s);
  while (co_await runtime::sleep_until(
      runtime::Deadline::after(std::min<std::chrono::milliseconds>(1s, interval)), stop)) {
    const uint64_t now = broker.journal().counters().rotations;
    if (now == rotations && !due.has_passed()) {
      continue;
    }
    co_await broker.apply_retention();
    rotations = now;
    due = runtime::Deadline::after(interval);
  }
}

}  // namespace

/// In order of construction; destroyed in reverse.
struct Application::Parts {
  explicit Parts(const Options& given) : options(given) {}

  const Options options;
  std::chrono::steady_clock::time_point begun = std::chrono::steady_clock::now();
  std::chrono::milliseconds started_in{0};
  std::optional<io::LockFile> lock;
  std::unique_ptr<MemoryBudget> buffer_budget;
  std::unique_ptr<bytes::BufferPool> buffers;
  std::unique_ptr<runtime::BlockingPool> readers;
  std::unique_ptr<runtime::ShardSet> shards;
  std::unique_ptr<journal::JournalLog> log;
  std::unique_ptr<broker::Broker> broker;
  std::unique_ptr<kafka::Service> kafka;
  std::unique_ptr<net::Listener> kafka_listener;
  runtime::CancelSource stop_background;
  std::unique_ptr<runtime::Gate> background;
  bool is_stopped = false;

  Status open_directory();
  Status open_log(const std::atomic<bool>& stop);
  Status listen();
};

Status Application::Parts::open_directory() {
  MILLRACE_TRY_STATUS(io::posix_disk().make_directories(options.data));
  MILLRACE_TRY(lock, io::LockFile::acquire(options.data + "/lock"));
  const Budgets budgets = budgets_for(options.memory_bytes);
  buffer_budget = std::make_unique<MemoryBudget>("request buffers",
                                                 budgets.request_buffers + budgets.tail_cache);
  buffers = std::make_unique<bytes::BufferPool>(*buffer_budget, kMaxIdleBuffers);
  const size_t count =
      options.shards != 0 ? options.shards : std::max(1U, std::thread::hardware_concurrency());
  MILLRACE_TRY(readers, runtime::BlockingPool::start({.name = "read", .threads = kReaderThreads}));
  MILLRACE_TRY(shards, runtime::ShardSet::start(count, "shard"));
  return {};
}

Status Application::Parts::open_log(const std::atomic<bool>& stop) {
  journal::JournalOptions journal;
  journal.directory = options.data + "/journal";
  journal.recovery.quarantine = options.data + "/quarantine";
  journal.recovery.stop = &stop;
  MILLRACE_TRY(journal.recovery.writer, journal_limits(io::posix_disk(), options));
  MILLRACE_TRY(log, journal::JournalLog::open(io::posix_disk(), std::move(journal), system_clock(),
                                              *readers));
  const auto& report = log->report();
  if (report.torn) {
    log::warning("journal",
                 "torn tail cut: {} from {} on (run {}, {} bytes, never acknowledged), kept as {}",
                 report.torn->file, report.torn->position, report.torn->run, report.torn->bytes,
                 report.torn->quarantined_as);
  }
  log::info("journal", "{} {}: {} runs walked, {} written again",
            report.is_new ? "new directory" : "recovered directory", report.directory.to_string(),
            report.runs_walked, report.runs_rewritten);
  MILLRACE_TRY(broker, broker::Broker::open(*log, budgets_for(options.memory_bytes).tail_cache,
                                            system_clock()));
  background = std::make_unique<runtime::Gate>();
  static_cast<void>(
      background->spawn(shards->shard(0), "retention",
                        retention_loop(*broker, options.retention_check, stop_background.token())));
  return {};
}

Status Application::Parts::listen() {
  net::ListenerOptions kafka_options{"kafka", options.kafka, options.max_connections};
  kafka::ServiceOptions service;
  service.default_partitions = options.default_partitions;
  service.auto_create_topics = options.auto_create_topics;
  service.advertised = options.kafka_advertise.value_or(options.kafka);
  kafka = std::make_unique<kafka::Service>(*broker, *buffers, service);
  MILLRACE_TRY(kafka_listener, net::Listener::start(*shards, kafka_options, *kafka));
  kafka->listening_on(kafka_listener->address().port);
  return {};
}

Application::Application(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

// NOLINTNEXTLINE(bugprone-exception-escape): a stop that throws must end the process.
Application::~Application() {
  static_cast<void>(stop());
}

Result<std::unique_ptr<Application>> Application::start(const Options& options,
                                                        const std::atomic<bool>& stop) {
  std::unique_ptr<Application> application(new Application(std::make_unique<Parts>(options)));
  Parts& parts = *application->parts_;
  MILLRACE_TRY_STATUS(parts.open_directory());
  MILLRACE_TRY_STATUS(parts.open_log(stop));
  MILLRACE_TRY_STATUS(parts.listen());
  const auto took = std::chrono::steady_clock::now() - parts.begun;
  parts.started_in = std::chrono::duration_cast<std::chrono::milliseconds>(took);
  return application;
}

const net::Address& Application::kafka_address() const {
  return parts_->kafka_listener->address();
}

std::string Application::directory_id() const {
  return parts_->log->directory_id().to_string();
}

std::chrono::milliseconds Application::started_in() const {
  return parts_->started_in;
}

Status Application::stop() {
  Parts& parts = *parts_;
  if (parts.is_stopped) {
    return {};
  }
  parts.is_stopped = true;
  parts.stop_background.cancel();
  if (parts.kafka_listener) {
    runtime::block_on(parts.shards->shard(0),
                      parts.kafka_listener->stop(runtime::Deadline::after(parts.options.drain)));
  }
  if (parts.background) {
    runtime::block_on(parts.shards->shard(0), parts.background->close());
  }
  bool is_poisoned = false;
  if (parts.log) {
    parts.log->stop();
    is_poisoned = parts.log->is_poisoned();
    const auto& counters = parts.log->counters();
    log::info("journal", "closed: {} runs, {} frames, {} rotations, {} files freed, {} recycled",
              counters.runs.load(), counters.frames.load(), counters.rotations.load(),
              counters.files_freed.load(), parts.log->recycled());
  }
  if (parts.readers) {
    parts.readers->stop();
  }
  if (parts.shards) {
    parts.shards->stop();
  }
  return is_poisoned ? Status(make_error(Code::kReadOnly,
                                         "the journal was poisoned: the next start recovers it"))
                     : Status{};
}

}  // namespace millrace::server
