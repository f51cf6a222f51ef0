#define FUSE_USE_VERSION 35

#include "power_mount.h"

#include <fcntl.h>
#include <fuse3/fuse.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <ctime>

namespace millrace::fault {
namespace {

constexpr uint64_t kBlockBytes = 4096;

struct Handle {
  std::string path;                // as it was opened
  std::unique_ptr<io::File> file;  // null: a directory
};

Handle& handle_of(const fuse_file_info* info) {
  return *reinterpret_cast<Handle*>(info->fh);  // NOLINT(performance-no-int-to-ptr): FUSE's way
}

int errno_of(const Error& error) {
  switch (error.code) {
    case Code::kNotFound:
      return -ENOENT;
    case Code::kConflict:
      return -EEXIST;
    case Code::kOverloaded:
      return -ENOSPC;
    default:
      return -EIO;
  }
}

int status_of(const Status& status) {
  return status.ok() ? 0 : errno_of(status.error());
}

}  // namespace

/// What the kernel asks for. Each answers a negative errno, or 0, or bytes.
struct PowerOperations {
  static PowerMount& mount() { return *static_cast<PowerMount*>(fuse_get_context()->private_data); }

  /// What changes something, unless the disk is off or stopped before it.
  template <typename Act>
  static int change(const PowerOperation& operation, Act act) {
    PowerSteps& steps = mount().steps_;
    if (!steps.begin(operation)) {
      return -EIO;
    }
    const int answer = act();
    steps.end(operation);
    return answer;
  }

  static void* init(fuse_conn_info* connection, fuse_config* config) {
    connection->want &= ~static_cast<unsigned>(FUSE_CAP_WRITEBACK_CACHE);
    config->entry_timeout = 0;
    config->attr_timeout = 0;
    config->negative_timeout = 0;
    config->kernel_cache = 0;
    config->hard_remove = 1;  // an open file that was removed has no name at all
    config->nullpath_ok = 1;
    return fuse_get_context()->private_data;
  }

  static void fill(struct stat* out, bool is_directory, uint64_t size) {
    *out = {};
    out->st_mode = is_directory ? S_IFDIR | 0755 : S_IFREG | 0644;
    out->st_nlink = is_directory ? 2 : 1;
    out->st_size = static_cast<off_t>(size);
    out->st_blocks = static_cast<blkcnt_t>((size + 511) / 512);
    out->st_uid = ::getuid();
    out->st_gid = ::getgid();
    out->st_mtim = out->st_ctim = out->st_atim = mount().begun_;
  }

  static int getattr(const char* path, struct stat* out, fuse_file_info* info) {
    io::SimulatedDisk& disk = mount().disk_;
    if (info != nullptr && handle_of(info).file) {
      const auto size = handle_of(info).file->size();
      if (disk.is_off() || !size.ok()) {
        return -EIO;
      }
      fill(out, false, *size);
      return 0;
    }
    const auto entry = disk.entry(path == nullptr ? handle_of(info).path : path);
    if (!entry.ok()) {
      return errno_of(entry.error());
    }
    fill(out, entry->is_directory, entry->size);
    return 0;
  }

  static int open_handle(const char* path, io::OpenMode mode, fuse_file_info* info) {
    PowerMount& own = mount();
    auto file = own.disk_.open(path, mode);
    if (!file.ok()) {
      return errno_of(file.error());
    }
    if ((info->flags & O_TRUNC) != 0) {
      if (auto cut = (*file)->resize(0); !cut.ok()) {
        return errno_of(cut.error());
      }
    }
    ++own.open_handles_;
    info->fh = reinterpret_cast<uint64_t>(new Handle{path, std::move(*file)});
    return 0;
  }

  static int open(const char* path, fuse_file_info* info) {
    return open_handle(path, io::OpenMode::kReadWrite, info);
  }

  static int create(const char* path, mode_t, fuse_file_info* info) {
    mount().activity_.count("create", path);
    const bool is_new = (info->flags & O_EXCL) != 0;
    return change({"create", path, {}, {}}, [&] {
      return open_handle(path, is_new ? io::OpenMode::kCreateNew : io::OpenMode::kCreate, info);
    });
  }

  static int release(const char*, fuse_file_info* info) {
    delete &handle_of(info);
    --mount().open_handles_;
    return 0;
  }

  static int opendir(const char* path, fuse_file_info* info) {
    PowerMount& own = mount();
    if (own.disk_.is_off()) {
      return -EIO;
    }
    ++own.open_handles_;
    info->fh = reinterpret_cast<uint64_t>(new Handle{path, nullptr});
    return 0;
  }

  static int read(const char*, char* out, size_t size, off_t position, fuse_file_info* info) {
    const auto count = handle_of(info).file->read_at(static_cast<uint64_t>(position),
                                                     {reinterpret_cast<std::byte*>(out), size});
    return count.ok() ? static_cast<int>(*count) : errno_of(count.error());
  }

  static int write(const char*, const char* data, size_t size, off_t position,
                   fuse_file_info* info) {
    const Handle& handle = handle_of(info);
    const io::ConstBytes bytes(reinterpret_cast<const std::byte*>(data), size);
    return change({"write", handle.path, {}, bytes}, [&] {
      const auto done = handle.file->write_at(static_cast<uint64_t>(position), bytes);
      mount().activity_.add("bytes " + shape_of(handle.path), size);
      return done.ok() ? static_cast<int>(size) : errno_of(done.error());
    });
  }

  static int sync_as(const std::string& path, bool is_directory, io::File* file) {
    PowerMount& own = mount();
    if (own.disk_.is_off()) {
      return -EIO;
    }
    if (own.lie_ && own.lie_(path, is_directory)) {
      own.activity_.count("ignored", path);
      return 0;
    }
    const auto done = is_directory ? own.disk_.sync_directory(path) : file->sync();
    own.activity_.count(is_directory ? "sync_directory" : "sync", path + (is_directory ? "/" : ""));
    return status_of(done);
  }

  static int fsync(const char*, int, fuse_file_info* info) {
    const Handle& handle = handle_of(info);
    return change({"sync", handle.path, {}, {}},
                  [&] { return sync_as(handle.path, false, handle.file.get()); });
  }

  static int fsyncdir(const char*, int, fuse_file_info* info) {
    const std::string& path = handle_of(info).path;
    return change({"sync_directory", path + "/", {}, {}},
                  [&] { return sync_as(path, true, nullptr); });
  }

  static int truncate(const char* path, off_t size, fuse_file_info* info) {
    const auto bytes = static_cast<uint64_t>(size);
    if (info != nullptr) {
      const Handle& handle = handle_of(info);
      return change({"resize", handle.path, {}, {}},
                    [&] { return status_of(handle.file->resize(bytes)); });
    }
    return change({"resize", path, {}, {}}, [&] {
      auto file = mount().disk_.open(path, io::OpenMode::kReadWrite);
      return file.ok() ? status_of((*file)->resize(bytes)) : errno_of(file.error());
    });
  }

  static int fallocate(const char*, int mode, off_t position, off_t length, fuse_file_info* info) {
    if (mode != 0) {
      return -EOPNOTSUPP;
    }
    const Handle& handle = handle_of(info);
    const auto end = static_cast<uint64_t>(position + length);
    return change({"reserve", handle.path, {}, {}},
                  [&] { return status_of(handle.file->reserve(end)); });
  }

  static int rename(const char* from, const char* to, unsigned flags) {
    PowerMount& own = mount();
    if (flags != 0) {
      return -EINVAL;  // neither exchange nor no-replace
    }
    return change({"rename", from, to, {}}, [&] {
      own.activity_.count("rename", from, to);
      return status_of(own.disk_.rename(from, to));
    });
  }

  static int unlink(const char* path) {
    return change({"remove", path, {}, {}}, [&] {
      mount().activity_.count("remove", path);
      return status_of(mount().disk_.remove(path));
    });
  }

  static int mkdir(const char* path, mode_t) {
    return change({"mkdir", path, {}, {}},
                  [&] { return status_of(mount().disk_.make_directory(path)); });
  }

  static int rmdir(const char* path) {
    const auto inside = mount().disk_.list(path);
    if (inside.ok() && !inside->empty()) {
      return -ENOTEMPTY;
    }
    return change({"rmdir", path, {}, {}}, [&] { return status_of(mount().disk_.remove(path)); });
  }

  static int readdir(const char*, void* out, fuse_fill_dir_t add, off_t, fuse_file_info* info,
                     fuse_readdir_flags) {
    const auto entries = mount().disk_.list(handle_of(info).path);
    if (!entries.ok()) {
      return errno_of(entries.error());
    }
    add(out, ".", nullptr, 0, {});
    add(out, "..", nullptr, 0, {});
    for (const auto& entry : *entries) {
      add(out, entry.name.c_str(), nullptr, 0, {});
    }
    return 0;
  }

  static int statfs(const char* path, struct statvfs* out) {
    const auto space = mount().disk_.space(path);
    if (mount().disk_.is_off() || !space.ok()) {
      return -EIO;
    }
    *out = {};
    out->f_bsize = out->f_frsize = kBlockBytes;
    out->f_blocks = space->total_bytes / kBlockBytes;
    out->f_bfree = out->f_bavail = space->free_bytes / kBlockBytes;
    out->f_namemax = 255;
    return 0;
  }

  static int utimens(const char*, const timespec*, fuse_file_info*) { return 0; }

  static int chmod(const char*, mode_t, fuse_file_info*) { return 0; }

  static fuse_operations table() {
    fuse_operations all{};
    all.init = init;
    all.getattr = getattr;
    all.open = open;
    all.create = create;
    all.release = release;
    all.opendir = opendir;
    all.releasedir = release;
    all.read = read;
    all.write = write;
    all.fsync = fsync;
    all.fsyncdir = fsyncdir;
    all.truncate = truncate;
    all.fallocate = fallocate;
    all.rename = rename;
    all.unlink = unlink;
    all.mkdir = mkdir;
    all.rmdir = rmdir;
    all.readdir = readdir;
    all.statfs = statfs;
    all.utimens = utimens;
    all.chmod = chmod;
    return all;  // no flock, no lock: the kernel keeps them
  }
};

PowerMount::PowerMount(io::SimulatedDisk& disk, PowerActivity& activity, PowerSteps& steps, Lie lie,
                       std::string directory)
    : disk_(disk),
      activity_(activity),
      steps_(steps),
      lie_(std::move(lie)),
      directory_(std::move(directory)) {
  ::clock_gettime(CLOCK_REALTIME, &begun_);
}

Result<std::unique_ptr<PowerMount>> PowerMount::mount(io::SimulatedDisk& disk,
                                                      PowerActivity& activity, PowerSteps& steps,
                                                      Lie lie, const std::string& directory) {
  std::unique_ptr<PowerMount> own(new PowerMount(disk, activity, steps, std::move(lie), directory));
  std::string name = "power_fs";
  std::string flag = "-o";
  std::string options = "fsname=power_fs,subtype=power_fs";
  std::array<char*, 3> arguments{name.data(), flag.data(), options.data()};
  fuse_args args{static_cast<int>(arguments.size()), arguments.data(), 0};
  const fuse_operations operations = PowerOperations::table();
  own->fuse_ = fuse_new(&args, &operations, sizeof(operations), own.get());
  fuse_opt_free_args(&args);
  if (own->fuse_ == nullptr) {
    return make_error(Code::kIo, "FUSE refused to begin");
  }
  if (fuse_mount(own->fuse_, directory.c_str()) != 0) {
    fuse_destroy(own->fuse_);
    own->fuse_ = nullptr;
    return make_error(Code::kIo, "cannot mount on {}", directory);
  }
  own->loop_ = std::thread([raw = own->fuse_] {
    fuse_loop_config config{0, 4};
    fuse_loop_mt(raw, &config);
  });
  return own;
}

PowerMount::~PowerMount() {
  if (fuse_ == nullptr) {
    return;
  }
  // From outside, so that the loop still answers what the kernel asks meanwhile; then it ends.
  if (::umount2(directory_.c_str(), MNT_DETACH) != 0) {
    std::string program = "fusermount3";
    std::string flags = "-uz";
    std::string at = directory_;
    std::array<char*, 4> arguments{program.data(), flags.data(), at.data(), nullptr};
    pid_t child = 0;
    if (::posix_spawnp(&child, program.c_str(), nullptr, nullptr, arguments.data(), environ) == 0) {
      ::waitpid(child, nullptr, 0);
    }
  }
  loop_.join();
  fuse_unmount(fuse_);
  fuse_destroy(fuse_);
}

}  // namespace millrace::fault
