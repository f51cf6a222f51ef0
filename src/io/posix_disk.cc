#include "io/disk.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace millrace::io {
namespace {

constexpr size_t kPartsPerCall = 256;  // below IOV_MAX (1024)

class PosixFile final : public File {
 public:
  PosixFile(int descriptor, std::string path) : descriptor_(descriptor), path_(std::move(path)) {}

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

  Status write_at(uint64_t position, std::span<const ConstBytes> parts) override {
    std::array<iovec, kPartsPerCall> vectors{};
    size_t part = 0;  // first part not wholly written
    size_t skip = 0;  // bytes of it that are written
    while (part < parts.size()) {
      size_t count = 0;
      for (size_t i = part; i < parts.size() && count < kPartsPerCall; ++i, ++count) {
        const ConstBytes rest = parts[i].subspan(i == part ? skip : 0);
        vectors[count] = {const_cast<std::byte*>(rest.data()), rest.size()};
      }
      const ssize_t n = ::pwritev(descriptor_, vectors.data(), static_cast<int>(count),
                                  static_cast<off_t>(position));
      if (n < 0) {
        if (errno == EINTR) {
          continue;
        }
        return errno_error("pwritev(2)", path_, errno);
      }
      position += static_cast<uint64_t>(n);
      skip += static_cast<size_t>(n);
      while (part < parts.size() && skip >= parts[part].size()) {
        skip -= parts[part++].size();
      }
    }
    return {};
  }

  Status sync() override {
    return ::fdatasync(descriptor_) == 0 ? Status{} : errno_error("fdatasync(2)", path_, errno);
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

  const std::string& path() const override { return path_; }

 private:
  const int descriptor_;
  const std::string path_;
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
  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override {
    const int descriptor = ::open(path.c_str(), flags_of(mode), 0644);
    if (descriptor < 0) {
      return errno_error("open(2)", path, errno);
    }
    return std::unique_ptr<File>(std::make_unique<PosixFile>(descriptor, path));
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
      return {};
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
