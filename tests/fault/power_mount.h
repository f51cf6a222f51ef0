// A simulated disk as a file system of the machine, by FUSE.
#pragma once

#include "base/result.h"
#include "io/simulated_disk.h"
#include "power_activity.h"
#include "power_steps.h"

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>

struct fuse;

namespace millrace::fault {

/// true: syncs of this file or directory do nothing and say yes.
using Lie = std::function<bool(const std::string& path, bool is_directory)>;

/// Mounted while it lives. Without writeback cache: a write is at the disk when it returns. Names
/// and attributes are never cached; pages are, until the file is opened again or the mount ends, so
/// that mmap(2) works and nothing stale is seen after a power cut with a mount in between.
/// One thing is not as elsewhere: fstat(2) of an open file that was removed answers ESTALE, since
/// FUSE asks by name.
class PowerMount {
 public:
  /// Paths on `disk` begin at its "/". Errors: kIo (no /dev/fuse, or not allowed: FUSE tells on
  /// standard error). `disk`, `activity` and `steps` outlive the mount. It ends only when `steps`
  /// holds no operation.
  static Result<std::unique_ptr<PowerMount>> mount(io::SimulatedDisk& disk, PowerActivity& activity,
                                                   PowerSteps& steps, Lie lie,
                                                   const std::string& directory);
  ~PowerMount();
  PowerMount(const PowerMount&) = delete;
  PowerMount& operator=(const PowerMount&) = delete;

  /// Files and directories that somebody has open: after the death of a process they end a moment
  /// later.
  int64_t open_handles() const { return open_handles_.load(); }

 private:
  friend struct PowerOperations;

  PowerMount(io::SimulatedDisk& disk, PowerActivity& activity, PowerSteps& steps, Lie lie,
             std::string directory);

  io::SimulatedDisk& disk_;
  PowerActivity& activity_;
  PowerSteps& steps_;
  const Lie lie_;
  const std::string directory_;
  timespec begun_{};
  std::atomic<int64_t> open_handles_{0};
  fuse* fuse_ = nullptr;
  std::thread loop_;
};

}  // namespace millrace::fault
