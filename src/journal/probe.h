// Which way of writing runs is fastest on a disk, found by trying.
#pragma once

#include "base/clock.h"
#include "io/appender.h"
#include "io/disk.h"

#include <string>

namespace millrace::journal {

struct Probed {
  io::AppendMethod method = io::AppendMethod::kPageCache;
  std::string figures;  // for the log; what failed when nothing could be tried
};

/// Writes and syncs small and large runs by turns in `directory`/probe.tmp, by each method that the
/// disk has, for 100 ms at most after the first round. O_DIRECT is chosen where there is such,
/// unless another needs 15 % less time at least: what a page of the cache costs when memory is
/// scarce, and what else has to leave it, no small file can show.
Probed probe(io::Disk& disk, const std::string& directory, const Clock& clock);

/// How a writer of runs up to `run_bytes` opens its appender. By the page cache a run that is
/// larger than a buffer is written as it is; past it, it is copied into buffers, and as many as
/// there are can be under way at once.
io::AppenderOptions run_appender(io::AppendMethod method, uint64_t run_bytes);

}  // namespace millrace::journal
