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

class CountingFile final : public io::ForwardingFile {
 public:
  CountingFile(std::unique_ptr<io::File> file, std::atomic<uint64_t>& calls)
      : ForwardingFile(std::move(file)), calls_(calls) {}

  Result<size_t> write_some(uint64_t position, std::span<const io::ConstBytes> parts) override {
    ++calls_;
    return ForwardingFile::write_some(position, parts);
  }

  Status sync() override {
    ++calls_;
    return ForwardingFile::sync();
  }

  void begin_writeback(uint64_t position, uint64_t bytes) override {
    ++calls_;
    ForwardingFile::begin_writeback(position, bytes);
  }

  Status resize(uint64_t size) override {
    ++calls_;
    return ForwardingFile::resize(size);
  }

  Status reserve(uint64_t size) override {
    ++calls_;
    return ForwardingFile::reserve(size);
  }

  Result<std::unique_ptr<io::WriteQueue>> make_queue(unsigned depth) override {
    MILLRACE_TRY(auto queue, ForwardingFile::make_queue(depth));
    return std::unique_ptr<io::WriteQueue>(
        std::make_unique<CountingQueue>(std::move(queue), calls_));
  }

 private:
  std::atomic<uint64_t>& calls_;
};

}  // namespace

Result<std::unique_ptr<io::File>> CountingDisk::open(const std::string& path, io::OpenMode mode,
                                                     io::Access access) {
  MILLRACE_TRY(auto file, ForwardingDisk::open(path, mode, access));
  return std::unique_ptr<io::File>(std::make_unique<CountingFile>(std::move(file), calls_));
}

}  // namespace millrace::bench
