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

uint64_t DiskReserve::give_up() {
  MutexLock lock(mutex_);
  const auto file = disk_.open(path_, OpenMode::kReadWrite);
  const auto size = file.ok() ? (*file)->size() : file.error();
  return size.ok() && (*file)->resize(0).ok() ? *size : 0;
}

void DiskReserve::take_back(uint64_t bytes) {
  MutexLock lock(mutex_);
  const auto file = disk_.open(path_, OpenMode::kCreate);
  const auto size = file.ok() ? (*file)->size() : file.error();
  if (size.ok()) {
    grow(**file, *size, std::min(kBytes, bytes));
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
