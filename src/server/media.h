// What a data directory may lie on.
#pragma once

#include "base/result.h"
#include "io/medium.h"
#include "journal/commit_log.h"

#include <cstdint>
#include <string>

namespace millrace::server {

/// The lock and the catalog need a disk of this machine: on somebody else's, flock(2) may hold
/// nobody off, and a sync promise nothing. Errors: kInvalid (a network file system), kIo.
Status check_medium(const std::string& data);

/// The most bytes of a run: those wished; where none are (0) 4 MiB, and 16 MiB where each sync
/// waits for a turn of a disk.
uint64_t run_bytes(const io::Medium& medium, uint64_t wished);

/// Makes the journal's folder, which may be a file system of its own: warns of one in the network,
/// and sets the size of runs, as above. Errors: kIo, kOverloaded.
Status look_at_medium(journal::JournalOptions& journal, uint64_t wished_run_bytes);

}  // namespace millrace::server
