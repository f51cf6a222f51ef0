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

/// Writes and syncs small and large runs by turns in `directory`/probe.tmp, past the page cache and
/// by it, for 100 ms at most after the first round; the least time of each counts. O_DIRECT is
/// chosen where there is such, unless the page cache needs 15 % less at least: what its pages cost
/// when memory is scarce, and what else has to leave it, no small file can show.
Probed probe(io::Disk& disk, const std::string& directory, const Clock& clock);

/// How runs are appended. By the page cache a run that is larger than a buffer is written as it is;
/// past it, it is copied into buffers. Not by io_uring: what a killed process has under way there
/// may reach the disk long after its lock is free, over what the next one wrote and acknowledged.
io::AppenderOptions run_appender(io::AppendMethod method);

}  // namespace millrace::journal
