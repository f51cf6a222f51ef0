#include "io/simulated_inode.h"

#include <algorithm>
#include <cstring>

namespace millrace::io {

SimulatedInode::Sector SimulatedInode::sector_of(const std::vector<std::byte>& bytes,
                                                 uint64_t sector) {
  Sector content{};
  const uint64_t from = sector * kSector;
  if (from < bytes.size()) {
    std::memcpy(content.data(), bytes.data() + from,
                std::min<uint64_t>(kSector, bytes.size() - from));
  }
  return content;
}

/// Bytes [from, to) are new: each of their sectors has one more version, if it is another one.
void SimulatedInode::changed(uint64_t from, uint64_t to) {
  for (uint64_t sector = from / kSector; sector * kSector < to; ++sector) {
    const Sector now = sector_of(bytes_, sector);
    const auto known = versions_.find(sector);
    if (known != versions_.end()) {
      known->second.push_back(now);
    } else if (std::memcmp(now.data(), sector_of(durable_, sector).data(), kSector) != 0) {
      versions_[sector].push_back(now);
    }
  }
}

size_t SimulatedInode::read(uint64_t position, MutableBytes out) const {
  if (position >= bytes_.size() || out.empty()) {
    return 0;
  }
  const size_t count = std::min<uint64_t>(out.size(), bytes_.size() - position);
  std::memcpy(out.data(), bytes_.data() + position, count);
  return count;
}

void SimulatedInode::write(uint64_t position, ConstBytes data) {
  if (data.empty()) {
    return;
  }
  const uint64_t end = position + data.size();
  if (end > bytes_.size()) {
    resize(end);
  }
  std::memcpy(bytes_.data() + position, data.data(), data.size());
  changed(position, end);
}

void SimulatedInode::resize(uint64_t size) {
  const uint64_t before = bytes_.size();
  bytes_.resize(size);
  sizes_.push_back(size);
  if (size < before) {
    reserved_ = std::min(reserved_, size);  // as ftruncate(2): blocks behind the end are free
  }
  if (size > before) {
    // Where the file was longer once, its old bytes do not come back: zeros are a version too.
    changed(before, std::min<uint64_t>(size, durable_.size()));
  }
}

void SimulatedInode::reserve(uint64_t size) {
  reserved_ = std::max(reserved_, size);
  if (bytes_.size() < size) {
    resize(size);
  }
}

void SimulatedInode::sync() {
  for (const auto& [sector, list] : versions_) {
    put_durable(sector, sector_of(bytes_, sector));
  }
  durable_.resize(bytes_.size());
  forget();
}

void SimulatedInode::forget() {
  versions_.clear();
  sizes_.clear();
}

void SimulatedInode::put_durable(uint64_t sector, const Sector& content) {
  if (durable_.size() < (sector + 1) * kSector) {
    durable_.resize((sector + 1) * kSector);
  }
  std::memcpy(durable_.data() + sector * kSector, content.data(), kSector);
}

void SimulatedInode::lose_power(std::mt19937_64& random, PowerLoss& loss) {
  uint64_t size = durable_.size();
  if (!sizes_.empty() && random() % 2 == 0) {
    size = sizes_[random() % sizes_.size()];
  }
  // In order of sector: the choice depends on the seed alone, not on the hash table's order.
  std::vector<uint64_t> sectors;
  sectors.reserve(versions_.size());
  for (const auto& [sector, list] : versions_) {
    sectors.push_back(sector);
  }
  std::sort(sectors.begin(), sectors.end());
  const uint64_t mood = random() % 4;  // mostly old, mostly new, or a coin for each
  for (const uint64_t sector : sectors) {
    const auto& list = versions_[sector];
    const bool is_kept = mood == 0   ? random() % 16 == 0
                         : mood == 1 ? random() % 16 != 0
                                     : random() % 2 == 0;
    if (is_kept) {
      put_durable(sector, random() % 4 == 0 ? list[random() % list.size()] : list.back());
    }
    ++(is_kept ? loss.sectors_kept : loss.sectors_lost);
  }
  durable_.resize(size);
  bytes_ = durable_;
  forget();
}

}  // namespace millrace::io
