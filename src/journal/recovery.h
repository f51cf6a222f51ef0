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
#include <functional>
#include <optional>
#include <string>

namespace millrace::journal {

/// What recovery found, while it has changed nothing yet. Valid during the call it is given to.
class Findings {
 public:
  enum class Presence : uint8_t {
    kHere,
    kFreed,    // its file was freed: older than all that is kept
    kMissing,  // the journal ends before it, or another run stands there
  };

  virtual ~Findings() = default;

  /// None: there is no journal.
  virtual std::optional<DirectoryId> directory() const = 0;
  virtual RunNumber last_run() const = 0;  // 0: there is no journal
  /// The newest run that a later one proves to be durable; run 0: none that was walked.
  virtual JournalPlace proven() const = 0;
  virtual Result<Presence> look_for(const JournalPlace& place) const = 0;
  virtual record::PartitionRange range(TopicPartition partition) const = 0;
  /// Live facts of one kind.
  virtual std::vector<record::SystemFrame> facts(record::SystemKind kind) const = 0;
};

struct RecoveryOptions {
  std::string quarantine;  // directory for torn bytes
  uint64_t max_quarantine_bytes = uint64_t{64} << 20;
  std::optional<DirectoryId> expected;  // what the catalog says; another is refused
  /// Asked once before anything on the disk is changed; its error refuses the start.
  std::function<Status(const Findings&)> approve = {};
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
