#include "bench/append/exhibits.h"

#include "base/mutex.h"
#include "io/aligned_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

namespace millrace::bench {
namespace {

using io::ConstBytes;

/// What all have in common: the lock, the places, and that the first error is final.
class PlainAppender : public io::Appender {
 public:
  using io::Appender::append;

  Result<uint64_t> append(std::span<const ConstBytes> parts) final {
    MutexLock lock(mutex_);
    const uint64_t place = position_;
    for (const ConstBytes part : parts) {
      MILLRACE_TRY_STATUS(unless_failed([&] { return put(part); }));
      position_ += part.size();
    }
    return place;
  }

  Status flush() final {
    MutexLock lock(mutex_);
    return unless_failed([&] { return put_out(); });
  }

  Status sync() final {
    MutexLock lock(mutex_);
    MILLRACE_TRY_STATUS(unless_failed([&] { return put_out(); }));
    MILLRACE_TRY_STATUS(unless_failed([&] { return make_durable(); }));
    synced_ = position_;
    return {};
  }

  Status reserve(uint64_t size) final {
    MutexLock lock(mutex_);
    return make_room(size);
  }

  Status close() final {
    MutexLock lock(mutex_);
    MILLRACE_TRY_STATUS(unless_failed([&] { return put_out(); }));
    return unless_failed([&] { return end(); });
  }

  uint64_t position() const final {
    MutexLock lock(mutex_);
    return position_;
  }

  uint64_t synced_position() const final {
    MutexLock lock(mutex_);
    return synced_;
  }

 protected:
  /// Under the lock: the next bytes; what is kept back is handed to the system; then to the disk.
  virtual Status put(ConstBytes bytes) = 0;
  virtual Status put_out() = 0;
  virtual Status make_durable() = 0;
  virtual Status make_room(uint64_t size) = 0;
  virtual Status end() = 0;

  uint64_t end_of_records() const { return position_; }

 private:
  template <typename Call>
  Status unless_failed(Call call) {
    if (!failed_) {
      Status done = call();
      if (!done.ok()) {
        failed_ = done.error();
      }
      return done;
    }
    return *failed_;
  }

  mutable Mutex mutex_;
  uint64_t position_ = 0;
  uint64_t synced_ = 0;
  std::optional<Error> failed_;
};

/// kWriteEach, kBuffered and kPageAligned: by an io::File.
class FileAppender final : public PlainAppender {
 public:
  FileAppender(Exhibit exhibit, std::unique_ptr<io::File> file, size_t buffer_bytes)
      : exhibit_(exhibit),
        file_(std::move(file)),
        size_(exhibit == Exhibit::kWriteEach ? 0 : buffer_bytes) {
    if (size_ > 0) {
      buffer_ = io::aligned_memory(size_);
    }
  }

  size_t buffer_memory() const override { return size_; }

 protected:
  Status put(ConstBytes bytes) override {
    switch (exhibit_) {
      case Exhibit::kBuffered:
        return put_split(bytes);
      case Exhibit::kPageAligned:
        return put_whole(bytes);
      case Exhibit::kWriteEach:
      case Exhibit::kMapped:
        break;
    }
    return write(bytes);
  }

  Status put_out() override {
    if (used_ == 0) {
      return {};
    }
    const size_t count = std::exchange(used_, 0);
    return write(ConstBytes(buffer_.get(), count));
  }

  Status make_durable() override { return file_->sync(); }

  Status make_room(uint64_t size) override { return file_->reserve(size); }

  Status end() override {
    file_.reset();
    return {};
  }

 private:
  Status put_split(ConstBytes bytes) {
    while (!bytes.empty()) {
      if (used_ == size_) {
        MILLRACE_TRY_STATUS(put_out());
      }
      if (used_ == 0 && bytes.size() >= size_) {
        return write(bytes);
      }
      const size_t count = std::min(bytes.size(), size_ - used_);
      keep(bytes.first(count));
      bytes = bytes.subspan(count);
    }
    return {};
  }

  Status put_whole(ConstBytes bytes) {
    if (bytes.size() > size_ - used_) {
      MILLRACE_TRY_STATUS(put_out());
    }
    if (bytes.size() > size_) {
      return write(bytes);
    }
    keep(bytes);
    return {};
  }

  void keep(ConstBytes bytes) {
    if (!bytes.empty()) {
      std::memcpy(buffer_.get() + used_, bytes.data(), bytes.size());
      used_ += bytes.size();
    }
  }

  Status write(ConstBytes bytes) {
    const Status written = file_->write_at(written_, bytes);
    written_ += bytes.size();
    return written;
  }

  const Exhibit exhibit_;
  std::unique_ptr<io::File> file_;
  const size_t size_;
  io::AlignedMemory buffer_;
  size_t used_ = 0;
  uint64_t written_ = 0;
};

class MappedAppender final : public PlainAppender {
 public:
  MappedAppender(int descriptor, std::string path)
      : descriptor_(descriptor), path_(std::move(path)) {}

  ~MappedAppender() override { unmap(); }

  MappedAppender(const MappedAppender&) = delete;
  MappedAppender& operator=(const MappedAppender&) = delete;

  size_t buffer_memory() const override { return 0; }  // the page cache is the buffer

 protected:
  Status put(ConstBytes bytes) override {
    const uint64_t at = end_of_records();
    if (bytes.size() > mapped_ - std::min(mapped_, at)) {
      return make_error(Code::kTooLarge, "{}: {} bytes are mapped, a record ends at {}", path_,
                        mapped_, at + bytes.size());
    }
    if (!bytes.empty()) {
      std::memcpy(map_ + at, bytes.data(), bytes.size());
    }
    return {};
  }

  Status put_out() override { return {}; }  // it is in the page cache as soon as it is copied

  Status make_durable() override {
    return mapped_ == 0 || ::msync(map_, mapped_, MS_SYNC) == 0
               ? Status()
               : errno_error("msync(2)", path_, errno);
  }

  Status make_room(uint64_t size) override {
    if (::ftruncate(descriptor_, static_cast<off_t>(size)) != 0) {
      return errno_error("ftruncate(2)", path_, errno);
    }
    unmap_pages();
    void* map = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor_, 0);
    if (map == MAP_FAILED) {
      return errno_error("mmap(2)", path_, errno);
    }
    map_ = static_cast<std::byte*>(map);
    mapped_ = size;
    return {};
  }

  Status end() override {
    const bool cut = ::ftruncate(descriptor_, static_cast<off_t>(end_of_records())) == 0;
    const int failed = cut ? 0 : errno;
    unmap();
    return cut ? Status() : errno_error("ftruncate(2)", path_, failed);
  }

 private:
  void unmap_pages() {
    if (mapped_ != 0) {
      ::munmap(map_, std::exchange(mapped_, 0));
    }
  }

  void unmap() {
    unmap_pages();
    if (descriptor_ >= 0) {
      ::close(std::exchange(descriptor_, -1));
    }
  }

  int descriptor_;
  const std::string path_;
  std::byte* map_ = nullptr;
  uint64_t mapped_ = 0;
};

}  // namespace

Result<std::unique_ptr<io::Appender>> open_exhibit(Exhibit exhibit, io::Disk& disk,
                                                   const std::string& path, size_t buffer_bytes) {
  if (exhibit == Exhibit::kMapped) {
    const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (descriptor < 0) {
      return errno_error("open(2)", path, errno);
    }
    return std::unique_ptr<io::Appender>(std::make_unique<MappedAppender>(descriptor, path));
  }
  if (buffer_bytes == 0 || buffer_bytes % io::kDirectBlock != 0) {
    return make_error(Code::kInvalid, "a buffer of {} bytes, must be a multiple of {}",
                      buffer_bytes, io::kDirectBlock);
  }
  MILLRACE_TRY(auto file, disk.open(path, io::OpenMode::kCreate));
  return std::unique_ptr<io::Appender>(
      std::make_unique<FileAppender>(exhibit, std::move(file), buffer_bytes));
}

}  // namespace millrace::bench
