// A writer on a recovered directory.
#pragma once

#include "base/clock.h"
#include "base/result.h"
#include "journal/probe.h"
#include "journal/recovery.h"
#include "journal/writer.h"

#include <memory>
#include <optional>
#include <vector>

namespace millrace::journal {

/// What a start found, for the log line and the counters.
struct StartReport {
  DirectoryId directory;
  bool is_new = false;
  uint64_t runs_walked = 0;
  uint64_t runs_rewritten = 0;
  std::optional<TornTail> torn;
  std::vector<State::Gap> gaps;  // offsets reserved before an unclean end, now out of use
  Probed method;  // how runs are written; figures: of the probe, empty when it was not asked
};

struct OpenedWriter {
  std::unique_ptr<Writer> writer;
  StartReport report;
};

/// Recovers, makes the first file of a new directory, fills what was reserved and writes the
/// header-only run after which reads and acknowledgements may begin. Errors as recover();
/// kOverloaded also for a new directory, and where gaps find no room.
Result<OpenedWriter> open_writer(Files& files, Index& index, const RecoveryOptions& options,
                                 const Clock& clock);

}  // namespace millrace::journal
