// How the machine is shared out when nobody says otherwise. Values: defaults of the settings
// schema.
#pragma once

#include "base/result.h"
#include "io/disk.h"
#include "journal/writer.h"
#include "server/options.h"

#include <cstddef>
#include <cstdint>

namespace millrace::server {

/// Shares of the memory budget.
struct Budgets {
  size_t total = 0;
  size_t request_buffers = 0;  // 16 %
  size_t tail_cache = 0;       // 5 %
  size_t reads = 0;            // 5 %: records from files on their way to readers
  size_t journal_chunks = 0;   // 3 %: pieces of journal files that they are read from
  size_t segment_indexes = 0;  // 1 %: of segment objects that are read
  size_t hot_rows = 0;         // 45 %
  size_t queries = 0;          // 25 %
};

/// `memory_bytes` 0: the smaller of 1 GiB and a quarter of what the machine or its cgroup has.
Budgets budgets_for(uint64_t memory_bytes);

/// File size and disk budget of the journal: `journal_max_bytes` 0 is the smaller of 50 GiB and
/// half of the free disk, what the journal holds already counted as free; files are at most an
/// eighth of it and at least 1 MiB. Errors: kIo (the directory cannot be looked at), kInvalid (a
/// budget below 8 MiB).
Result<journal::WriterOptions> journal_limits(io::Disk& disk, const Options& options);

}  // namespace millrace::server
