#include "io/disk_reserve.h"

#include <algorithm>
#include <array>

namespace millrace::io {

void DiskReserve::keep() {
  MutexLock lock(mutex_);
  const auto file = disk_.open(path_, OpenMode::kCreate);
  const auto size = file.ok() ? (*file)->size() : file.error();
  const auto space = disk_.space(parent_of(path_));
  if (size.ok() && space.ok()) {
    grow(**file, *size, std::min(kBytes, (*size + space->free_bytes) / 2));
  }
}

uint64_t DiskReserve::give_up(uint64_t bytes) {
  MutexLock lock(mutex_);
  const auto file = disk_.open(path_, OpenMode::kReadWrite);
  const auto size = file.ok() ? (*file)->size() : file.error();
  const uint64_t given = size.ok() ? std::min(*size, bytes) : 0;
  return given > 0 && (*file)->resize(*size - given).ok() ? given : 0;
}

void DiskReserve::take_back(uint64_t bytes) {
  if (bytes == 0) {
    return;
  }
  MutexLock lock(mutex_);
  const auto file = disk_.open(path_, OpenMode::kCreate);
  const auto size = file.ok() ? (*file)->size() : file.error();
  if (size.ok()) {
    grow(**file, *size, std::min(kBytes, *size + bytes));
  }
}

/// As far as there is room.
void DiskReserve::grow(File& file, uint64_t from, uint64_t to) {
  constexpr std::array<std::byte, size_t{16} << 10> kZeros{};
  if (from >= to || file.reserve(to).ok()) {
    return;
  }
  while (from < to) {
    const auto block = ConstBytes(kZeros).first(std::min<uint64_t>(kZeros.size(), to - from));
    if (!file.write_at(from, block).ok()) {
      return;
    }
    from += block.size();
  }
}

}  // namespace millrace::io
