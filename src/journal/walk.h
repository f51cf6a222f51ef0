// The chain of runs from a start, and what lies behind its end.
#pragma once

#include "base/result.h"
#include "journal/scan.h"

#include <atomic>
#include <memory>
#include <optional>
#include <vector>

namespace millrace::journal {

/// A run of the chain.
struct RunPlace {
  size_t file = 0;  // index into the list of files
  RunHeader header;
};

/// Where the chain ends: the place at which `run` would stand.
struct ChainEnd {
  size_t file = 0;
  uint64_t position = 0;
  RunNumber run{1};
  uint32_t previous_crc = 0;
};

struct Chain {
  std::vector<RunPlace> runs;
  ChainEnd end;
  RunNumber durable_upto;  // greatest of all headers in it
};

using FileList = std::vector<std::shared_ptr<JournalFile>>;

/// true when the file begins with a whole checkpoint, payloads included.
Result<bool> has_valid_checkpoint(const JournalFile& file);

/// Follows runs from the start of files[start], into later files, while number and chain fit. With
/// `from_nothing` the first run must be run 1. `stop`: answers kCancelled once it is set.
Result<Chain> walk(const FileList& files, size_t start, bool from_nothing,
                   const std::atomic<bool>* stop);

/// Takes runs off the end while one above `durable_upto` has a payload that does not match.
Status cut_unproven(const FileList& files, Chain& chain);

/// Headers behind the end: the rest of its file, then every later file. Indexes as in RunPlace. One
/// that is damaged is among them at the end alone, where it is known what should stand there.
Result<std::vector<RunPlace>> headers_behind(const FileList& files, const Chain& chain,
                                             const std::atomic<bool>* stop);

bool is_set(const std::atomic<bool>* stop);

}  // namespace millrace::journal
