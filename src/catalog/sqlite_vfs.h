// SQLite's files on an io::Disk, so that the catalog runs on the machine's disk and on one that
// loses power.
#pragma once

#include "base/result.h"
#include "io/disk.h"

#include <memory>
#include <optional>
#include <string>

namespace millrace::catalog {

/// An SQLite VFS of its own name, registered for as long as it lives; connections that use it must
/// be closed before. For one connection at a time: locks do nothing, there is no shared memory, so
/// a connection sets locking_mode=EXCLUSIVE before it reads. Not thread-safe beyond what SQLite's
/// own serialisation of that connection gives.
///
/// The first sync of a database or WAL also syncs its directory, whether this process made the file
/// or found it: the one that made it may have been killed before it could.
class SqliteVfs {
 public:
  enum class Access : uint8_t {
    kReadWrite,
    kFrozen,  // nothing on the disk changes: files that SQLite would make stay in memory, writes to
              // those that exist and removals are refused
  };

  /// `disk` must outlive it.
  SqliteVfs(io::Disk& disk, Access access);
  ~SqliteVfs();

  const char* name() const;

  /// The disk's last error since the last call, for messages: SQLite passes on a number only.
  std::optional<Error> take_error();

  /// From here on the frames written to the WAL are those of one transaction.
  void mark_transaction();

  /// Cuts the frames written since mark_transaction() off the WAL, durably. SQLite does not: what
  /// it gave up for lack of space may end in a whole commit frame, since the frames that fill the
  /// sector come after it. Nothing to do is success. Errors: the disk's; the transaction's outcome
  /// is unknown then.
  Status undo_transaction();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace millrace::catalog
