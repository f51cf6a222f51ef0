// Journal files that end before they should: what an incomplete copy leaves, and no crash. A file
// gets its number once all of it was written and synced, and never changes its size afterwards.
#pragma once

#include "base/result.h"
#include "journal/walk.h"

#include <cstdint>
#include <vector>

namespace millrace::journal {

/// Errors: kCorrupt (the size is 0 or no multiple of a block: names `position`, from which on
/// something is missing, and what to do), kIo.
Status check_size(const JournalFile& file, uint64_t position, bool is_newest);

/// The sizes of all files, and what `chain` and the headers behind it say of them. Errors: kCorrupt
/// (names file, position, run, its offsets as far as they can be read, and what to do), kIo.
Status check_sizes(const FileList& files, const Chain& chain, const std::vector<RunPlace>& behind);

}  // namespace millrace::journal
