#include "io/simulated_disk.h"

#include "io/simulated_queue.h"

#include <algorithm>
#include <cerrno>

namespace millrace::io {
/// A name that now means another inode, or none. A rename gives the inode its new name, which ends
/// the old one.
struct SimulatedDisk::DirectoryChange {
  std::string parent;
  std::string name;
  std::shared_ptr<SimulatedInode> inode;  // null: removed
};

class SimulatedDisk::SimulatedFile final : public File {
 public:
  SimulatedFile(SimulatedDisk& disk, std::shared_ptr<SimulatedInode> inode, std::string path,
                Access access)
      : disk_(disk), inode_(std::move(inode)), path_(std::move(path)), access_(access) {}

  Result<size_t> read_at(uint64_t position, MutableBytes out) const override {
    MutexLock lock(disk_.mutex_);
    if (disk_.is_off_) {
      return error_of(Fate::kOff, "read", path_);
    }
    if (!is_aligned(position, out)) {
      return errno_error("read", path_, EINVAL);
    }
    return inode_->read(position, out);
  }

  Result<size_t> write_some(uint64_t position, std::span<const ConstBytes> parts) override {
    MutexLock lock(disk_.mutex_);
    const Fate fate = disk_.begin_operation();
    if (fate == Fate::kReadOnly) {
      return error_of(fate, "write", path_);
    }
    std::vector<std::byte> whole;
    for (const ConstBytes part : parts) {
      if (!is_aligned(position + whole.size(), part)) {
        return errno_error("write", path_, EINVAL);
      }
      whole.insert(whole.end(), part.begin(), part.end());
    }
    if ((fate != Fate::kGood || disk_.faults_.writes_short) && !whole.empty()) {
      whole.resize(disk_.random_() % (whole.size() + 1));  // a part of it arrived
      if (access_ == Access::kDirect && fate == Fate::kGood) {
        whole.resize(whole.size() / kDirectBlock * kDirectBlock);
      }
    }
    if (!disk_.has_room(*inode_, position + whole.size())) {
      return errno_error("write", path_, ENOSPC);
    }
    inode_->write(position, whole);
    return fate == Fate::kGood ? Result<size_t>(whole.size()) : error_of(fate, "write", path_);
  }

  Status sync() override {
    MutexLock lock(disk_.mutex_);
    Fate fate = disk_.begin_operation();
    if (fate == Fate::kGood && disk_.faults_.fails_syncs) {
      fate = Fate::kFails;
    }
    if (fate == Fate::kFails) {
      inode_->forget();
    }
    if (fate != Fate::kGood) {
      return error_of(fate, "sync", path_);
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
      return error_of(fate, "resize", path_);
    }
    inode_->resize(size);
    return {};
  }

  Status reserve(uint64_t size) override {
    MutexLock lock(disk_.mutex_);
    const Fate fate = disk_.begin_operation();
    if (fate != Fate::kGood) {
      return error_of(fate, "reserve", path_);
    }
    if (!disk_.has_room(*inode_, size)) {
      return errno_error("reserve", path_, ENOSPC);
    }
    inode_->reserve(size);
    return {};
  }

  Result<uint64_t> size() const override {
    MutexLock lock(disk_.mutex_);
    return inode_->size();
  }

  Result<std::unique_ptr<WriteQueue>> make_queue(unsigned depth) override {
    MutexLock lock(disk_.mutex_);
    return std::unique_ptr<WriteQueue>(
        std::make_unique<SimulatedQueue>(*this, depth, disk_.random_()));
  }

  const std::string& path() const override { return path_; }

 private:
  bool is_aligned(uint64_t position, ConstBytes bytes) const {
    const auto address = reinterpret_cast<uintptr_t>(bytes.data());
    return access_ != Access::kDirect || (position | address | bytes.size()) % kDirectBlock == 0;
  }

  SimulatedDisk& disk_;
  const std::shared_ptr<SimulatedInode> inode_;
  const std::string path_;
  const Access access_;
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
  if (faults_.is_read_only) {
    return Fate::kReadOnly;
  }
  return faults_.fail_at && operations_ == *faults_.fail_at ? Fate::kFails : Fate::kGood;
}

Error SimulatedDisk::error_of(Fate fate, std::string_view what, const std::string& path) {
  return fate == Fate::kOff ? make_error(Code::kIo, "{} of {}: the disk is off", what, path)
                            : errno_error(what, path, fate == Fate::kReadOnly ? EROFS : EIO);
}

uint64_t SimulatedDisk::used_bytes() const {
  uint64_t used = 0;
  for (const auto& [name, inode] : names_) {
    used += inode->held();
  }
  return used;
}

/// The disk can hold the file when it ends at `end`.
bool SimulatedDisk::has_room(const SimulatedInode& inode, uint64_t end) const {
  return !faults_.capacity_bytes || end <= inode.held() ||
         used_bytes() + (end - inode.held()) <= *faults_.capacity_bytes;
}

bool SimulatedDisk::is_directory(const Names& names, const std::string& path) {
  const auto found = names.find(path);
  return path == "/" || path == "." || (found != names.end() && found->second->is_directory());
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

PowerLoss SimulatedDisk::power_cut() {
  MutexLock lock(mutex_);
  PowerLoss loss;
  for (const auto& change : changes_) {
    const bool is_kept = random_() % 2 == 0;
    if (is_kept) {
      apply(change, durable_);
    }
    ++(is_kept ? loss.changes_kept : loss.changes_lost);
  }
  changes_.clear();
  // A directory comes before what is in it; what is in one that did not arrive is gone with it.
  for (auto entry = durable_.begin(); entry != durable_.end();) {
    entry =
        is_directory(durable_, parent_of(entry->first)) ? std::next(entry) : durable_.erase(entry);
  }
  names_ = durable_;
  for (const auto& [name, inode] : names_) {
    inode->lose_power(random_, loss);
  }
  faults_ = {};
  is_off_ = false;
  return loss;
}

void SimulatedDisk::power_off() {
  MutexLock lock(mutex_);
  is_off_ = true;
}

void SimulatedDisk::kill() {
  MutexLock lock(mutex_);
  faults_ = {};
  is_off_ = false;
}

Result<std::unique_ptr<File>> SimulatedDisk::open(const std::string& path, OpenMode mode,
                                                  Access access) {
  MutexLock lock(mutex_);
  if (is_off_) {
    return error_of(Fate::kOff, "open", path);
  }
  auto found = names_.find(path);
  if (found == names_.end()) {
    if (mode == OpenMode::kRead || mode == OpenMode::kReadWrite) {
      return errno_error("open", path, ENOENT);
    }
    if (!is_directory(names_, parent_of(path))) {
      return errno_error("open", path, ENOENT);
    }
    const Fate fate = begin_operation();
    if (fate != Fate::kGood) {
      return error_of(fate, "create", path);
    }
    change({parent_of(path), path, std::make_shared<SimulatedInode>(false)});
    found = names_.find(path);
  } else if (mode == OpenMode::kCreateNew) {
    return errno_error("open", path, EEXIST);
  } else if (found->second->is_directory()) {
    return errno_error("open", path, EISDIR);
  }
  return std::unique_ptr<File>(std::make_unique<SimulatedFile>(*this, found->second, path, access));
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
  if (found->second->is_directory() || is_directory(names_, to)) {
    return errno_error("rename", from, EISDIR);
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
  const auto inside = names_.lower_bound(path + "/");
  if (inside != names_.end() && inside->first.starts_with(path + "/")) {
    return errno_error("remove", path, ENOTEMPTY);
  }
  change({parent_of(path), path, nullptr});
  return {};
}

/// As the system's: others find the directory before what is around it is synced.
Status SimulatedDisk::make_directories(const std::string& path) {
  if (path == "/" || path == ".") {
    return {};
  }
  const std::string parent = parent_of(path);
  Status made = make_directory(path);
  if (!made.ok() && made.error().code == Code::kNotFound && parent != path) {
    MILLRACE_TRY_STATUS(make_directories(parent));
    made = make_directory(path);
  }
  const auto found = entry(path);
  return found.ok() && found->is_directory ? sync_directory(parent) : made;
}

Status SimulatedDisk::make_directory(const std::string& path) {
  MutexLock lock(mutex_);
  const Fate fate = begin_operation();
  if (fate != Fate::kGood) {
    return error_of(fate, "mkdir", path);
  }
  if (names_.contains(path)) {
    return errno_error("mkdir", path, EEXIST);
  }
  if (!is_directory(names_, parent_of(path))) {
    return errno_error("mkdir", path, ENOENT);
  }
  change({parent_of(path), path, std::make_shared<SimulatedInode>(true)});
  return {};
}

Status SimulatedDisk::sync_directory(const std::string& path) {
  MutexLock lock(mutex_);
  const Fate fate = begin_operation();
  if (fate != Fate::kGood) {
    return error_of(fate, "sync", path);
  }
  if (faults_.fails_syncs) {
    return error_of(Fate::kFails, "sync", path);
  }
  if (faults_.lies_about && faults_.lies_about(path)) {
    return {};
  }
  settle(path);
  return {};
}

/// What was changed in that directory is durable.
void SimulatedDisk::settle(const std::string& path) {
  std::vector<DirectoryChange> others;
  for (auto& change : changes_) {
    if (change.parent == path) {
      apply(change, durable_);
      // Names that this inode had before are history: they cannot come back.
      std::erase_if(others,
                    [&](const auto& other) { return other.inode && other.inode == change.inode; });
    } else {
      others.push_back(std::move(change));
    }
  }
  changes_ = std::move(others);
}

Result<std::vector<DirectoryEntry>> SimulatedDisk::list(const std::string& path) {
  MutexLock lock(mutex_);
  if (is_off_) {
    return error_of(Fate::kOff, "list", path);
  }
  if (!is_directory(names_, path)) {
    return errno_error("list", path, ENOENT);
  }
  const std::string prefix = path == "/" ? path : path + "/";
  std::vector<DirectoryEntry> entries;
  for (auto at = names_.lower_bound(prefix); at != names_.end() && at->first.starts_with(prefix);
       ++at) {
    if (parent_of(at->first) == path) {
      entries.push_back(
          {at->first.substr(prefix.size()), at->second->is_directory(), at->second->size()});
    }
  }
  return entries;
}

Result<bool> SimulatedDisk::exists(const std::string& path) {
  const auto found = entry(path);
  if (!found.ok() && found.error().code != Code::kNotFound) {
    return found.error();
  }
  return found.ok();
}

Result<DirectoryEntry> SimulatedDisk::entry(const std::string& path) const {
  MutexLock lock(mutex_);
  if (is_off_) {
    return error_of(Fate::kOff, "stat", path);
  }
  if (is_directory(names_, path)) {
    return DirectoryEntry{path, true, 0};
  }
  const auto found = names_.find(path);
  if (found == names_.end()) {
    return errno_error("stat", path, ENOENT);
  }
  return DirectoryEntry{path, false, found->second->size()};
}

Result<Space> SimulatedDisk::space(const std::string&) {
  MutexLock lock(mutex_);
  const uint64_t total = faults_.capacity_bytes.value_or(uint64_t{1} << 40);
  const uint64_t used = used_bytes();
  return Space{used < total ? total - used : 0, total};
}

}  // namespace millrace::io
