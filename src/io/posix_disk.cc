#include "io/disk.h"
#include "io/uring_queue.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>

namespace millrace::io {
namespace {

// Of one write into the page cache. The kernel takes pages as large as a write for it, and those of
// 2 MiB and more are slow to get where a hypervisor takes free memory back: 0.4 GB/s instead of 9.
constexpr size_t kMostCached = size_t{512} << 10;

class PosixFile final : public File {
 public:
  PosixFile(int descriptor, std::string path, Access access)
      : descriptor_(descriptor),
        path_(std::move(path)),
        most_(access == Access::kDirect ? SIZE_MAX : kMostCached) {}

  ~PosixFile() override { ::close(descriptor_); }

  PosixFile(const PosixFile&) = delete;
  PosixFile& operator=(const PosixFile&) = delete;

  Result<size_t> read_at(uint64_t position, MutableBytes out) const override {
    size_t done = 0;
    while (done < out.size()) {
      const ssize_t n = ::pread(descriptor_, out.data() + done, out.size() - done,
                                static_cast<off_t>(position + done));
      if (n < 0) {
        if (errno == EINTR) {
          continue;
        }
        return errno_error("pread(2)", path_, errno);
      }
      if (n == 0) {
        break;
      }
      done += static_cast<size_t>(n);
    }
    return done;
  }

  Result<size_t> write_some(uint64_t position, std::span<const ConstBytes> parts) override {
    std::array<iovec, IOV_MAX> vectors;  // not set: only what is used below
    size_t count = 0;
    for (size_t left = most_; count < std::min<size_t>(parts.size(), vectors.size()); ++count) {
      const ConstBytes part = parts[count].first(std::min(parts[count].size(), left));
      vectors[count] = {const_cast<std::byte*>(part.data()), part.size()};
      left -= part.size();
    }
    const bool is_nothing = std::all_of(vectors.begin(), vectors.begin() + static_cast<long>(count),
                                        [](const iovec& part) { return part.iov_len == 0; });
    const ssize_t n = ::pwritev(descriptor_, vectors.data(), static_cast<int>(count),
                                static_cast<off_t>(position));
    if (n < 0 && errno != EINTR) {
      return errno_error("pwritev(2)", path_, errno);
    }
    if (n == 0 && !is_nothing) {  // no file system should; it would be asked for ever
      return make_error(Code::kIo, "pwritev(2) of {}: wrote nothing", path_);
    }
    return static_cast<size_t>(std::max<ssize_t>(n, 0));
  }

  Status sync() override {
    int failed = 0;
    do {
      failed = ::fdatasync(descriptor_) == 0 ? 0 : errno;
    } while (failed == EINTR);  // a signal ended the wait; no error of the disk was taken with it
    return failed == 0 ? Status{} : errno_error("fdatasync(2)", path_, failed);
  }

  void begin_writeback(uint64_t position, uint64_t bytes) override {
    static_cast<void>(::sync_file_range(descriptor_, static_cast<off_t>(position),
                                        static_cast<off_t>(bytes), SYNC_FILE_RANGE_WRITE));
  }

  Status resize(uint64_t size) override {
    return ::ftruncate(descriptor_, static_cast<off_t>(size)) == 0
               ? Status{}
               : errno_error("ftruncate(2)", path_, errno);
  }

  Status reserve(uint64_t size) override {
    const int failed = ::posix_fallocate(descriptor_, 0, static_cast<off_t>(size));
    return failed == 0 ? Status{} : errno_error("posix_fallocate(3)", path_, failed);
  }

  Result<uint64_t> size() const override {
    struct stat info{};
    if (::fstat(descriptor_, &info) != 0) {
      return errno_error("fstat(2)", path_, errno);
    }
    return static_cast<uint64_t>(info.st_size);
  }

  Result<std::unique_ptr<WriteQueue>> make_queue(unsigned depth) override {
    return make_uring_queue(descriptor_, path_, depth);
  }

  const std::string& path() const override { return path_; }

 private:
  const int descriptor_;
  const std::string path_;
  const size_t most_;  // bytes of one call
};

int flags_of(OpenMode mode) {
  switch (mode) {
    case OpenMode::kRead:
      return O_RDONLY | O_CLOEXEC;
    case OpenMode::kReadWrite:
      return O_RDWR | O_CLOEXEC;
    case OpenMode::kCreate:
      return O_RDWR | O_CREAT | O_CLOEXEC;
    case OpenMode::kCreateNew:
      return O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC;
  }
  return O_RDONLY | O_CLOEXEC;
}

class PosixDisk final : public Disk {
 public:
  using Disk::open;

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode,
                                     Access access) override {
    // Without O_NONBLOCK, the open of a FIFO that stands where a file should waits for its writer.
    const int flags = flags_of(mode) | O_NONBLOCK | (access == Access::kDirect ? O_DIRECT : 0);
    const int descriptor = ::open(path.c_str(), flags, 0644);
    if (descriptor < 0 && errno == EINVAL && access == Access::kDirect) {
      return make_error(Code::kUnsupported, "open(2) of {}: this file system has no O_DIRECT",
                        path);
    }
    if (descriptor < 0) {
      return errno_error("open(2)", path, errno);
    }
    auto file = std::make_unique<PosixFile>(descriptor, path, access);
    struct stat info{};
    if (::fstat(descriptor, &info) != 0) {
      return errno_error("fstat(2)", path, errno);
    }
    if (S_ISDIR(info.st_mode)) {
      return errno_error("open(2)", path, EISDIR);
    }
    if (S_ISFIFO(info.st_mode) || S_ISCHR(info.st_mode)) {
      return make_error(Code::kIo, "open(2) of {}: it is no file, but a pipe or a device", path);
    }
    if (access == Access::kNoReadAhead) {
      static_cast<void>(::posix_fadvise(descriptor, 0, 0, POSIX_FADV_RANDOM));  // advice only
    }
    return std::unique_ptr<File>(std::move(file));
  }

  Status rename(const std::string& from, const std::string& to) override {
    return ::rename(from.c_str(), to.c_str()) == 0 ? Status{}
                                                   : errno_error("rename(2) to " + to, from, errno);
  }

  Status remove(const std::string& path) override {
    if (::unlink(path.c_str()) == 0) {
      return {};
    }
    const int failed = errno;
    if (failed == EISDIR && ::rmdir(path.c_str()) == 0) {
      return {};
    }
    return errno_error("unlink(2)", path, failed);
  }

  Status make_directories(const std::string& path) override {
    const std::string parent = parent_of(path);
    int failed = ::mkdir(path.c_str(), 0755) == 0 ? 0 : errno;
    if (failed == ENOENT && parent != path) {
      MILLRACE_TRY_STATUS(make_directories(parent));
      failed =
          ::mkdir(path.c_str(), 0755) == 0 ? 0 : errno;  // once: some places refuse in this way
    }
    if (failed == 0) {
      return sync_directory(parent);
    }
    struct stat info{};
    if (failed == EEXIST && ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) {
      // By a process, perhaps, that was killed before it synced. Not all that are there are ours.
      const Status synced = sync_directory(parent);
      return ::access(parent.c_str(), R_OK) == 0 ? synced : Status();
    }
    return errno_error("mkdir(2)", path, failed);
  }

  Status sync_directory(const std::string& path) override {
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) {
      return errno_error("open(2)", path, errno);
    }
    const int failed = ::fsync(descriptor) == 0 ? 0 : errno;
    ::close(descriptor);
    return failed == 0 ? Status{} : errno_error("fsync(2)", path, failed);
  }

  Result<std::vector<DirectoryEntry>> list(const std::string& path) override {
    DIR* directory = ::opendir(path.c_str());
    if (directory == nullptr) {
      return errno_error("opendir(3)", path, errno);
    }
    std::vector<DirectoryEntry> entries;
    while (const dirent* entry =
               ::readdir(directory)) {  // NOLINT(concurrency-mt-unsafe): a stream of our own
      const std::string name = entry->d_name;
      struct stat info{};
      if (name == "." || name == ".." ||
          ::fstatat(::dirfd(directory), name.c_str(), &info, 0) != 0) {
        continue;
      }
      entries.push_back({name, S_ISDIR(info.st_mode), static_cast<uint64_t>(info.st_size)});
    }
    ::closedir(directory);
    std::sort(entries.begin(), entries.end(),
              [](const auto& a, const auto& b) { return a.name < b.name; });
    return entries;
  }

  Result<bool> exists(const std::string& path) override {
    struct stat info{};
    if (::stat(path.c_str(), &info) == 0) {
      return true;
    }
    if (errno == ENOENT || errno == ENOTDIR) {
      return false;
    }
    return errno_error("stat(2)", path, errno);
  }

  Result<Space> space(const std::string& path) override {
    struct statvfs info{};
    if (::statvfs(path.c_str(), &info) != 0) {
      return errno_error("statvfs(3)", path, errno);
    }
    return Space{info.f_bavail * info.f_frsize, info.f_blocks * info.f_frsize};
  }
};

}  // namespace

Disk& posix_disk() {
  static PosixDisk disk;
  return disk;
}

}  // namespace millrace::io
