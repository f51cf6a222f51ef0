#include "io/simulated_disk.h"

#include "base/check.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <unordered_map>

namespace millrace::io {
namespace {

constexpr size_t kSector = 512;

using Sector = std::array<std::byte, kSector>;

}  // namespace

struct SimulatedDisk::Inode {
  std::vector<std::byte> bytes;    // as a process sees them
  std::vector<std::byte> durable;  // as the disk has them
  uint64_t reserved = 0;
  // Per sector written since the last sync: every version but the durable one.
  std::unordered_map<uint64_t, std::vector<Sector>> versions;
  std::vector<uint64_t> sizes;  // sizes since the last sync

  static Sector sector_of(const std::vector<std::byte>& bytes, uint64_t sector) {
    Sector content{};
    const uint64_t from = sector * kSector;
    if (from < bytes.size()) {
      std::memcpy(content.data(), bytes.data() + from,
                  std::min<uint64_t>(kSector, bytes.size() - from));
    }
    return content;
  }

  void write(uint64_t position, ConstBytes data) {
    if (data.empty()) {
      return;
    }
    const uint64_t end = position + data.size();
    const uint64_t from = std::min<uint64_t>(position, bytes.size());
    if (end > bytes.size()) {
      bytes.resize(end);
      sizes.push_back(end);
    }
    std::memcpy(bytes.data() + position, data.data(), data.size());
    note(from, end);
  }

  /// Sectors of [from, end) may have changed. After a cut, growth makes zeros where the disk may
  /// still have the bytes from before.
  void note(uint64_t from, uint64_t end) {
    for (uint64_t sector = from / kSector; sector * kSector < end; ++sector) {
      const Sector now = sector_of(bytes, sector);
      const auto known = versions.find(sector);
      if (known != versions.end()) {
        known->second.push_back(now);
      } else if (now != sector_of(durable, sector)) {
        versions[sector].push_back(now);
      }
    }
  }

  void resize(uint64_t size) {
    const uint64_t from = bytes.size();
    bytes.resize(size);
    sizes.push_back(size);
    note(from, size);
  }

  void sync() {
    for (const auto& [sector, list] : versions) {
      put_durable(sector, sector_of(bytes, sector));
    }
    durable.resize(bytes.size());
    forget();
  }

  void forget() {
    versions.clear();
    sizes.clear();
  }

  void put_durable(uint64_t sector, const Sector& content) {
    if (durable.size() < (sector + 1) * kSector) {
      durable.resize((sector + 1) * kSector);
    }
    std::memcpy(durable.data() + sector * kSector, content.data(), kSector);
  }

  void lose_power(std::mt19937_64& random) {
    uint64_t size = durable.size();
    if (!sizes.empty() && random() % 2 == 0) {
      size = sizes[random() % sizes.size()];
    }
    // In order of sector: the choice depends on the seed alone, not on the hash table's order.
    std::vector<uint64_t> sectors;
    sectors.reserve(versions.size());
    for (const auto& [sector, list] : versions) {
      sectors.push_back(sector);
    }
    std::sort(sectors.begin(), sectors.end());
    const uint64_t mood = random() % 4;  // mostly old, mostly new, or a coin for each
    for (const uint64_t sector : sectors) {
      const auto& list = versions[sector];
      const bool is_kept = mood == 0   ? random() % 16 == 0
                           : mood == 1 ? random() % 16 != 0
                                       : random() % 2 == 0;
      if (is_kept) {
        put_durable(sector, random() % 4 == 0 ? list[random() % list.size()] : list.back());
      }
    }
    durable.resize(size);
    bytes = durable;
    forget();
  }
};

/// A name that now means another inode, or none. A rename gives the inode its new name, which ends
/// the old one.
struct SimulatedDisk::DirectoryChange {
  std::string parent;
  std::string name;
  std::shared_ptr<Inode> inode;  // null: removed
};

class SimulatedDisk::SimulatedFile final : public File {
 public:
  SimulatedFile(SimulatedDisk& disk, std::shared_ptr<Inode> inode, std::string path)
      : disk_(disk), inode_(std::move(inode)), path_(std::move(path)) {}

  Result<size_t> read_at(uint64_t position, MutableBytes out) const override {
    MutexLock lock(disk_.mutex_);
    if (disk_.is_off_) {
      return disk_.error_of(Fate::kOff, "read", path_);
    }
    if (position >= inode_->bytes.size()) {
      return size_t{0};
    }
    const size_t count = std::min<uint64_t>(out.size(), inode_->bytes.size() - position);
    std::memcpy(out.data(), inode_->bytes.data() + position, count);
    return count;
  }

  Status write_at(uint64_t position, std::span<const ConstBytes> parts) override {
    MutexLock lock(disk_.mutex_);
    const Fate fate = disk_.begin_operation();
    std::vector<std::byte> whole;
    for (const ConstBytes part : parts) {
      whole.insert(whole.end(), part.begin(), part.end());
    }
    if (fate != Fate::kGood && !whole.empty()) {
      whole.resize(disk_.random_() % (whole.size() + 1));  // a part of it arrived
    }
    const uint64_t end = position + whole.size();
    const uint64_t held = std::max<uint64_t>(inode_->bytes.size(), inode_->reserved);
    if (disk_.faults_.capacity_bytes && end > held &&
        disk_.used_bytes() + (end - held) > *disk_.faults_.capacity_bytes) {
      return errno_error("write", path_, ENOSPC);
    }
    inode_->write(position, whole);
    return fate == Fate::kGood ? Status{} : disk_.error_of(fate, "write", path_);
  }

  Status sync() override {
    MutexLock lock(disk_.mutex_);
    const Fate fate = disk_.begin_operation();
    if (fate == Fate::kFails) {
      inode_->forget();  // pages are marked clean although the disk never got them
    }
    if (fate != Fate::kGood) {
      return disk_.error_of(fate, "sync", path_);
    }
    if (!disk_.faults_.lies_about || !disk_.faults_.lies_about(path_)) {
      inode_->sync();
    }
    return {};
  }

  Status resize(uint64_t size) override {
    MutexLock lock(disk_.mutex_);
    const Fate fate = disk_.begin_operation();
    if (fate != Fate::kGood) {
      return disk_.error_of(fate, "resize", path_);
    }
    inode_->resize(size);
    return {};
  }

  Status reserve(uint64_t size) override {
    MutexLock lock(disk_.mutex_);
    const Fate fate = disk_.begin_operation();
    if (fate != Fate::kGood) {
      return disk_.error_of(fate, "reserve", path_);
    }
    const uint64_t held = std::max<uint64_t>(inode_->bytes.size(), inode_->reserved);
    if (disk_.faults_.capacity_bytes && size > held &&
        disk_.used_bytes() + (size - held) > *disk_.faults_.capacity_bytes) {
      return errno_error("reserve", path_, ENOSPC);
    }
    inode_->reserved = std::max(inode_->reserved, size);
    if (inode_->bytes.size() < size) {
      inode_->resize(size);
    }
    return {};
  }

  Result<uint64_t> size() const override {
    MutexLock lock(disk_.mutex_);
    return uint64_t{inode_->bytes.size()};
  }

  const std::string& path() const override { return path_; }

 private:
  SimulatedDisk& disk_;
  const std::shared_ptr<Inode> inode_;
  const std::string path_;
};

SimulatedDisk::SimulatedDisk(uint64_t seed) : random_(seed) {}

SimulatedDisk::~SimulatedDisk() = default;

void SimulatedDisk::set_faults(DiskFaults faults) {
  MutexLock lock(mutex_);
  faults_ = std::move(faults);
}

uint64_t SimulatedDisk::operations() const {
  MutexLock lock(mutex_);
  return operations_;
}

bool SimulatedDisk::is_off() const {
  MutexLock lock(mutex_);
  return is_off_;
}

SimulatedDisk::Fate SimulatedDisk::begin_operation() {
  if (is_off_) {
    return Fate::kOff;
  }
  ++operations_;
  if (faults_.off_at && operations_ >= *faults_.off_at) {
    is_off_ = true;
    return Fate::kOff;
  }
  return faults_.fail_at && operations_ == *faults_.fail_at ? Fate::kFails : Fate::kGood;
}

Error SimulatedDisk::error_of(Fate fate, std::string_view what, const std::string& path) const {
  return fate == Fate::kOff ? make_error(Code::kIo, "{} of {}: the disk is off", what, path)
                            : errno_error(what, path, EIO);
}

uint64_t SimulatedDisk::used_bytes() const {
  uint64_t used = 0;
  for (const auto& [name, inode] : names_) {
    used += std::max<uint64_t>(inode->bytes.size(), inode->reserved);
  }
  return used;
}

void SimulatedDisk::apply(const DirectoryChange& change, Names& names) {
  if (change.inode) {
    // An inode has one name: when only the second of two renames arrived, the first name goes too.
    std::erase_if(names, [&](const auto& entry) { return entry.second == change.inode; });
    names[change.name] = change.inode;
  } else {
    names.erase(change.name);
  }
}

void SimulatedDisk::change(DirectoryChange change) {
  apply(change, names_);
  changes_.push_back(std::move(change));
}

void SimulatedDisk::power_cut() {
  MutexLock lock(mutex_);
  for (const auto& change : changes_) {
    if (random_() % 2 == 0) {
      apply(change, durable_);
    }
  }
  changes_.clear();
  names_ = durable_;
  for (const auto& [name, inode] : names_) {
    inode->lose_power(random_);
  }
  faults_ = {};
  is_off_ = false;
}

void SimulatedDisk::kill() {
  MutexLock lock(mutex_);
  faults_ = {};
  is_off_ = false;
}

Result<std::unique_ptr<File>> SimulatedDisk::open(const std::string& path, OpenMode mode) {
  MutexLock lock(mutex_);
  if (is_off_) {
    return error_of(Fate::kOff, "open", path);
  }
  auto found = names_.find(path);
  if (found == names_.end()) {
    if (mode == OpenMode::kRead || mode == OpenMode::kReadWrite) {
      return errno_error("open", path, ENOENT);
    }
    if (!directories_.contains(parent_of(path))) {
      return errno_error("open", path, ENOENT);
    }
    const Fate fate = begin_operation();
    if (fate != Fate::kGood) {
      return error_of(fate, "create", path);
    }
    change({parent_of(path), path, std::make_shared<Inode>()});
    found = names_.find(path);
  } else if (mode == OpenMode::kCreateNew) {
    return errno_error("open", path, EEXIST);
  }
  return std::unique_ptr<File>(std::make_unique<SimulatedFile>(*this, found->second, path));
}

Status SimulatedDisk::rename(const std::string& from, const std::string& to) {
  MutexLock lock(mutex_);
  const Fate fate = begin_operation();
  if (fate != Fate::kGood) {
    return error_of(fate, "rename", from);
  }
  const auto found = names_.find(from);
  if (found == names_.end()) {
    return errno_error("rename", from, ENOENT);
  }
  change({parent_of(to), to, found->second});
  return {};
}

Status SimulatedDisk::remove(const std::string& path) {
  MutexLock lock(mutex_);
  const Fate fate = begin_operation();
  if (fate != Fate::kGood) {
    return error_of(fate, "remove", path);
  }
  if (!names_.contains(path)) {
    return errno_error("remove", path, ENOENT);
  }
  change({parent_of(path), path, nullptr});
  return {};
}

Status SimulatedDisk::make_directories(const std::string& path) {
  MutexLock lock(mutex_);
  for (std::string at = path; at != "." && at != "/"; at = parent_of(at)) {
    directories_.insert(at);
  }
  return {};
}

Status SimulatedDisk::sync_directory(const std::string& path) {
  MutexLock lock(mutex_);
  const Fate fate = begin_operation();
  if (fate != Fate::kGood) {
    return error_of(fate, "sync", path);
  }
  if (faults_.lies_about && faults_.lies_about(path)) {
    return {};
  }
  std::vector<DirectoryChange> others;
  for (auto& change : changes_) {
    if (change.parent == path) {
      apply(change, durable_);
      // Names that this inode had before are history: they cannot come back.
      std::erase_if(others,
                    [&](const auto& other) { return other.inode == change.inode && other.inode; });
    } else {
      others.push_back(std::move(change));
    }
  }
  changes_ = std::move(others);
  return {};
}

Result<std::vector<DirectoryEntry>> SimulatedDisk::list(const std::string& path) {
  MutexLock lock(mutex_);
  if (is_off_) {
    return error_of(Fate::kOff, "list", path);
  }
  if (!directories_.contains(path)) {
    return errno_error("list", path, ENOENT);
  }
  std::vector<DirectoryEntry> entries;
  for (const auto& directory : directories_) {
    if (parent_of(directory) == path) {
      entries.push_back({directory.substr(path.size() + 1), true, 0});
    }
  }
  for (const auto& [name, inode] : names_) {
    if (parent_of(name) == path) {
      entries.push_back({name.substr(path.size() + 1), false, inode->bytes.size()});
    }
  }
  std::sort(entries.begin(), entries.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  return entries;
}

Result<bool> SimulatedDisk::exists(const std::string& path) {
  MutexLock lock(mutex_);
  if (is_off_) {
    return error_of(Fate::kOff, "stat", path);
  }
  return names_.contains(path) || directories_.contains(path);
}

Result<Space> SimulatedDisk::space(const std::string&) {
  MutexLock lock(mutex_);
  const uint64_t total = faults_.capacity_bytes.value_or(uint64_t{1} << 40);
  const uint64_t used = used_bytes();
  return Space{used < total ? total - used : 0, total};
}

}  // namespace millrace::io
