#include "tables/flusher.h"

#include "base/log.h"
#include "tables/schema_frame.h"

#include <pthread.h>

#include <algorithm>
#include <future>

namespace millrace::tables {
namespace {

using namespace std::chrono_literals;

constexpr size_t kMostJobs = 100'000;  // tables waiting; a table waits once
constexpr auto kFirstPause = 1s;
constexpr auto kLongestPause = 60s;

catalog::FlushCommit commit_of(const Table& table, const FlushUnit& unit, UnitFiles& files,
                               const JournalPlace& place) {
  const TopicId topic = table.partition().topic;
  return {.table = {.topic = topic,
                    .database = table.name().database,
                    .measurement = table.name().measurement,
                    .schema_version = unit.schema->version,
                    .schema = to_frame({topic, table.name(), unit.schema}).value},
          .partition = table.partition(),
          .first = unit.first,
          .next = unit.next,
          .files = files.rows,
          .place = place};
}

double seconds(std::chrono::steady_clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace

std::string_view name_of(FlushReason reason) {
  switch (reason) {
    case FlushReason::kRows:
      return "rows";
    case FlushReason::kBytes:
      return "bytes";
    case FlushReason::kAge:
      return "age";
    case FlushReason::kMemory:
      return "memory";
    case FlushReason::kRequest:
      return "request";
    case FlushReason::kJournal:
      return "journal";
  }
  return "";
}

Flusher::Flusher(FlushParts parts, FlushOptions options)
    : parts_(std::move(parts)), options_(options), jobs_(kMostJobs) {
  for (size_t i = 0; i < std::max<size_t>(options_.threads, 1); ++i) {
    threads_.emplace_back([this] { work(); });
    pthread_setname_np(threads_.back().native_handle(), fmt::format("flush-{}", i).c_str());
  }
}

Flusher::~Flusher() {
  stop();
}

void Flusher::stop() {
  is_stopping_ = true;
  jobs_.close();
  for (auto& thread : threads_) {
    if (thread.joinable()) {
      thread.join();
    }
  }
}

void Flusher::consider(const TablePtr& table) {
  const HotSize hot = table->hot();
  if (hot.bytes >= options_.bytes) {
    enqueue(table, FlushReason::kBytes);
  } else if (hot.rows >= options_.rows) {
    enqueue(table, FlushReason::kRows);
  }
}

void Flusher::look_at(const std::vector<TablePtr>& tables) {
  const auto now = parts_.clock.steady();
  const auto allowed =
      static_cast<size_t>(static_cast<double>(parts_.budget.limit()) * options_.memory_share);
  std::vector<std::pair<uint64_t, TablePtr>> by_bytes;
  for (const TablePtr& table : tables) {
    const HotSize hot = table->hot();
    if (hot.bytes == 0) {
      continue;
    }
    if (now - hot.oldest >= options_.age) {
      enqueue(table, FlushReason::kAge);
    } else {
      by_bytes.emplace_back(hot.bytes, table);
    }
  }
  if (parts_.budget.used() < allowed) {
    return;
  }
  std::ranges::sort(by_bytes, std::greater<>(), &std::pair<uint64_t, TablePtr>::first);
  uint64_t excess = parts_.budget.used() - allowed;
  for (const auto& [bytes, table] : by_bytes) {
    enqueue(table, FlushReason::kMemory);
    if (bytes >= excess) {
      break;
    }
    excess -= bytes;
  }
}

void Flusher::enqueue(const TablePtr& table, FlushReason reason) {
  {
    MutexLock lock(mutex_);
    Entry& entry = entries_[table->partition().topic];
    const bool is_too_early =
        reason != FlushReason::kRequest && parts_.clock.steady() < entry.not_before;
    if (entry.is_queued || is_too_early) {
      return;
    }
    entry.is_queued = true;
  }
  if (auto put = jobs_.try_put({table, reason}); !put.ok()) {
    settle(table, put);
  }
}

void Flusher::request(const TablePtr& table, Done done) {
  {
    MutexLock lock(mutex_);
    entries_[table->partition().topic].waiters.push_back({table->applied(), std::move(done)});
  }
  enqueue(table, FlushReason::kRequest);
}

Status Flusher::flush(const TablePtr& table) {
  std::promise<Status> promise;
  auto future = promise.get_future();
  request(table, [&promise](Status status) { promise.set_value(std::move(status)); });
  return future.get();
}

void Flusher::work() {
  while (auto ticket = jobs_.take()) {
    if (is_stopping_) {
      settle(ticket->item().table, make_error(Code::kCancelled, "the server is stopping"));
    } else {
      run(ticket->item());
    }
  }
}

void Flusher::run(const Job& job) {
  const Status status = flush_once(job.table, job.reason);
  if (!status.ok() && !job.table->is_retired()) {
    ++counters_.failures;
    log::warning("tables", "{} not flushed, its rows stay in memory and in the journal: {}",
                 job.table->name().to_string(), status.error().message);
  }
  settle(job.table, status);
}

Status Flusher::flush_once(const TablePtr& table, FlushReason reason) {
  if (table->is_retired()) {
    return make_error(Code::kNotFound, "the table was deleted");
  }
  auto unit = table->begin_flush();
  if (!unit) {
    return {};
  }
  std::vector<std::string> published;
  const auto attempt = [&]() -> Status {
    const Uuid commit = Uuid::random();
    MILLRACE_TRY(auto files,
                 write_unit(*table, *unit, commit, options_.split, parts_.store, parts_.clock));
    const auto written = parts_.clock.steady();
    std::vector<TableFile> visible;
    for (size_t i = 0; i < files.rows.size(); ++i) {
      const catalog::FileRow& row = files.rows[i];
      published.push_back(row.path);
      MILLRACE_TRY_STATUS(files.writers[i]->publish());
      visible.push_back(file_of(row, parts_.store));
      visible.back().is_proven->store(true);
    }
    const auto synced = parts_.clock.steady();
    MILLRACE_TRY_STATUS(
        parts_.catalog.commit_flush(commit_of(*table, *unit, files, parts_.place())));
    count(files.times, seconds(synced - written), seconds(parts_.clock.steady() - synced));
    for (const TableFile& file : visible) {
      counters_.bytes += file.bytes;
    }
    counters_.files += visible.size();
    table->end_flush(*unit, std::move(visible));
    return {};
  };
  if (auto status = attempt(); !status.ok()) {
    if (status.error().code != Code::kIo) {  // else the catalog may name them after all
      for (const std::string& path : published) {
        static_cast<void>(parts_.store.remove(path));  // what stays is judged by the next start
      }
    }
    table->abort_flush();
    return status;
  }
  ++counters_.flushes[static_cast<size_t>(reason)];
  counters_.rows += unit->rows;
  parts_.committed();
  return {};
}

void Flusher::count(const UnitTimes& times, double sync, double commit) {
  counters_.sort.add(times.sort);
  counters_.gather.add(times.gather);
  counters_.encode.add(times.encode);
  counters_.write.add(times.write);
  counters_.sync.add(sync);
  counters_.commit.add(commit);
}

void Flusher::settle(const TablePtr& table, const Status& status) {
  std::vector<Done> done;
  bool must_go_on = false;
  {
    MutexLock lock(mutex_);
    Entry& entry = entries_[table->partition().topic];
    entry.is_queued = false;
    if (status.ok()) {
      entry.failures = 0;
      entry.not_before = {};
    } else {
      const auto pause = std::min<std::chrono::seconds>(
          kFirstPause * (1 << std::min(entry.failures, 6U)), kLongestPause);
      ++entry.failures;
      entry.not_before = parts_.clock.steady() + pause;
    }
    const Offset flushed = table->flushed();
    std::erase_if(entry.waiters, [&](Waiter& waiter) {
      const bool is_over = !status.ok() || waiter.until <= flushed;
      if (is_over) {
        done.push_back(std::move(waiter.done));
      }
      return is_over;
    });
    must_go_on = !entry.waiters.empty();
    if (!must_go_on && status.ok()) {
      entries_.erase(table->partition().topic);
    }
  }
  for (const Done& each : done) {
    each(status);
  }
  if (must_go_on) {
    enqueue(table, FlushReason::kRequest);
  }
}

}  // namespace millrace::tables
