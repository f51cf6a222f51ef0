// The directory of journal files: names, the spare, rotation, recycling.
#pragma once

#include "base/ids.h"
#include "base/mutex.h"
#include "base/result.h"
#include "io/disk.h"
#include "journal/scan.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

namespace millrace::journal {

class Files {
 public:
  Files(io::Disk& disk, std::string directory) : disk_(disk), directory_(std::move(directory)) {}

  io::Disk& disk() { return disk_; }

  const std::string& directory() const { return directory_; }

  std::string path_of(FileNumber number) const;
  std::string index_path_of(FileNumber number) const;
  std::string spare_path() const;

  /// Opens an existing file of the sequence.
  Result<std::shared_ptr<JournalFile>> open(FileNumber number);

  /// Makes `spare.log` of at least `bytes`, written with zeros and synced, unless it is there.
  /// Errors: kOverloaded (disk full, or refused: nothing is left behind). Any thread.
  Status prepare_spare(uint64_t bytes);

  uint64_t spare_bytes() const { return spare_bytes_.load(); }

  /// A spare left by an earlier process.
  Status find_spare();

  /// Gives the spare (made now if there is none large enough) the name of `number` and syncs the
  /// directory. Errors: kOverloaded (nothing changed), kIo (the directory's sync failed: the caller
  /// must poison itself).
  Result<std::shared_ptr<JournalFile>> take_spare(FileNumber number, uint64_t bytes);

  /// The file is no longer needed: becomes the spare if there is none and nobody else holds it,
  /// else is deleted. Failures leave a file that the next start frees again: they are only logged.
  void retire(std::shared_ptr<JournalFile> file);
  /// The file holds no run of its own number: an unfinished rotation.
  Status make_spare_of(FileNumber number);

  uint64_t recycled() const { return recycled_.load(); }

 private:
  Status prepare_locked(uint64_t bytes) MILLRACE_REQUIRES(mutex_);
  Status write_zeros(uint64_t bytes);

  io::Disk& disk_;
  const std::string directory_;
  Mutex mutex_;  // held while the spare is made or taken
  std::atomic<uint64_t> spare_bytes_{0};
  std::atomic<uint64_t> recycled_{0};
};

}  // namespace millrace::journal
