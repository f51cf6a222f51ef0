// A disk in memory that can lose power, fill up and fail, by seed.
#pragma once

#include "base/mutex.h"
#include "io/disk.h"
#include "io/simulated_inode.h"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>

namespace millrace::io {

/// What a test wants of the next operations. Operations that change something (write, sync,
/// resize, reserve, create, rename, remove, directory sync) are counted from 1.
struct DiskFaults {
  std::optional<uint64_t>
      off_at;  // the power goes in the middle of this operation: it and all later ones fail
  std::optional<uint64_t>
      fail_at;  // this one operation answers EIO (a write may have happened in part)
  std::optional<uint64_t> capacity_bytes =
      {};  // sum of reserved and written blocks; beyond: ENOSPC
  std::function<bool(const std::string& path)> lies_about =
      {};                     // plant: syncs of these paths do nothing and say yes
  bool fails_syncs = false;   // every sync answers EIO
  bool writes_short = false;  // every write stops anywhere, before its first byte too
  bool is_read_only = false;  // remounted so: whatever would change something answers EROFS
};

/// Rules: a write is visible at once and durable after sync() of its file; a create, rename or
/// remove after sync_directory(). A power cut keeps, for each 512-byte sector written since the
/// last sync, any one of the versions it had; of the directory changes since the last directory
/// sync any subset, and a directory that did not arrive takes along what is in it. After a failed
/// sync the unsynced bytes stay visible, later syncs succeed, and a power cut takes them.
/// Thread-safe.
class SimulatedDisk final : public Disk {
 public:
  explicit SimulatedDisk(uint64_t seed);
  ~SimulatedDisk() override;

  void set_faults(DiskFaults faults);
  uint64_t operations() const;
  /// The operation of off_at was reached.
  bool is_off() const;

  /// The power goes: every operation fails from now on, until power_cut().
  void power_off();
  /// The machine loses power, if it did not yet, and comes up again: faults are cleared. No File
  /// may be open.
  PowerLoss power_cut();
  /// The process is killed and started again: everything written is still there, synced or not;
  /// a later power_cut() may still take it. Faults are cleared. No File may be open.
  void kill();

  using Disk::open;
  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode,
                                     Access access) override;
  /// Refuses directories.
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Status make_directories(const std::string& path) override;
  /// One, durable after sync_directory of its parent, as mkdir(2). Errors: kNotFound, kConflict.
  Status make_directory(const std::string& path);
  Status sync_directory(const std::string& path) override;
  Result<std::vector<DirectoryEntry>> list(const std::string& path) override;
  Result<bool> exists(const std::string& path) override;
  /// As list(), of one path; the name is the path. Errors: kNotFound.
  Result<DirectoryEntry> entry(const std::string& path) const;
  Result<Space> space(const std::string& path) override;

 private:
  class SimulatedFile;
  struct DirectoryChange;
  using Names = std::map<std::string, std::shared_ptr<SimulatedInode>>;

  enum class Fate : uint8_t { kGood, kOff, kFails, kReadOnly };

  Fate begin_operation() MILLRACE_REQUIRES(mutex_);
  static Error error_of(Fate fate, std::string_view what, const std::string& path);
  uint64_t used_bytes() const MILLRACE_REQUIRES(mutex_);
  bool has_room(const SimulatedInode& inode, uint64_t end) const MILLRACE_REQUIRES(mutex_);
  static bool is_directory(const Names& names, const std::string& path);
  void change(DirectoryChange change) MILLRACE_REQUIRES(mutex_);
  void settle(const std::string& path) MILLRACE_REQUIRES(mutex_);
  static void apply(const DirectoryChange& change, Names& names);

  mutable Mutex mutex_;
  std::mt19937_64 random_ MILLRACE_GUARDED_BY(mutex_);
  DiskFaults faults_ MILLRACE_GUARDED_BY(mutex_);
  uint64_t operations_ MILLRACE_GUARDED_BY(mutex_) = 0;
  bool is_off_ MILLRACE_GUARDED_BY(mutex_) = false;
  Names names_ MILLRACE_GUARDED_BY(mutex_);    // as a process sees them
  Names durable_ MILLRACE_GUARDED_BY(mutex_);  // as the disk has them
  std::vector<DirectoryChange> changes_ MILLRACE_GUARDED_BY(mutex_);
};

}  // namespace millrace::io
