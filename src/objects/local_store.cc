#include "objects/local_store.h"

#include "base/log.h"

#include <utility>

namespace millrace::objects {
namespace {

class LocalWriter final : public ObjectWriter {
 public:
  LocalWriter(io::Disk& disk, std::unique_ptr<io::File> file, std::string target)
      : disk_(disk), file_(std::move(file)), target_(std::move(target)) {}

  ~LocalWriter() override {
    if (file_) {
      const std::string path = file_->path();
      file_.reset();
      static_cast<void>(disk_.remove(path));  // what stays is removed by the next open()
    }
  }

  Status write(std::span<const std::byte> bytes) override {
    MILLRACE_TRY_STATUS(file_->write_at(position_, bytes));
    position_ += bytes.size();
    return {};
  }

  Status publish() override {
    MILLRACE_TRY_STATUS(file_->sync());
    MILLRACE_TRY_STATUS(disk_.make_directories(io::parent_of(target_)));
    MILLRACE_TRY_STATUS(disk_.rename(file_->path(), target_));
    file_.reset();
    return disk_.sync_directory(io::parent_of(target_));
  }

 private:
  io::Disk& disk_;
  std::unique_ptr<io::File> file_;
  const std::string target_;
  uint64_t position_ = 0;
};

class LocalReader final : public ObjectReader {
 public:
  LocalReader(std::unique_ptr<io::File> file, uint64_t bytes)
      : file_(std::move(file)), bytes_(bytes) {}

  uint64_t bytes() const override { return bytes_; }

  Status read_at(uint64_t position, std::span<std::byte> out) const override {
    return file_->read_exactly_at(position, out);
  }

 private:
  const std::unique_ptr<io::File> file_;
  const uint64_t bytes_;
};

}  // namespace

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

Result<std::unique_ptr<ObjectWriter>> LocalStore::create(const std::string& name) {
  const std::string making = fmt::format("{}/{}.object", temporary_, next_.fetch_add(1));
  MILLRACE_TRY(auto file, disk_.open(making, io::OpenMode::kCreateNew));
  return std::unique_ptr<ObjectWriter>(
      std::make_unique<LocalWriter>(disk_, std::move(file), location_of(name)));
}

Result<std::vector<ObjectInfo>> LocalStore::list(const std::string& folder) {
  std::vector<ObjectInfo> objects;
  MILLRACE_TRY(const bool exists, disk_.exists(folder.empty() ? root_ : location_of(folder)));
  if (exists) {
    MILLRACE_TRY_STATUS(list_into(folder, objects));
  }
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

Result<std::unique_ptr<ObjectReader>> LocalStore::read(const std::string& name) {
  MILLRACE_TRY(auto file, disk_.open(location_of(name), io::OpenMode::kRead));
  MILLRACE_TRY(const uint64_t size, file->size());
  return std::unique_ptr<ObjectReader>(std::make_unique<LocalReader>(std::move(file), size));
}

Result<ObjectInfo> LocalStore::look(const std::string& name) {
  MILLRACE_TRY(const auto file, disk_.open(location_of(name), io::OpenMode::kRead));
  MILLRACE_TRY(const uint64_t size, file->size());
  return ObjectInfo{name, size};
}

Status LocalStore::remove(const std::string& name) {
  MILLRACE_TRY_STATUS(disk_.remove(location_of(name)));
  return disk_.sync_directory(io::parent_of(location_of(name)));
}

Status LocalStore::move_out(const std::string& name, const std::string& path) {
  MILLRACE_TRY_STATUS(disk_.make_directories(io::parent_of(path)));
  MILLRACE_TRY_STATUS(disk_.rename(location_of(name), path));
  // The new name first: a cut in between leaves both or the new one, never none.
  MILLRACE_TRY_STATUS(disk_.sync_directory(io::parent_of(path)));
  return disk_.sync_directory(io::parent_of(location_of(name)));
}

}  // namespace millrace::objects
