// The catalog's files as a whole: reading them without a change, making new ones, making durable
// what an unclean end left.
#pragma once

#include "catalog/catalog.h"
#include "catalog/sqlite_connection.h"
#include "io/disk.h"

#include <cstdint>
#include <string>

namespace millrace::catalog {

/// What stands at `path`, with the commits in its WAL; is_new when nothing does. Changes nothing on
/// the disk. Errors: kCorrupt (damaged, no database, not a catalog; names the path and what to do),
/// kUnsupported (a newer format), kIo, kOverloaded.
Result<Contents> read_frozen(io::Disk& disk, const std::string& path);

/// Makes an empty catalog of `directory` at `path`: durable and whole, or not there. One that is
/// there and empty is taken. Errors: kConflict (there is another), kIo, kOverloaded.
Status create_files(io::Disk& disk, const std::string& path, const DirectoryId& directory);

/// The format of this program.
int64_t latest_version();

/// The changes from format `version` on to this program's, inside a transaction of the caller's.
Status migrate(Connection& connection, int64_t version);

/// Removes what an interrupted create_files() or make_log_durable() left. Errors: kIo.
Status remove_leftovers(io::Disk& disk, const std::string& path);

/// Whether there are commits that may be in the page cache only.
Result<bool> has_log(io::Disk& disk, const std::string& path);

/// After it, a power cut loses nothing of what read_frozen() sees; before, and if it fails, no
/// commit that was acknowledged. Errors: kIo, kOverloaded.
Status make_log_durable(io::Disk& disk, const std::string& path);

}  // namespace millrace::catalog
