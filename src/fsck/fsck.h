// An offline check of a whole data directory.
#pragma once

#include "base/result.h"
#include "fsck/report.h"
#include "io/disk.h"
#include "objects/object_store.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

namespace millrace::fsck {

/// What it names outlives the calls.
struct Subject {
  io::Disk& disk;
  std::string data;                        // the directory, whose lock the caller holds
  std::string store;                       // as the catalog names what is next
  objects::ObjectStore* bucket = nullptr;  // where its segment objects are; null: in the directory
};

struct CheckOptions {
  std::function<void(uint64_t done, uint64_t total)> progress;  // bytes; total: about
  const std::atomic<bool>* stop = nullptr;
};

/// kInvalid when nothing of a server is there. Before a lock is made in it.
Status look_for_directory(const Subject& subject);

/// Reads all of the journal, the catalog, segment objects and table files, and changes nothing.
/// Blocks; one thread. Errors, of what is not damage: kUnsupported (a
/// newer version wrote it), kConflict (its objects are in another store), kIo, kCancelled,
/// kOverloaded, those of the bucket.
Result<Report> check_directory(const Subject& subject, const CheckOptions& options);

/// Removes what `report`, just made, calls leftovers: files that never hold a record always; what a
/// start would judge by journal and catalog only if there is no damage, and after it made both
/// durable as a start does. Counts in `report`. Errors: kIo, kOverloaded; then some is left.
Status repair(const Subject& subject, Report& report);

}  // namespace millrace::fsck
