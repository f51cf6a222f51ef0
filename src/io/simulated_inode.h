// One file of a SimulatedDisk: what a process sees, what the disk has, and all that lies between.
#pragma once

#include "io/disk.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <random>
#include <unordered_map>
#include <vector>

namespace millrace::io {

/// What a power cut took and what it left, of all that was not synced.
struct PowerLoss {
  uint64_t sectors_lost = 0;
  uint64_t sectors_kept = 0;
  uint64_t changes_lost = 0;  // of directories
  uint64_t changes_kept = 0;
};

/// Used under the lock of its disk.
class SimulatedInode {
 public:
  explicit SimulatedInode(bool is_directory) : is_directory_(is_directory) {}

  bool is_directory() const { return is_directory_; }

  uint64_t size() const { return bytes_.size(); }

  /// What it takes of the disk.
  uint64_t held() const { return std::max<uint64_t>(bytes_.size(), reserved_); }

  size_t read(uint64_t position, MutableBytes out) const;
  void write(uint64_t position, ConstBytes data);
  void resize(uint64_t size);
  void reserve(uint64_t size);
  void sync();
  /// A sync failed: the pages are marked clean although the disk never got them.
  void forget();
  void lose_power(std::mt19937_64& random, PowerLoss& loss);

 private:
  static constexpr size_t kSector = 512;
  using Sector = std::array<std::byte, kSector>;

  static Sector sector_of(const std::vector<std::byte>& bytes, uint64_t sector);
  void changed(uint64_t from, uint64_t to);
  void put_durable(uint64_t sector, const Sector& content);

  const bool is_directory_;
  std::vector<std::byte> bytes_;    // as a process sees them
  std::vector<std::byte> durable_;  // as the disk has them
  uint64_t reserved_ = 0;
  // Per sector written since the last sync: every version but the durable one.
  std::unordered_map<uint64_t, std::vector<Sector>> versions_;
  std::vector<uint64_t> sizes_;  // sizes since the last sync
};

}  // namespace millrace::io
