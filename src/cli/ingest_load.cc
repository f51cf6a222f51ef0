// The threads of `bench ingest`: one connection each, one request in flight each.
#include "base/mutex.h"
#include "cli/bench.h"
#include "cli/bench_ingest.h"
#include "cli/progress.h"
#include "cli/server_api.h"
#include "net/http_client.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <thread>

namespace millrace::cli {
namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

constexpr size_t kBodies = 16;    // different ones at least, so that files do not compress too well
constexpr int kMostFailures = 3;  // of one connection in a row
constexpr std::chrono::milliseconds kLook{100};

Clock::duration ticks(double seconds) {
  return std::chrono::duration_cast<Clock::duration>(Seconds(seconds));
}

/// What all threads read. Constant while they run, but for `is_over`.
struct Load {
  const IngestArguments& arguments;
  net::Address server;
  std::vector<IngestBody> bodies;
  int64_t first_ms = 0;
  Clock::time_point begun;
  Clock::time_point measured_from;
  Clock::time_point end;
  Clock::duration interval{};        // open loop: between two requests of one connection
  std::atomic<bool> is_over{false};  // a thread failed: the others end
  Progress* waiting = nullptr;       // while the first request is put off

  bool is_open_loop() const { return arguments.rate > 0; }

  bool is_stopped() const { return is_over || (arguments.stop != nullptr && *arguments.stop); }

  size_t connections() const { return static_cast<size_t>(arguments.connections); }
};

/// What one thread did.
struct Worker {
  Status status;
  std::atomic<uint64_t> acked_rows{0};  // for the progress line
  IngestOutcome outcome;
};

struct Answer {
  bool is_acked = false;  // or "later": not written
  std::chrono::seconds later{0};
  std::string refusal;
};

Result<Answer> send(net::HttpClient& client, const std::string& message) {
  MILLRACE_TRY_STATUS(client.send_raw(message));
  MILLRACE_TRY(const auto answer, client.read_response());
  if (answer.status >= 200 && answer.status <= 299) {
    return Answer{.is_acked = true, .refusal = {}};
  }
  if (answer.status == 503 || answer.status == 504) {
    if (const auto after = answer.header("Retry-After")) {
      int seconds = 1;
      std::from_chars(after->data(), after->data() + after->size(), seconds);
      return Answer{.is_acked = false,
                    .later = std::chrono::seconds(std::max(seconds, 0)),
                    .refusal = refusal(answer.status, answer.body).message};
    }
    return make_error(Code::kOutcomeUnknown, "{}", refusal(answer.status, answer.body).message);
  }
  return refusal(answer.status, answer.body);
}

/// Whether the error leaves it open if the rows were written. Connecting may fail too: nothing was
/// sent then, and counting those rows as unknown only widens what may land.
bool is_unknown(const Error& error) {
  return error.code == Code::kIo || error.code == Code::kTimeout ||
         error.code == Code::kOutcomeUnknown || error.code == Code::kCorrupt;
}

class Connection {
 public:
  Connection(Load& load, size_t index, Worker& worker)
      : load_(load), index_(index), worker_(worker), client_(load.server) {
    worker_.outcome.tallies.resize(static_cast<size_t>(load.arguments.measurements));
  }

  Status write_first() { return write(0, load_.begun); }

  Status run() {
    for (uint64_t i = 0; !load_.is_over; ++i) {
      const auto now = Clock::now();
      const auto due = load_.is_open_loop() ? due_at(i) : now;
      if (due >= load_.end) {
        break;
      }
      if (now >= load_.end) {  // too late for this one and all behind it
        const auto left = (load_.end - due + load_.interval - Clock::duration(1)) / load_.interval;
        worker_.outcome.unsent_rows += static_cast<uint64_t>(left) * rows();
        break;
      }
      std::this_thread::sleep_until(due);
      MILLRACE_TRY_STATUS(write(i, due));
    }
    return {};
  }

 private:
  uint64_t rows() const { return static_cast<uint64_t>(load_.arguments.rows); }

  /// Connections take turns, evenly apart.
  Clock::time_point due_at(uint64_t i) const {
    const auto offset =
        load_.interval * static_cast<int64_t>(index_) / static_cast<int64_t>(load_.connections());
    return load_.begun + offset + load_.interval * static_cast<int64_t>(i);
  }

  /// One request until it is acknowledged, its outcome is unknown, or the time is up.
  Status write(uint64_t i, Clock::time_point due) {
    const uint64_t sequence = i * load_.connections() + index_;
    const IngestBody& body = load_.bodies[sequence % load_.bodies.size()];
    message_ = body.message;
    stamp(load_.arguments.format, body,
          load_.first_ms + static_cast<int64_t>(sequence) * ingest_span_ms(rows()), message_);
    while (true) {
      const auto answer = send(client_, message_);
      const auto now = Clock::now();
      if (!answer.ok()) {
        return failed(answer.error(), body);
      }
      failures_ = 0;
      if (answer->is_acked) {
        acknowledged(body, due, now);
        return {};
      }
      ++worker_.outcome.retries;
      worker_.outcome.refusal = answer->refusal;
      const auto again = now + answer->later;
      if (load_.waiting != nullptr) {
        load_.waiting->show(0);
      }
      std::this_thread::sleep_until(std::min(again, load_.end));
      if (again >= load_.end || load_.is_stopped()) {
        return {};  // it was not written, and is not any more
      }
    }
  }

  void acknowledged(const IngestBody& body, Clock::time_point due, Clock::time_point now) {
    IngestOutcome& outcome = worker_.outcome;
    outcome.tallies[body.measurement].acked_rows += rows();
    outcome.tallies[body.measurement].acked_64ths += body.usage_64ths;
    worker_.acked_rows.fetch_add(rows(), std::memory_order_relaxed);
    if (now >= load_.measured_from && now < load_.end) {
      outcome.window_rows += rows();
      outcome.window_bytes += body.body_bytes;
    }
    // Whenever its answer came: the slow ones at the end count.
    if (due >= load_.measured_from) {
      outcome.latencies_us.add(
          std::chrono::duration_cast<std::chrono::microseconds>(now - due).count());
    }
  }

  Status failed(const Error& error, const IngestBody& body) {
    client_.close();
    if (!is_unknown(error)) {
      return error;
    }
    ++worker_.outcome.errors;
    worker_.outcome.tallies[body.measurement].unknown_rows += rows();
    worker_.outcome.tallies[body.measurement].unknown_64ths += body.usage_64ths;
    return ++failures_ >= kMostFailures ? Status(unreachable_if_io(error)) : Status{};
  }

  Load& load_;
  const size_t index_;
  Worker& worker_;
  net::HttpClient client_;
  std::string message_;
  int failures_ = 0;
};

/// How many threads still run; the main thread waits here.
class Running {
 public:
  explicit Running(size_t count) : count_(count) {}

  void end_one() {
    const MutexLock lock(mutex_);
    --count_;
    changed_.notify_one();
  }

  /// At most until `moment`. False when none runs any more.
  bool wait(Clock::time_point moment) {
    const MutexLock lock(mutex_);
    if (count_ > 0 && Clock::now() < moment) {
      changed_.wait_for(mutex_, moment - Clock::now());
    }
    return count_ > 0;
  }

 private:
  Mutex mutex_;
  Condition changed_;
  size_t count_ MILLRACE_GUARDED_BY(mutex_);
};

std::vector<IngestBody> make_bodies(const IngestArguments& arguments, const net::Address& server) {
  const IngestShape shape{.format = arguments.format,
                          .host = server.to_string(),
                          .database = arguments.database,
                          .rows = static_cast<size_t>(arguments.rows)};
  const auto measurements = static_cast<size_t>(arguments.measurements);
  const size_t each = (kBodies + measurements - 1) / measurements;
  std::vector<IngestBody> bodies;
  bodies.reserve(each * measurements);
  for (size_t i = 0; i < each * measurements; ++i) {
    bodies.push_back(make_ingest_body(shape, i % measurements, i));
  }
  return bodies;
}

/// Waits for the threads, shows how far they are, reads the clocks where the window begins and
/// ends. Ends the load when told to stop.
void watch(Load& load, const std::vector<Worker>& workers, Running& running, IngestOutcome& outcome,
           const std::function<void()>& at_end) {
  const IngestArguments& arguments = load.arguments;
  Progress progress("rows", load.end - load.begun);
  const auto wait_until = [&](Clock::time_point moment) {
    bool is_running = true;
    while (is_running && Clock::now() < moment) {
      is_running = running.wait(std::min(moment, Clock::now() + kLook));
      uint64_t acked = 0;
      for (const Worker& worker : workers) {
        acked += worker.acked_rows.load(std::memory_order_relaxed);
      }
      progress.show(acked);
      if (arguments.stop != nullptr && *arguments.stop) {
        load.is_over = true;
        outcome.is_interrupted = true;
        break;
      }
    }
  };
  wait_until(load.measured_from);
  const double own = own_cpu_seconds();
  const double server = cpu_seconds_of(arguments.server_pid);
  if (!outcome.is_interrupted) {
    wait_until(load.end);
  }
  outcome.client_cpu_seconds = own_cpu_seconds() - own;
  if (arguments.server_pid != 0 && server >= 0) {
    outcome.server_cpu_seconds = cpu_seconds_of(arguments.server_pid) - server;
  }
  const auto ended = outcome.is_interrupted ? std::min(load.end, Clock::now()) : load.end;
  outcome.seconds = std::max(0.0, Seconds(ended - load.measured_from).count());
  at_end();
  progress.end();
}

/// A server whose memory is full of an earlier load's rows takes none before it has flushed some:
/// one request, until it is taken or the wait is over.
Status await_taken(Load& load, Worker& worker) {
  load.begun = Clock::now();
  load.measured_from = Clock::time_point::max();
  load.end = load.begun + ticks(load.arguments.wait);
  Progress progress("rows", load.end - load.begun);
  load.waiting = &progress;
  const Status written = Connection(load, 0, worker).write_first();
  load.waiting = nullptr;
  progress.end();
  load.first_ms += ingest_span_ms(static_cast<uint64_t>(load.arguments.rows));
  return written;
}

void merge(IngestOutcome& into, const IngestOutcome& from) {
  for (size_t i = 0; i < into.tallies.size(); ++i) {
    into.tallies[i].acked_rows += from.tallies[i].acked_rows;
    into.tallies[i].acked_64ths += from.tallies[i].acked_64ths;
    into.tallies[i].unknown_rows += from.tallies[i].unknown_rows;
    into.tallies[i].unknown_64ths += from.tallies[i].unknown_64ths;
  }
  into.window_rows += from.window_rows;
  into.window_bytes += from.window_bytes;
  into.latencies_us.merge(from.latencies_us);
  into.retries += from.retries;
  into.errors += from.errors;
  into.unsent_rows += from.unsent_rows;
  if (!from.refusal.empty()) {
    into.refusal = from.refusal;
  }
}

uint64_t acked_rows_of(const IngestOutcome& outcome) {
  uint64_t rows = 0;
  for (const IngestTally& tally : outcome.tallies) {
    rows += tally.acked_rows;
  }
  return rows;
}

}  // namespace

Result<IngestOutcome> put_load(const IngestArguments& arguments, int64_t first_ms,
                               const std::function<void()>& at_end) {
  MILLRACE_TRY(const auto server, net::Address::parse(arguments.server));
  Load load{.arguments = arguments,
            .server = server,
            .bodies = make_bodies(arguments, server),
            .first_ms = first_ms};
  if (load.is_open_loop()) {
    load.interval =
        ticks(arguments.rows * static_cast<double>(arguments.connections) / arguments.rate);
  }
  IngestOutcome outcome;
  outcome.tallies.resize(static_cast<size_t>(arguments.measurements));
  Worker first;
  MILLRACE_TRY_STATUS(await_taken(load, first));
  merge(outcome, first.outcome);
  if (outcome.retries > 0 && outcome.errors == 0 && acked_rows_of(outcome) == 0 &&
      !load.is_stopped()) {
    return make_error(Code::kOverloaded,
                      "no row was acknowledged in {} s, {} times the answer was: {}",
                      arguments.wait, outcome.retries, outcome.refusal);
  }
  load.begun = Clock::now();
  load.measured_from = load.begun + ticks(arguments.warmup);
  load.end = load.measured_from + ticks(arguments.seconds);
  std::vector<Worker> workers(load.connections());
  std::vector<std::thread> threads;
  threads.reserve(workers.size());
  Running running(workers.size());
  for (size_t i = 0; i < workers.size(); ++i) {
    threads.emplace_back([&, i] {
      workers[i].status = Connection(load, i, workers[i]).run();
      if (!workers[i].status.ok()) {
        load.is_over = true;
      }
      running.end_one();
    });
  }
  watch(load, workers, running, outcome, at_end);
  for (std::thread& thread : threads) {
    thread.join();
  }
  for (const Worker& worker : workers) {
    MILLRACE_TRY_STATUS(worker.status);
    merge(outcome, worker.outcome);
  }
  return outcome;
}

}  // namespace millrace::cli
