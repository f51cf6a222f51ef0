// The directory of journal files: names, spares, rotation, recycling.
#pragma once

#include "base/ids.h"
#include "base/mutex.h"
#include "base/result.h"
#include "io/disk.h"
#include "journal/scan.h"

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace millrace::journal {

class Files {
 public:
  Files(io::Disk& disk, std::string directory) : disk_(disk), directory_(std::move(directory)) {}

  io::Disk& disk() { return disk_; }

  const std::string& directory() const { return directory_; }

  std::string path_of(FileNumber number) const;
  std::string index_path_of(FileNumber number) const;

  /// Opens an existing file of the sequence.
  Result<std::shared_ptr<JournalFile>> open(FileNumber number);

  /// Makes a spare of at least `bytes`, written with zeros and synced, unless there is one.
  /// Errors: kOverloaded (disk full, or refused: nothing is left behind). Any thread.
  Status prepare_spare(uint64_t bytes);

  /// Sizes of the spares, smallest first.
  std::vector<uint64_t> spares() const;

  /// The spares left by an earlier process.
  Status find_spares();

  /// Gives a spare (made now if there is none large enough) the name of `number` and syncs the
  /// directory. Errors: kOverloaded (nothing changed), kIo (the directory's sync failed: the caller
  /// must poison itself).
  Result<std::shared_ptr<JournalFile>> take_spare(FileNumber number, uint64_t bytes);

  /// The file is no longer needed: becomes a spare if there is place and nobody else holds it, else
  /// is deleted. To be called in order of number: a power cut never takes a file and leaves an
  /// older one, which a start would call damage. Failures leave this file and all later ones for
  /// the next start, which frees them again: they are only logged.
  void retire(std::shared_ptr<JournalFile> file);
  /// The file holds no run of its own number: an unfinished rotation.
  Status make_spare_of(FileNumber number);

  /// Files freed that became spares, and spares that had to be written with zeros.
  uint64_t recycled() const { return recycled_.load(); }

  uint64_t zero_written() const { return zero_written_.load(); }

 private:
  // Two, so that a file freed between two rotations finds a place before the next one takes a
  // spare.
  static constexpr size_t kSpares = 2;

  std::string spare_path(size_t slot) const;
  size_t smallest_slot() const MILLRACE_REQUIRES(mutex_);
  std::optional<size_t> slot_for(uint64_t bytes) const MILLRACE_REQUIRES(mutex_);
  Result<size_t> prepare_locked(uint64_t bytes) MILLRACE_REQUIRES(mutex_);
  Result<bool> keep_or_remove(const std::string& path, uint64_t bytes, bool may_keep)
      MILLRACE_REQUIRES(mutex_);
  Status sync_retired() MILLRACE_REQUIRES(mutex_);
  Status write_zeros(uint64_t bytes, const std::string& path);
  Status write_zeros(uint64_t bytes, const std::string& path, io::Access access);

  io::Disk& disk_;
  const std::string directory_;
  mutable Mutex mutex_;  // held while a spare is made or taken
  std::array<uint64_t, kSpares> spare_bytes_ MILLRACE_GUARDED_BY(mutex_){};  // 0: none
  bool has_unsynced_retirement_ MILLRACE_GUARDED_BY(mutex_) = false;
  bool can_retire_ MILLRACE_GUARDED_BY(mutex_) = true;
  std::atomic<uint64_t> recycled_{0};
  std::atomic<uint64_t> zero_written_{0};
};

}  // namespace millrace::journal
