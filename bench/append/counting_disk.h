// A disk that counts the system calls that change something.
#pragma once

#include "io/disk.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace millrace::bench {

/// Hands everything to another disk, which outlives it; it outlives its files. Of files it counts
/// writes, syncs, hints, reservations and changes of size, one each; of a queue of writes what was
/// submitted and what was waited for, though a wait for what has ended already makes no call.
/// Thread-safe.
class CountingDisk final : public io::Disk {
 public:
  explicit CountingDisk(io::Disk& disk) : disk_(disk) {}

  uint64_t calls() const { return calls_.load(); }

  using io::Disk::open;
  Result<std::unique_ptr<io::File>> open(const std::string& path, io::OpenMode mode,
                                         io::Access access) override;

  Status rename(const std::string& from, const std::string& to) override {
    return disk_.rename(from, to);
  }

  Status remove(const std::string& path) override { return disk_.remove(path); }

  Status make_directories(const std::string& path) override { return disk_.make_directories(path); }

  Status sync_directory(const std::string& path) override { return disk_.sync_directory(path); }

  Result<std::vector<io::DirectoryEntry>> list(const std::string& path) override {
    return disk_.list(path);
  }

  Result<bool> exists(const std::string& path) override { return disk_.exists(path); }

  Result<io::Space> space(const std::string& path) override { return disk_.space(path); }

 private:
  io::Disk& disk_;
  std::atomic<uint64_t> calls_{0};
};

}  // namespace millrace::bench
