#include "query/engine.h"

#include "base/log.h"
#include "base/mutex.h"
#include "columnar/utf8.h"
#include "query/database.h"
#include "query/deadline_watch.h"
#include "query/encode_json.h"
#include "query/hints.h"
#include "query/names.h"
#include "query/session.h"
#include "query/views.h"

#include <algorithm>
#include <utility>

namespace millrace::query {
namespace {

constexpr size_t kMostSqlBytes = size_t{1} << 20;

/// A database with what belongs to it. Queries hold it, so that one that is retired lives until the
/// last of them has ended.
struct Instance {
  explicit Instance(std::unique_ptr<Database> given)
      : database(std::move(given)), views(*database) {}

  const std::unique_ptr<Database> database;
  Views views;
};

Status validate_text(std::string_view sql) {
  if (sql.size() > kMostSqlBytes) {
    return make_error(Code::kInvalid, "the statement has {} bytes; {} are allowed", sql.size(),
                      kMostSqlBytes);
  }
  if (const auto zero = sql.find('\0'); zero != std::string_view::npos) {
    return make_error(Code::kInvalid, "byte {} of the statement is zero", zero);
  }
  if (const auto wrong = columnar::find_invalid_utf8(sql)) {
    return make_error(Code::kInvalid, "the statement is not UTF-8 from byte {} on", *wrong);
  }
  return {};
}

/// Removes itself from the watch.
class Watched {
 public:
  Watched(DeadlineWatch& watch, runtime::Deadline deadline, Interrupter& interrupter)
      : watch_(watch) {
    if (!deadline.is_never()) {
      id_ = watch.add(deadline, [&interrupter] { interrupter.stop(Code::kTimeout); });
    }
  }

  ~Watched() { watch_.remove(id_); }

  Watched(const Watched&) = delete;
  Watched& operator=(const Watched&) = delete;

 private:
  DeadlineWatch& watch_;
  uint64_t id_ = 0;
};

}  // namespace

struct Engine::Impl {
  Impl(EngineOptions given, tables::SnapshotSource& some_tables, const TopicSource& some_topics)
      : options(std::move(given)), tables(some_tables), topics(some_topics) {}

  Result<std::shared_ptr<Instance>> instance();
  Result<std::vector<tables::Snapshot>> snapshots(const StatementFacts& facts,
                                                  const std::vector<tables::TableInfo>& list,
                                                  runtime::Deadline deadline);
  Result<QueryAnswer> run(Instance& instance, Session& session, const std::string& sql,
                          const QueryLimits& limits);
  Result<QueryAnswer> run(Instance& instance, Session& session, std::vector<tables::Snapshot> taken,
                          const QueryLimits& limits);

  const EngineOptions options;
  tables::SnapshotSource& tables;
  const TopicSource& topics;
  DeadlineWatch watch;
  Mutex mutex;
  std::shared_ptr<Instance> current MILLRACE_GUARDED_BY(mutex);
};

Engine::Engine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Engine::~Engine() = default;

Result<std::unique_ptr<Engine>> Engine::open(EngineOptions options, tables::SnapshotSource& tables,
                                             const TopicSource& topics) {
  MILLRACE_TRY_STATUS(Database::check(options));
  return std::unique_ptr<Engine>(
      new Engine(std::make_unique<Impl>(std::move(options), tables, topics)));
}

Result<QueryAnswer> Engine::run(std::string_view sql, const QueryLimits& limits) {
  MILLRACE_TRY_STATUS(validate_text(sql));
  const auto allowed = limits.deadline.remaining();
  MILLRACE_TRY(const auto instance, impl_->instance());
  MILLRACE_TRY(const auto session,
               Session::open(*instance->database, impl_->topics, impl_->options.tables_directory));
  Interrupter& interrupter = session->interrupter();
  const Watched watched(impl_->watch, limits.deadline, interrupter);
  const runtime::CancelCallback on_cancel(limits.cancel,
                                          [&interrupter] { interrupter.stop(Code::kCancelled); });
  auto answer = impl_->run(*instance, *session, std::string(sql), limits);
  if (!answer.ok() && interrupter.reason() == Code::kTimeout) {
    return make_error(Code::kTimeout, "the query did not end within {:.3g} s",
                      std::chrono::duration<double>(allowed).count());
  }
  if (!answer.ok() && interrupter.reason() == Code::kCancelled) {
    return make_error(Code::kCancelled, "the query was cancelled");
  }
  return answer;
}

Result<QueryAnswer> Engine::Impl::run(Instance& instance, Session& session, const std::string& sql,
                                      const QueryLimits& limits) {
  const Result<StatementFacts> checked = session.check(sql);
  if (!checked.ok()) {
    return or_offset(checked.error(), sql);
  }
  const StatementFacts& facts = *checked;
  std::vector<tables::TableInfo> list;
  if (facts.lists_tables || !facts.tables.empty()) {
    list = tables.list();
  }
  if (facts.lists_tables) {
    MILLRACE_TRY_STATUS(instance.views.sync(list));
  }
  MILLRACE_TRY(auto taken, snapshots(facts, list, limits.deadline));
  std::vector<TopicId> read;
  read.reserve(taken.size());
  for (const tables::Snapshot& snapshot : taken) {
    read.push_back(snapshot.topic);
  }
  auto answer = run(instance, session, std::move(taken), limits);
  if (!answer.ok() && session.may_be_damage()) {
    // DuckDB's words for a damaged file are many, some as for a wrong statement; ours name it.
    for (const TopicId& topic : read) {
      MILLRACE_TRY_STATUS(tables.recheck(topic, limits.deadline));
    }
  }
  if (!answer.ok()) {
    return or_zone(std::move(answer).error());
  }
  return answer;
}

Result<QueryAnswer> Engine::Impl::run(Instance& instance, Session& session,
                                      std::vector<tables::Snapshot> taken,
                                      const QueryLimits& limits) {
  MILLRACE_TRY_STATUS(session.begin(instance.views, std::move(taken)));
  MILLRACE_TRY_STATUS(session.start());
  JsonEncoder encoder(limits.max_bytes);
  QueryAnswer answer;
  MILLRACE_TRY(answer.rows, session.fetch(encoder, limits.max_rows));
  MILLRACE_TRY(answer.pieces, encoder.finish());
  return answer;
}

Result<std::shared_ptr<Instance>> Engine::Impl::instance() {
  const MutexLock lock(mutex);
  if (current && current->database->is_retired()) {
    log::error("query", "DuckDB's database was invalidated; the next query has a new one");
    current.reset();
  }
  if (!current) {
    MILLRACE_TRY(auto database, Database::open(options));
    current = std::make_shared<Instance>(std::move(database));
  }
  return current;
}

Result<std::vector<tables::Snapshot>> Engine::Impl::snapshots(
    const StatementFacts& facts, const std::vector<tables::TableInfo>& list,
    runtime::Deadline deadline) {
  std::vector<tables::Snapshot> taken;
  for (const TableReference& reference : facts.tables) {
    const auto table = resolve(reference, list);
    if (!table.ok()) {
      return or_topic(table.error(), reference, topics);
    }
    const auto is_same = [&table](const auto& other) { return other.name == table->name; };
    if (std::ranges::any_of(taken, is_same)) {
      continue;
    }
    MILLRACE_TRY(auto snapshot, tables.snapshot(table->name, deadline));
    taken.push_back(std::move(snapshot));
  }
  return taken;
}

}  // namespace millrace::query
