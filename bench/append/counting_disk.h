// A disk that counts the system calls that change something.
#pragma once

#include "io/forwarding_disk.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

namespace millrace::bench {

/// Hands everything to another disk, which outlives it; it outlives its files. Of files it counts
/// writes, syncs, hints, reservations and changes of size, one each; of a queue of writes what was
/// submitted and what was waited for, though a wait for what has ended already makes no call.
/// Thread-safe.
class CountingDisk final : public io::ForwardingDisk {
 public:
  using io::ForwardingDisk::ForwardingDisk;

  uint64_t calls() const { return calls_.load(); }

  using io::Disk::open;
  Result<std::unique_ptr<io::File>> open(const std::string& path, io::OpenMode mode,
                                         io::Access access) override;

 private:
  std::atomic<uint64_t> calls_{0};
};

}  // namespace millrace::bench
