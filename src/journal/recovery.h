// From files to a state: where the log ends, what is torn, what is damaged.
// The rules are those of docs/formats/journal.md, "Recovery".
#pragma once

#include "base/clock.h"
#include "base/result.h"
#include "journal/files.h"
#include "journal/index.h"
#include "journal/state.h"
#include "journal/writer.h"

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>

namespace millrace::journal {

struct RecoveryOptions {
  std::string quarantine;  // directory for torn bytes
  uint64_t max_quarantine_bytes = uint64_t{64} << 20;
  std::optional<DirectoryId> expected;      // what the catalog says; another is refused
  const std::atomic<bool>* stop = nullptr;  // SIGTERM: answers kCancelled, nothing half done
  WriterOptions writer;
};

/// What a torn tail was and where its bytes went.
struct TornTail {
  std::string file;
  uint64_t position = 0;
  RunNumber run;
  uint64_t bytes = 0;
  std::string quarantined_as;
};

struct Recovered {
  State state;
  Tail tail;
  std::optional<TornTail> torn;
  uint64_t runs_walked = 0;
  uint64_t runs_rewritten = 0;
  bool is_new = false;  // the directory had no journal
};

/// Fills `index`. Errors, with nothing changed on disk: kCorrupt (damage inside, a file missing, a
/// foreign directory id: names file, position, run and what to do), kUnsupported (a newer version
/// wrote it), kIo, kCancelled. kIo and kOverloaded may also come while the tail is rewritten; then
/// the next start does the same again.
Result<Recovered> recover(Files& files, Index& index, const RecoveryOptions& options);

}  // namespace millrace::journal
