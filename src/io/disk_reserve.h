// A file that is given up when the disk is full, so that what frees room has some.
#pragma once

#include "base/mutex.h"
#include "io/disk.h"

#include <cstdint>
#include <string>

namespace millrace::io {

/// One for a data directory. It holds nothing and is never synced: a file of another size, or none,
/// means that room is missing, and no more. Blocking. Thread-safe. What fails is tried by the next
/// call.
class DiskReserve {
 public:
  /// As much as the catalog's log takes before it is written from its beginning again (1,000 frames
  /// of 4 KiB), and one more commit of 500: on a disk without a free byte any number of such
  /// commits goes.
  static constexpr uint64_t kBytes = uint64_t{6} << 20;

  /// To give up at first, and twice as much when it was not enough: whoever else waits for room may
  /// be quicker, and keeps what it gets.
  static constexpr uint64_t kFirstBytes = uint64_t{512} << 10;

  /// The disk outlives it. Nothing is made yet.
  DiskReserve(Disk& disk, std::string path) : disk_(disk), path_(std::move(path)) {}

  /// Takes what is missing, but not more than is left to others: what was just freed is for those
  /// who wait for room.
  void keep();

  /// Gives so much of it to whoever writes next, or what there is. Returns: bytes, 0 when there was
  /// nothing to give.
  uint64_t give_up(uint64_t bytes);

  /// After the use that it was given up for, with what that returned: takes what was not used.
  void take_back(uint64_t bytes);

 private:
  static void grow(File& file, uint64_t from, uint64_t to);

  Disk& disk_;
  const std::string path_;
  Mutex mutex_;
};

}  // namespace millrace::io
