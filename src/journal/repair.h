// The part of recovery that writes: cutting a torn tail, making unproven runs durable.
#pragma once

#include "base/result.h"
#include "journal/files.h"
#include "journal/recovery.h"
#include "journal/walk.h"

#include <optional>
#include <string>
#include <vector>

namespace millrace::journal {

struct TailRepair {
  const FileList& files;
  const Chain& chain;
  const std::vector<RunPlace>& behind;  // headers of torn runs
  std::string quarantine;
  uint64_t max_quarantine_bytes = 0;
};

/// Copies the torn bytes to quarantine and syncs them, then zeroes the headers behind the end and
/// syncs, then frees files that held nothing else. nullopt when nothing was torn. A crash in
/// between leaves a tail that is cut again.
Result<std::optional<TornTail>> cut_torn_tail(Files& files, const TailRepair& repair);

/// Writes runs above the proven one again, same bytes, same place, and syncs them. Returns how
/// many.
Result<uint64_t> rewrite_unproven(const TailRepair& repair);

}  // namespace millrace::journal
