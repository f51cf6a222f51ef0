#include "objects/local_store.h"

#include <algorithm>
#include <utility>

namespace millrace::objects {
namespace {

/// Of one read of the disk: who writes with a sync waits for at most so much of each reader. Larger
/// ones hardly read faster (docs/decisions/015).
constexpr size_t kPiece = size_t{128} << 10;

class LocalReader final : public ObjectReader {
 public:
  LocalReader(StoreCounters& counters, std::unique_ptr<io::File> file, uint64_t bytes)
      : counters_(counters), file_(std::move(file)), bytes_(bytes) {}

  uint64_t bytes() const override { return bytes_; }

  Status read_at(uint64_t position, std::span<std::byte> out) const override {
    counters_.count(RequestKind::kGet);
    if (position > bytes_) {
      return counters_.checked<void>(make_error(Code::kCorrupt,
                                                "{}: ends at {}, wanted {} bytes at {}",
                                                file_->path(), bytes_, out.size(), position));
    }
    for (size_t done = 0; done < out.size(); done += kPiece) {
      const auto piece = out.subspan(done, std::min(kPiece, out.size() - done));
      MILLRACE_TRY_STATUS(counters_.checked(file_->read_exactly_at(position + done, piece)));
    }
    counters_.bytes_read += out.size();
    return {};
  }

 private:
  StoreCounters& counters_;
  const std::unique_ptr<io::File> file_;
  const uint64_t bytes_;
};

}  // namespace

class LocalStore::Writer final : public ObjectWriter {
 public:
  Writer(LocalStore& store, std::unique_ptr<io::File> file, std::string target)
      : store_(store), file_(std::move(file)), target_(std::move(target)) {}

  ~Writer() override {
    if (file_) {
      const std::string path = file_->path();
      file_.reset();
      static_cast<void>(store_.disk_.remove(path));  // what stays is removed by the next open()
    }
  }

  Status write(std::span<const std::byte> bytes) override {
    MILLRACE_TRY_STATUS(store_.counters_.checked(file_->write_at(position_, bytes)));
    position_ += bytes.size();
    return {};
  }

  Status publish() override {
    store_.counters_.count(RequestKind::kPut);
    MILLRACE_TRY_STATUS(store_.counters_.checked(rename_to_target()));
    store_.counters_.bytes_written += position_;
    return {};
  }

 private:
  Status rename_to_target() {
    MILLRACE_TRY_STATUS(file_->sync());
    MILLRACE_TRY_STATUS(place());
    file_.reset();
    return store_.disk_.sync_directory(io::parent_of(target_));
  }

  /// Again, when a removal took the folder in between, with its last object.
  Status place() {
    Status placed = make_folder_and_rename();
    while (!placed.ok() && placed.error().code == Code::kNotFound) {
      MILLRACE_TRY(const bool is_there, store_.disk_.exists(file_->path()));
      if (!is_there) {
        break;
      }
      placed = make_folder_and_rename();
    }
    return placed;
  }

  Status make_folder_and_rename() {
    const std::string folder = io::parent_of(target_);
    MILLRACE_TRY_STATUS(store_.make_folder(folder));
    Status renamed = store_.disk_.rename(file_->path(), target_);
    if (!renamed.ok() && renamed.error().code == Code::kNotFound) {
      store_.forget_folder(folder);
    }
    return renamed;
  }

  LocalStore& store_;
  std::unique_ptr<io::File> file_;
  const std::string target_;
  uint64_t position_ = 0;
};

Result<std::unique_ptr<LocalStore>> LocalStore::open(io::Disk& disk, std::string root,
                                                     std::string temporary) {
  MILLRACE_TRY_STATUS(disk.make_directories(root));
  MILLRACE_TRY_STATUS(disk.make_directories(temporary));
  MILLRACE_TRY(const auto leftovers, disk.list(temporary));
  for (const auto& entry : leftovers) {
    if (!entry.is_directory) {
      MILLRACE_TRY_STATUS(disk.remove(temporary + "/" + entry.name));
    }
  }
  return std::unique_ptr<LocalStore>(new LocalStore(disk, std::move(root), std::move(temporary)));
}

std::unique_ptr<LocalStore> LocalStore::view(io::Disk& disk, std::string root) {
  return std::unique_ptr<LocalStore>(new LocalStore(disk, std::move(root), ""));
}

Result<std::unique_ptr<ObjectWriter>> LocalStore::create(const std::string& name) {
  MILLRACE_TRY_STATUS(check_name(name));
  if (temporary_.empty()) {
    return make_error(Code::kReadOnly, "{}: this store was opened to be read", location_of(name));
  }
  const std::string making = fmt::format("{}/{}.object", temporary_, next_.fetch_add(1));
  MILLRACE_TRY(auto file, counters_.checked(disk_.open(making, io::OpenMode::kCreateNew)));
  return std::unique_ptr<ObjectWriter>(
      std::make_unique<Writer>(*this, std::move(file), location_of(name)));
}

Result<std::vector<ObjectInfo>> LocalStore::list(const std::string& folder) {
  MILLRACE_TRY_STATUS(check_folder(folder));
  counters_.count(RequestKind::kList);
  return counters_.checked(list_all(folder));
}

Result<std::vector<ObjectInfo>> LocalStore::list_all(const std::string& folder) {
  std::vector<ObjectInfo> objects;
  const std::string path = folder.empty() ? root_ : location_of(folder);
  MILLRACE_TRY(const bool exists, disk_.exists(path));
  if (!exists || disk_.open(path, io::OpenMode::kRead).ok()) {  // nothing, or an object
    return objects;
  }
  MILLRACE_TRY_STATUS(list_into(folder, objects));
  std::ranges::sort(objects, {},
                    &ObjectInfo::name);  // "a-1" before "a/1", though "a" is before "a-1"
  return objects;
}

// NOLINTNEXTLINE(misc-no-recursion): as deep as the folders are.
Status LocalStore::list_into(const std::string& folder, std::vector<ObjectInfo>& objects) {
  MILLRACE_TRY(const auto entries, disk_.list(folder.empty() ? root_ : location_of(folder)));
  for (const auto& entry : entries) {
    std::string name = folder.empty() ? entry.name : folder + "/" + entry.name;
    if (entry.is_directory) {
      MILLRACE_TRY_STATUS(list_into(name, objects));
    } else {
      objects.push_back({std::move(name), entry.size});
    }
  }
  return {};
}

/// Errors: kNotFound for a folder and below an object as well.
Result<std::unique_ptr<io::File>> LocalStore::open_object(const std::string& name) {
  const std::string path = location_of(name);
  auto file = disk_.open(path, io::OpenMode::kRead, io::Access::kNoReadAhead);
  if (!file.ok() && file.error().code == Code::kIo) {
    const auto exists = disk_.exists(path);
    if (disk_.list(path).ok() || (exists.ok() && !*exists)) {
      return make_error(Code::kNotFound, "{}: there is no such object", path);
    }
  }
  return file;
}

Result<std::unique_ptr<ObjectReader>> LocalStore::read(const std::string& name) {
  MILLRACE_TRY_STATUS(check_name(name));
  counters_.count(RequestKind::kHead);
  MILLRACE_TRY(auto file, counters_.checked(open_object(name)));
  MILLRACE_TRY(const uint64_t size, counters_.checked(file->size()));
  return std::unique_ptr<ObjectReader>(
      std::make_unique<LocalReader>(counters_, std::move(file), size));
}

Result<ObjectInfo> LocalStore::look(const std::string& name) {
  MILLRACE_TRY_STATUS(check_name(name));
  counters_.count(RequestKind::kHead);
  MILLRACE_TRY(const auto file, counters_.checked(open_object(name)));
  MILLRACE_TRY(const uint64_t size, counters_.checked(file->size()));
  return ObjectInfo{name, size};
}

Status LocalStore::remove(const std::string& name) {
  MILLRACE_TRY_STATUS(check_name(name));
  counters_.count(RequestKind::kDelete);
  return counters_.checked(remove_file(name));
}

/// Opens nothing on the way to the removal of a file: it also works when no file may be opened.
Status LocalStore::remove_file(const std::string& name) {
  const std::string path = location_of(name);
  MILLRACE_TRY(const bool exists, disk_.exists(path));
  if (!exists || disk_.list(path).ok()) {
    return make_error(Code::kNotFound, "{}: there is no such object", path);
  }
  MILLRACE_TRY_STATUS(disk_.remove(path));
  std::string folder = io::parent_of(path);
  Status synced = disk_.sync_directory(folder);
  while (!synced.ok() && synced.error().code == Code::kNotFound && folder.size() > root_.size()) {
    folder = io::parent_of(folder);  // another removal took it, and its name is to go for good
    synced = disk_.sync_directory(folder);
  }
  remove_empty_folders(folder);
  return synced;
}

/// With those around it up to the root. One that is there may be another thread's, or that of a
/// process that was killed, and what is around it not synced yet: a power cut would take it, and
/// all that is in it. So what this process has not synced is synced.
Status LocalStore::make_folder(const std::string& path) {
  MutexLock lock(folders_mutex_);
  for (size_t end = root_.size(); end < path.size();) {
    end = std::min(path.find('/', end + 1), path.size());
    const std::string folder = path.substr(0, end);
    if (!durable_folders_.contains(folder)) {
      MILLRACE_TRY_STATUS(disk_.make_directories(folder));
      durable_folders_.insert(folder);
    }
  }
  return {};
}

/// It is not there any more, nor perhaps those around it.
void LocalStore::forget_folder(const std::string& path) {
  MutexLock lock(folders_mutex_);
  for (std::string folder = path; folder.size() > root_.size(); folder = io::parent_of(folder)) {
    durable_folders_.erase(folder);
  }
}

/// That one, and those around it. An empty folder that a power cut brings back does no harm, nor
/// one that cannot be removed. One call at a time: what is found to be a folder stays one until it
/// is removed here, so that no object is that took its name.
void LocalStore::remove_empty_folders(std::string path) {
  MutexLock lock(folders_mutex_);
  const auto is_object = [this](const std::string& name) {  // one of that name was made meanwhile
    return disk_.open(name, io::OpenMode::kRead).ok();
  };
  while (path.size() > root_.size() && !is_object(path) && disk_.remove(path).ok()) {
    durable_folders_.erase(path);
    path = io::parent_of(path);
  }
}

Status LocalStore::move_out(const std::string& name, const std::string& path) {
  MILLRACE_TRY_STATUS(check_name(name));
  MILLRACE_TRY_STATUS(disk_.make_directories(io::parent_of(path)));
  MILLRACE_TRY_STATUS(disk_.rename(location_of(name), path));
  // The new name first: a cut in between leaves both or the new one, never none.
  MILLRACE_TRY_STATUS(disk_.sync_directory(io::parent_of(path)));
  MILLRACE_TRY_STATUS(disk_.sync_directory(io::parent_of(location_of(name))));
  remove_empty_folders(io::parent_of(location_of(name)));
  return {};
}

}  // namespace millrace::objects
