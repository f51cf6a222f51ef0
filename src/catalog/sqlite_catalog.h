// The catalog in an SQLite database of its own. Format and rules: docs/formats/catalog.md.
#pragma once

#include "catalog/catalog.h"
#include "io/disk.h"
#include "io/disk_reserve.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace millrace::catalog {

struct SqliteOptions {
  int64_t checkpoint_frames =
      1000;  // of 4 KiB in the WAL, from which it is copied into the database
  /// Given up for a commit that meets a full disk, if more room can be freed after it: broker's,
  /// the end of a table, of segments one that adds none. It outlives the catalog.
  io::DiskReserve* reserve = nullptr;
};

/// `path` is the database; its directory exists and is held by this process (io/lock_file.h).
/// `disk` must outlive the catalog. Changes nothing on the disk, whether the catalog is missing,
/// ended well or was killed; an open catalog on which begin() was not called changes nothing when
/// it ends. Errors: kCorrupt (damaged, not a catalog; says what to do), kUnsupported (of a newer
/// program: names path, its version and ours), kIo, kOverloaded (no descriptors).
Result<std::unique_ptr<Catalog>> open_sqlite(io::Disk& disk, std::string path,
                                             SqliteOptions options = {});

/// What stands in a catalog, also when it breaks a rule of docs/formats/catalog.md.
struct Inspected {
  Contents contents;
  std::optional<Error> broken;  // the first rule that is, by which row
};

/// For those who look for damage: reads all pages and indexes too. Changes nothing on the disk.
/// Errors: as open_sqlite(), kCorrupt where the rows cannot be read.
Result<Inspected> inspect_sqlite(io::Disk& disk, const std::string& path);

/// Files beside the catalog at `path` that a crash may leave, and that have no meaning.
std::vector<std::string> leftovers_of(const std::string& path);

}  // namespace millrace::catalog
