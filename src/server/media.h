// What a data directory may lie on.
#pragma once

#include "base/result.h"
#include "journal/commit_log.h"

#include <string>

namespace millrace::server {

/// The lock and the catalog need a disk of this machine: on somebody else's, flock(2) may hold
/// nobody off, and a sync promise nothing. Errors: kInvalid (a network file system), kIo.
Status check_medium(const std::string& data);

/// Makes the journal's folder, which may be a file system of its own: warns of one in the network,
/// and has larger runs where each sync waits for a turn of a disk. Errors: kIo, kOverloaded.
Status look_at_medium(journal::JournalOptions& journal);

}  // namespace millrace::server
