// What a data directory holds before a server or a rebuild begins in it.
#pragma once

#include "base/result.h"
#include "io/disk.h"

#include <string>

namespace millrace::server {

/// A rebuild makes them, and renames them when they are whole.
inline constexpr const char* kCatalogBeingMade = "catalog.db.rebuilt";
inline constexpr const char* kJournalBeingMade = "journal.new";

/// Whether a server may begin in it, or make it: for a directory is emptied here and there (tmp/).
/// Errors: kConflict, saying what to do (something is there, and it is no data directory; a rebuild
/// was cut short before there was a journal), kIo.
Status check_data_directory(io::Disk& disk, const std::string& data);

/// Whether there is a file of a journal. Errors: kIo.
Result<bool> has_journal(io::Disk& disk, const std::string& data);

/// Whether it has nothing but what a process leaves that did not get far. Errors: kIo.
Result<bool> is_as_empty(io::Disk& disk, const std::string& data);

}  // namespace millrace::server
