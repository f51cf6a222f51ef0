// Objects as files of a directory, on any io::Disk.
#pragma once

#include "base/mutex.h"
#include "io/disk.h"
#include "objects/object_store.h"

#include <atomic>
#include <memory>
#include <set>
#include <string>

namespace millrace::objects {

/// An object is written as a file in `temporary`, synced, renamed to its name under
/// `root`, and the directory synced: under its name it is whole or not there, before and after a
/// power cut, and its folders with it, whoever made them. A folder goes with its last object. Both
/// directories are of one file system. A part of a name is a file's name: up to 255 bytes.
class LocalStore final : public ObjectStore {
 public:
  /// Makes both directories and removes what an earlier process left in `temporary`.
  static Result<std::unique_ptr<LocalStore>> open(io::Disk& disk, std::string root,
                                                  std::string temporary);

  /// What is there; makes no directory and nothing new: create() is for those of open() alone.
  static std::unique_ptr<LocalStore> view(io::Disk& disk, std::string root);

  Result<std::unique_ptr<ObjectWriter>> create(const std::string& name) override;
  Result<std::vector<ObjectInfo>> list(const std::string& folder) override;
  Result<std::unique_ptr<ObjectReader>> read(const std::string& name) override;
  Result<ObjectInfo> look(const std::string& name) override;
  Status remove(const std::string& name) override;

  std::string location_of(const std::string& name) const override { return root_ + "/" + name; }

  /// Takes an object out of the store and keeps its bytes as `path`, durably. Errors: kNotFound.
  Status move_out(const std::string& name, const std::string& path);

 private:
  class Writer;

  LocalStore(io::Disk& disk, std::string root, std::string temporary)
      : disk_(disk), root_(std::move(root)), temporary_(std::move(temporary)) {}

  Result<std::unique_ptr<io::File>> open_object(const std::string& name);
  Result<std::vector<ObjectInfo>> list_all(const std::string& folder);
  Status list_into(const std::string& folder, std::vector<ObjectInfo>& objects);
  Status remove_file(const std::string& name);
  Status make_folder(const std::string& path) MILLRACE_EXCLUDES(folders_mutex_);
  void forget_folder(const std::string& path) MILLRACE_EXCLUDES(folders_mutex_);
  void remove_empty_folders(std::string path) MILLRACE_EXCLUDES(folders_mutex_);

  io::Disk& disk_;
  const std::string root_;
  const std::string temporary_;
  std::atomic<uint64_t> next_{1};
  Mutex folders_mutex_;  // held while one is made, and while empty ones are removed
  std::set<std::string> durable_folders_ MILLRACE_GUARDED_BY(folders_mutex_);  // below the root
};

}  // namespace millrace::objects
