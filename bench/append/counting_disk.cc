#include "bench/append/counting_disk.h"

#include "io/write_queue.h"

namespace millrace::bench {
namespace {

class CountingQueue final : public io::WriteQueue {
 public:
  CountingQueue(std::unique_ptr<io::WriteQueue> queue, std::atomic<uint64_t>& calls)
      : queue_(std::move(queue)), calls_(calls) {}

  Status submit(uint64_t position, io::ConstBytes bytes, uint64_t id) override {
    ++calls_;
    return queue_->submit(position, bytes, id);
  }

  Done wait() override {
    ++calls_;
    return queue_->wait();
  }

 private:
  std::unique_ptr<io::WriteQueue> queue_;
  std::atomic<uint64_t>& calls_;
};

class CountingFile final : public io::File {
 public:
  CountingFile(std::unique_ptr<io::File> file, std::atomic<uint64_t>& calls)
      : file_(std::move(file)), calls_(calls) {}

  Result<size_t> read_at(uint64_t position, io::MutableBytes out) const override {
    return file_->read_at(position, out);
  }

  Result<size_t> write_some(uint64_t position, std::span<const io::ConstBytes> parts) override {
    ++calls_;
    return file_->write_some(position, parts);
  }

  Status sync() override {
    ++calls_;
    return file_->sync();
  }

  Status begin_writeback(uint64_t position, uint64_t bytes) override {
    ++calls_;
    return file_->begin_writeback(position, bytes);
  }

  Status resize(uint64_t size) override {
    ++calls_;
    return file_->resize(size);
  }

  Status reserve(uint64_t size) override {
    ++calls_;
    return file_->reserve(size);
  }

  Result<uint64_t> size() const override { return file_->size(); }

  Result<std::unique_ptr<io::WriteQueue>> make_queue(unsigned depth) override {
    MILLRACE_TRY(auto queue, file_->make_queue(depth));
    return std::unique_ptr<io::WriteQueue>(
        std::make_unique<CountingQueue>(std::move(queue), calls_));
  }

  const std::string& path() const override { return file_->path(); }

 private:
  std::unique_ptr<io::File> file_;
  std::atomic<uint64_t>& calls_;
};

}  // namespace

Result<std::unique_ptr<io::File>> CountingDisk::open(const std::string& path, io::OpenMode mode,
                                                     io::Access access) {
  MILLRACE_TRY(auto file, disk_.open(path, mode, access));
  return std::unique_ptr<io::File>(std::make_unique<CountingFile>(std::move(file), calls_));
}

}  // namespace millrace::bench
