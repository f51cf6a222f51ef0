#include "server/application.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory_budget.h"
#include "broker/broker.h"
#include "broker/scrub.h"
#include "broker/segment_trust.h"
#include "broker/segments.h"
#include "bytes/buffer.h"
#include "catalog/sqlite_catalog.h"
#include "http/service.h"
#include "ingest/ingestor.h"
#include "io/disk.h"
#include "io/disk_reserve.h"
#include "io/lock_file.h"
#include "journal/commit_log.h"
#include "kafka/service.h"
#include "net/http_server.h"
#include "net/listener.h"
#include "objects/local_store.h"
#include "query/engine.h"
#include "query/engine_options.h"
#include "query/topic_reader.h"
#include "runtime/blocking_pool.h"
#include "runtime/cancel_token.h"
#include "runtime/coroutine.h"
#include "runtime/gate.h"
#include "runtime/on_shard.h"
#include "runtime/shard.h"
#include "runtime/waiters.h"
#include "segment/format.h"
#include "server/background.h"
#include "server/budgets.h"
#include "server/data_directory.h"
#include "server/media.h"
#include "server/metrics.h"
#include "server/open_files.h"
#include "server/segment_store.h"
#include "tables/tables.h"
#include "tables/trust.h"

#include <algorithm>
#include <filesystem>
#include <thread>

namespace millrace::server {
namespace {

using namespace std::chrono_literals;

constexpr size_t kReaderThreads = 4;
constexpr size_t kBlockingThreads = 2;
constexpr size_t kColdThreads = 4;  // that read segment objects
constexpr int kColdNice = 5;
constexpr int kArchiveNice = 10;
constexpr auto kSegmentsCheck = 10s;
constexpr int kQueryNice = 10;
constexpr size_t kQueuedQueries = 64;
/// For queries to end once they were told to: DuckDB looks at that between two steps, of which most
/// take milliseconds, but one call of a function is one step, and so is binding a statement.
constexpr auto kQueriesEnd = 2s;
constexpr size_t kMaxIdleBuffers = size_t{16} << 20;

}  // namespace

/// In order of construction; destroyed in reverse.
struct Application::Parts {
  explicit Parts(const Options& given) : options(given) {}

  const Options options;
  std::chrono::steady_clock::time_point begun = std::chrono::steady_clock::now();
  std::chrono::milliseconds started_in{0};
  std::optional<io::LockFile> lock;
  io::DiskReserve reserve{io::posix_disk(), options.data + "/reserve"};
  std::unique_ptr<MemoryBudget> buffer_budget;
  std::unique_ptr<bytes::BufferPool> buffers;
  std::unique_ptr<MemoryBudget> reads;
  std::unique_ptr<MemoryBudget> bodies;
  Metrics metrics;
  http::HttpCounters http_counters;
  std::unique_ptr<runtime::BlockingPool> readers;
  std::unique_ptr<runtime::BlockingPool> blocking;  // catalog commits, large decompressions
  std::unique_ptr<runtime::BlockingPool> cold;      // reads of segment objects
  std::unique_ptr<runtime::BlockingPool> archive;   // writes them
  std::unique_ptr<runtime::BlockingPool> uploads;   // writes those that clients wait for
  std::unique_ptr<runtime::BlockingPool> queries;
  std::unique_ptr<runtime::ShardSet> shards;
  std::unique_ptr<catalog::Catalog> catalog;
  std::unique_ptr<objects::LocalStore> store;
  std::unique_ptr<SegmentStore> segment_store;
  std::unique_ptr<journal::JournalLog> log;
  std::unique_ptr<broker::History> history;
  std::unique_ptr<broker::Broker> broker;
  std::unique_ptr<broker::Segments> segments;
  std::unique_ptr<broker::Scrub> scrub;
  std::unique_ptr<tables::Tables> tables;
  std::unique_ptr<ingest::Ingestor> ingestor;
  std::unique_ptr<query::TopicReader> topics;
  std::unique_ptr<query::Engine> engine;
  std::unique_ptr<kafka::Service> kafka;
  std::unique_ptr<net::Listener> kafka_listener;
  std::unique_ptr<http::Service> http;
  std::unique_ptr<net::HttpServer> http_server;
  runtime::CancelSource stop_background;
  runtime::CancelSource stop_uploads;
  runtime::WaitList short_of_room;  // of shard 0, as the loops
  std::unique_ptr<runtime::Gate> background;
  bool is_stopped = false;

  Status open_directory();
  Status open_log(const std::atomic<bool>& stop);
  Status open_topics();
  Status open_tables();
  Status open_queries();
  Status listen();
  void start_background();
  Status stop_log();
  size_t stop_pools(runtime::Deadline deadline);
};

Status Application::Parts::open_directory() {
  MILLRACE_TRY_STATUS(check_data_directory(io::posix_disk(), options.data));
  MILLRACE_TRY_STATUS(io::posix_disk().make_directories(options.data));
  MILLRACE_TRY_STATUS(check_medium(options.data));
  MILLRACE_TRY(lock, io::LockFile::acquire(options.data + "/lock"));
  const Budgets budgets = budgets_for(options.memory_bytes);
  buffer_budget = std::make_unique<MemoryBudget>("request buffers",
                                                 budgets.request_buffers / 2 + budgets.tail_cache);
  bodies = std::make_unique<MemoryBudget>("request bodies", budgets.request_buffers / 2);
  buffers = std::make_unique<bytes::BufferPool>(*buffer_budget, kMaxIdleBuffers);
  reads = std::make_unique<MemoryBudget>("reads", budgets.reads);
  const size_t count =
      options.shards != 0 ? options.shards : std::max(1U, std::thread::hardware_concurrency());
  MILLRACE_TRY(readers, runtime::BlockingPool::start({.name = "read", .threads = kReaderThreads}));
  MILLRACE_TRY(blocking,
               runtime::BlockingPool::start({.name = "block", .threads = kBlockingThreads}));
  MILLRACE_TRY(cold, runtime::BlockingPool::start(
                         {.name = "cold", .threads = kColdThreads, .nice = kColdNice}));
  MILLRACE_TRY(archive, runtime::BlockingPool::start(
                            {.name = "archive", .threads = 1, .nice = kArchiveNice}));
  MILLRACE_TRY(uploads, runtime::BlockingPool::start({.name = "upload", .threads = 1}));
  MILLRACE_TRY(shards, runtime::ShardSet::start(count, "shard"));
  return {};
}

Status Application::Parts::open_log(const std::atomic<bool>& stop) {
  journal::JournalOptions journal;
  journal.directory = options.data + "/journal";
  journal.recovery.quarantine = options.data + "/quarantine";
  journal.recovery.stop = &stop;
  journal.chunk_bytes = budgets_for(options.memory_bytes).journal_chunks;
  MILLRACE_TRY(catalog, catalog::open_sqlite(io::posix_disk(), options.data + "/catalog.db",
                                             {.reserve = &reserve}));
  MILLRACE_TRY_STATUS(catalog::check_store(catalog->contents(), name_of_store(options)));
  journal.recovery.expected = catalog->contents().directory;
  MILLRACE_TRY(const bool is_known, has_journal(io::posix_disk(), options.data));
  if (options.bucket && catalog->contents().is_new && !is_known) {
    MILLRACE_TRY_STATUS(check_bucket_is_empty(*options.bucket));
  }
  MILLRACE_TRY(segment_store, SegmentStore::open(io::posix_disk(), options));
  journal.recovery.approve = [this](const journal::Findings& found) -> Status {
    MILLRACE_TRY_STATUS(tables::check_trust(catalog->contents(), found));
    return broker::check_segment_trust(catalog->contents(), found, [this]() -> Result<bool> {
      MILLRACE_TRY(const auto objects, segment_store->store().list(segment::kFolder));
      return !objects.empty();
    });
  };
  MILLRACE_TRY(journal.recovery.writer, journal_limits(io::posix_disk(), options));
  MILLRACE_TRY_STATUS(look_at_medium(journal, options.journal_run_bytes));
  const auto open = [&] {
    return journal::JournalLog::open(io::posix_disk(), journal, system_clock(), *readers);
  };
  auto opened = open();
  if (!opened.ok() && opened.error().code == Code::kOverloaded &&
      reserve.give_up(io::DiskReserve::kBytes) > 0) {
    opened = open();  // a torn tail is kept, also on a full disk
  }
  MILLRACE_TRY(log, std::move(opened));
  const auto& report = log->report();
  if (report.torn) {
    log::warning("journal",
                 "torn tail cut: {} from {} on (run {}, {} bytes, not proven durable), kept as {}",
                 report.torn->file, report.torn->position, report.torn->run, report.torn->bytes,
                 report.torn->quarantined_as);
  }
  for (const auto& gap : report.gaps) {
    log::info(
        "journal",
        "offsets {} to {} of partition {} of topic {} (durability=interval) stay unused: they "
        "were reserved when the server ended",
        gap.next, gap.end.value - 1, gap.partition.partition, gap.partition.topic.to_string());
  }
  if (report.is_new) {
    log::info("journal", "new directory {}", report.directory.to_string());
  } else {
    log::info("journal", "directory {}: {} runs since its checkpoint, the last {} synced again",
              report.directory.to_string(), report.runs_walked, report.runs_rewritten);
    if (catalog->contents().is_new) {
      log::warning(
          "catalog",
          "{}/catalog.db was not there, and is made anew: the journal has all that it said",
          options.data);
    }
  }
  log::info("journal", "runs are written by {}{}", io::name_of(report.method.method),
            report.method.figures.empty()
                ? ""
                : fmt::format("; 4 KiB and 256 KiB with their syncs: {}", report.method.figures));
  log->hold("broker", catalog->contents().broker_place.value_or(JournalPlace{}).file);
  MILLRACE_TRY_STATUS(catalog->begin(log->directory_id()));
  MILLRACE_TRY_STATUS(remember_store(*catalog, segment_store->own(), options));
  reserve.keep();
  return {};
}

Status Application::Parts::open_topics() {
  const Budgets budgets = budgets_for(options.memory_bytes);
  MILLRACE_TRY(broker, broker::Broker::open(*log, budgets.tail_cache, system_clock()));
  history = std::make_unique<broker::History>(segment_store->store(), budgets.segment_indexes,
                                              catalog->contents().segments);
  broker->read_history(*history, *cold);
  broker::SegmentsOptions rules;
  rules.cut.bytes = options.segment_bytes;
  rules.cut.least_segment = options.segment_bytes / 8;
  rules.cut.age = options.segment_age;
  rules.object_linger = options.object_linger;
  rules.merge_age = options.segment_age / 2;
  if (!options.bucket) {
    rules.cut.least_age = options.segment_age;  // docs/decisions/011
  }
  segments =
      std::make_unique<broker::Segments>(broker::SegmentsParts{.broker = *broker,
                                                               .log = *log,
                                                               .catalog = *catalog,
                                                               .store = segment_store->store(),
                                                               .history = *history,
                                                               .pool = *archive,
                                                               .uploads = *uploads,
                                                               .clock = system_clock()},
                                         rules);
  broker->upload_objects(segments->uploader(), catalog->contents().partitions);
  using segment::ObjectCheck;
  scrub = std::make_unique<broker::Scrub>(
      broker::ScrubParts{.broker = *broker,
                         .log = *log,
                         .disk = io::posix_disk(),
                         .store = segment_store->own(),
                         .history = *history,
                         .pool = *cold},
      broker::ScrubOptions{
          .interval = options.scrub_interval,
          .bytes_per_second = options.scrub_bytes_per_second,
          // A bucket charges for what is read of it, and checks what it stores by itself.
          .objects = options.bucket ? ObjectCheck::Depth::kIndexes : ObjectCheck::Depth::kData,
          .data = options.data});
  return {};
}

Status Application::Parts::open_tables() {
  const std::string data = std::filesystem::absolute(options.data).lexically_normal();
  MILLRACE_TRY(store, objects::LocalStore::open(io::posix_disk(), data + "/tables", data + "/tmp"));
  tables::TablesOptions limits;
  limits.hot_bytes = budgets_for(options.memory_bytes).hot_rows;
  limits.flush.bytes = options.flush_bytes;
  limits.flush.rows = options.flush_rows;
  limits.flush.age = options.flush_age;
  limits.flush.threads = options.flush_threads;
  limits.quarantine = data + "/quarantine/tables";
  for (const broker::TopicRecord& topic : broker->tombstones()) {
    limits.deleted.insert(tables::folder_of_topic(topic.name, topic.id));
  }
  MILLRACE_TRY(tables, tables::Tables::open({.log = *log,
                                             .catalog = *catalog,
                                             .store = *store,
                                             .reserve = reserve,
                                             .shard = shards->shard(0),
                                             .clock = system_clock()},
                                            std::move(limits)));
  ingestor = std::make_unique<ingest::Ingestor>(*broker, *tables, *blocking, system_clock());
  broker->observe(ingestor.get());
  return {};
}

Status Application::Parts::open_queries() {
  const std::string data = std::filesystem::absolute(options.data).lexically_normal();
  const size_t cores = std::max(1U, std::thread::hardware_concurrency());
  MILLRACE_TRY(queries, runtime::BlockingPool::start({.name = "query",
                                                      .threads = std::max<size_t>(2, cores),
                                                      .nice = kQueryNice,
                                                      .queue_bound = kQueuedQueries}));
  query::EngineOptions limits;
  limits.tables_directory = data + "/tables";
  limits.temp_directory = data + "/tmp/query";
  limits.memory_bytes = budgets_for(options.memory_bytes).queries;
  MILLRACE_TRY(const io::Space space, io::posix_disk().space(options.data));
  limits.max_temp_bytes = space.free_bytes / 10;
  limits.threads = options.query_threads != 0 ? options.query_threads : cores;
  limits.nice = kQueryNice;
  topics = std::make_unique<query::TopicReader>(*broker, *shards);
  MILLRACE_TRY(engine, query::Engine::open(std::move(limits), *tables, *topics));
  return {};
}

void Application::Parts::start_background() {
  background = std::make_unique<runtime::Gate>();
  const LookedAfter of{.broker = *broker,
                       .tables = *tables,
                       .segments = *segments,
                       .log = *log,
                       .catalog = *catalog,
                       .reserve = reserve,
                       .pool = *blocking,
                       .short_of_room = short_of_room};
  const runtime::CancelToken stop = stop_background.token();
  runtime::Shard& shard = shards->shard(0);
  static_cast<void>(
      background->spawn(shard, "retention", retention_loop(of, options.retention_check, stop)));
  static_cast<void>(background->spawn(
      shard, "segments",
      segments_loop(
          of, std::min<std::chrono::milliseconds>(kSegmentsCheck, options.segment_age / 4), stop)));
  static_cast<void>(
      background->spawn(shard, "uploads", segments->uploader().run(stop_uploads.token())));
  static_cast<void>(background->spawn(shard, "tables", tables_loop(of, options.flush_age, stop)));
  static_cast<void>(background->spawn(shard, "scrub", scrub->run(stop)));
  tables->start_replay();
}

Status Application::Parts::listen() {
  net::ListenerOptions kafka_options{"kafka", options.kafka, options.max_connections};
  kafka::ServiceOptions service;
  service.default_partitions = options.default_partitions;
  service.auto_create_topics = options.auto_create_topics;
  service.advertised = options.kafka_advertise.value_or(options.kafka);
  service.max_frame_bytes =
      std::min(kafka::kMaxProduceFrame, budgets_for(options.memory_bytes).request_buffers / 2);
  kafka = std::make_unique<kafka::Service>(*broker, *buffers, *reads, service);
  MILLRACE_TRY(kafka_listener, net::Listener::start(*shards, kafka_options, *kafka));
  kafka->listening_on(kafka_listener->address().port);
  add_metrics(metrics,
              {*log, *broker, *segments, *history, *scrub, *segment_store, *tables, *ingestor,
               *bodies, *buffer_budget, *reads, http_counters, *kafka_listener});
  http = std::make_unique<http::Service>(http::Context{.broker = *broker,
                                                       .tables = *tables,
                                                       .ingestor = *ingestor,
                                                       .engine = *engine,
                                                       .metrics = metrics,
                                                       .bodies = *bodies,
                                                       .query_pool = *queries,
                                                       .pool = *blocking,
                                                       .clock = system_clock(),
                                                       .options = {.query = options.query_time,
                                                                   .query_rows = options.query_rows,
                                                                   .version = options.version},
                                                       .counters = http_counters});
  const net::HttpServerOptions http_options{.address = options.http,
                                            .max_connections = options.max_connections};
  MILLRACE_TRY(http_server, net::HttpServer::start(*shards, http_options, *http));
  return {};
}

Application::Application(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

// NOLINTNEXTLINE(bugprone-exception-escape): a stop that throws must end the process.
Application::~Application() {
  static_cast<void>(stop());
  static_cast<void>(parts_->stop_pools(runtime::Deadline::never()));
}

Result<std::unique_ptr<Application>> Application::start(const Options& options,
                                                        const std::atomic<bool>& stop) {
  std::unique_ptr<Application> application(new Application(std::make_unique<Parts>(options)));
  Parts& parts = *application->parts_;
  MILLRACE_TRY_STATUS(raise_open_file_limit());
  MILLRACE_TRY_STATUS(parts.open_directory());
  MILLRACE_TRY_STATUS(parts.open_log(stop));
  MILLRACE_TRY_STATUS(parts.open_topics());
  MILLRACE_TRY_STATUS(parts.open_tables());
  MILLRACE_TRY_STATUS(parts.open_queries());
  MILLRACE_TRY_STATUS(parts.listen());
  parts.start_background();
  const auto took = std::chrono::steady_clock::now() - parts.begun;
  parts.started_in = std::chrono::duration_cast<std::chrono::milliseconds>(took);
  return application;
}

const net::Address& Application::kafka_address() const {
  return parts_->kafka_listener->address();
}

const net::Address& Application::http_address() const {
  return parts_->http_server->address();
}

std::string Application::directory_id() const {
  return parts_->log->directory_id().to_string();
}

std::chrono::milliseconds Application::started_in() const {
  return parts_->started_in;
}

Status Application::Parts::stop_log() {
  if (!log) {
    return {};
  }
  log->stop();
  const auto& counters = log->counters();
  log::info("journal",
            "closed: {} runs, {} frames, {} rotations, {} files freed, {} recycled, {} "
            "zero-written",
            counters.runs.load(), counters.frames.load(), counters.rotations.load(),
            counters.files_freed.load(), log->recycled(), log->zero_written());
  if (log->is_poisoned()) {
    return make_error(Code::kReadOnly, "the journal was poisoned: the next start recovers it");
  }
  return {};
}

/// Returns: queries that still run at `deadline`. Then what they may call goes on.
size_t Application::Parts::stop_pools(runtime::Deadline deadline) {
  if (const size_t left = queries ? queries->stop(deadline) : 0; left > 0) {
    return left;
  }
  for (auto* pool : {uploads.get(), archive.get(), cold.get(), blocking.get(), readers.get()}) {
    if (pool != nullptr) {
      pool->stop();
    }
  }
  if (shards) {
    shards->stop();
  }
  return 0;
}

Stopped Application::stop() {
  Parts& parts = *parts_;
  if (parts.is_stopped) {
    return {};
  }
  parts.is_stopped = true;
  parts.stop_background.cancel();
  const auto drain = runtime::Deadline::after(parts.options.drain);
  runtime::CancelSource drained;
  if (parts.background) {  // who waits for an upload longer than that is told to come again
    static_cast<void>(parts.background->spawn(
        parts.shards->shard(0), "drain", cancel_at(drain, parts.stop_uploads, drained.token())));
  }
  if (parts.http_server) {
    runtime::block_on(parts.shards->shard(0), parts.http_server->stop(drain));
  }
  if (parts.kafka_listener) {
    runtime::block_on(parts.shards->shard(0), parts.kafka_listener->stop(drain));
  }
  drained.cancel();
  parts.stop_uploads.cancel();
  // No handler waits for a query any more, but some may still run: told to end, and mostly about
  // to.
  const auto queries_by = runtime::Deadline::after(kQueriesEnd);
  if (parts.queries) {
    static_cast<void>(parts.queries->stop(queries_by));
  }
  if (parts.background) {
    runtime::block_on(parts.shards->shard(0), parts.background->close());
  }
  if (parts.segments && parts.background) {
    parts.segments->finish();
  }
  if (parts.tables) {
    parts.tables->stop();
    runtime::block_on(parts.shards->shard(0),
                      parts.broker->write_catalog(*parts.catalog, *parts.blocking));
  }
  if (parts.catalog) {
    if (auto closed = parts.catalog->close(); !closed.ok()) {
      log::warning("catalog", "not closed in good order: {}", closed.error().message);
    }
  }
  Stopped stopped{.status = parts.stop_log()};
  stopped.queries_left = parts.stop_pools(queries_by);
  if (stopped.queries_left > 0) {
    log::warning("query", "queries that did not end when told to: {}; all else has stopped",
                 stopped.queries_left);
  }
  return stopped;
}

}  // namespace millrace::server
