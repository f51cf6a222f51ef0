// Load of rows by HTTP, and whether they landed.
#pragma once

#include "base/histogram.h"
#include "base/result.h"
#include "cli/ingest_body.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace millrace::cli {

struct IngestArguments {
  std::string server;
  std::string database;  // empty: one of this run's own
  IngestFormat format = IngestFormat::kMsgpack;
  int connections = 12;  // a thread each
  int rows = 1000;       // a request
  int measurements = 1;
  double seconds = 10;  // measured, after
  double wait = 30;     // seconds, for the first request to be taken
  double warmup = 1;    // seconds
  double rate = 0;      // rows a second in all, open loop; 0: each answer brings the next request
  int server_pid = 0;   // for its CPU; 0: not asked
  bool as_json = false;
  const std::atomic<bool>* stop = nullptr;  // set when the load is to end early; outlives the run
};

/// Rows of one measurement, of the run as a whole.
struct IngestTally {
  uint64_t acked_rows = 0;
  int64_t acked_64ths = 0;    // sum of usage
  uint64_t unknown_rows = 0;  // sent, and no answer that says what became of them
  int64_t unknown_64ths = 0;
};

/// What the load saw. The window is the measured time, without the warm-up.
struct IngestOutcome {
  std::vector<IngestTally> tallies;  // by measurement
  uint64_t window_rows = 0;          // acknowledged within the window
  uint64_t window_bytes = 0;         // their bodies
  Histogram latencies_us;            // of requests due within the window
  uint64_t retries = 0;              // answers "503, later"
  uint64_t errors = 0;               // requests of unknown outcome
  uint64_t unsent_rows = 0;          // open loop: due, but no connection was free in time
  double client_cpu_seconds = 0;     // in the window
  double server_cpu_seconds = -1;
  double seconds = 0;           // the window's
  bool is_interrupted = false;  // the window ended early, or never began
  std::string refusal;          // the words of an answer "503, later"
};

/// Puts the load on. `first_ms`: rows' times begin there. Blocks until all threads have ended.
/// `at_end` is called once when the window closes, on the caller's thread.
/// Errors: what the server refused for good; kTimeout, kOutcomeUnknown after three failures of one
/// connection in a row; kOverloaded when no row at all was acknowledged.
Result<IngestOutcome> put_load(const IngestArguments& arguments, int64_t first_ms,
                               const std::function<void()>& at_end);

/// Figures beside the load's own.
struct IngestServer {
  std::optional<double> rss_before_mb;
  std::optional<double> rss_mb;  // when the window closed
  std::optional<double> flushes;
  std::optional<double> flushed_rows;
  std::optional<double> journal_files_freed;
};

/// What SQL found of one measurement.
struct IngestLanded {
  uint64_t rows = 0;
  int64_t usage_64ths = 0;
};

/// The first measurement whose rows are not those that were acknowledged (and, at most, those of
/// unknown outcome beside them), in words; nullopt when all are right.
std::optional<std::string> find_difference(const std::vector<IngestTally>& tallies,
                                           const std::vector<IngestLanded>& landed);

/// One line of JSON with all figures.
std::string format_json(const IngestArguments& arguments, const IngestOutcome& outcome,
                        const IngestServer& server, const std::vector<IngestLanded>& landed);
/// The same for people.
std::string format_text(const IngestArguments& arguments, const IngestOutcome& outcome,
                        const IngestServer& server, const std::vector<IngestLanded>& landed);

}  // namespace millrace::cli
