// A disk and a file that hand everything to another one: to derive from, where one thing is to be
// otherwise.
#pragma once

#include "io/disk.h"
#include "io/write_queue.h"

#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace millrace::io {

class ForwardingFile : public File {
 public:
  explicit ForwardingFile(std::unique_ptr<File> file) : file_(std::move(file)) {}

  Result<size_t> read_at(uint64_t position, MutableBytes out) const override {
    return file_->read_at(position, out);
  }

  Result<size_t> write_some(uint64_t position, std::span<const ConstBytes> parts) override {
    return file_->write_some(position, parts);
  }

  Status sync() override { return file_->sync(); }

  void begin_writeback(uint64_t position, uint64_t bytes) override {
    file_->begin_writeback(position, bytes);
  }

  Status resize(uint64_t size) override { return file_->resize(size); }

  Status reserve(uint64_t size) override { return file_->reserve(size); }

  Result<uint64_t> size() const override { return file_->size(); }

  Result<std::unique_ptr<WriteQueue>> make_queue(unsigned depth) override {
    return file_->make_queue(depth);
  }

  const std::string& path() const override { return file_->path(); }

 private:
  std::unique_ptr<File> file_;
};

/// The other disk outlives this.
class ForwardingDisk : public Disk {
 public:
  explicit ForwardingDisk(Disk& disk) : disk_(disk) {}

  using Disk::open;

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode,
                                     Access access) override {
    return disk_.open(path, mode, access);
  }

  Status rename(const std::string& from, const std::string& to) override {
    return disk_.rename(from, to);
  }

  Status remove(const std::string& path) override { return disk_.remove(path); }

  Status make_directories(const std::string& path) override { return disk_.make_directories(path); }

  Status sync_directory(const std::string& path) override { return disk_.sync_directory(path); }

  Result<std::vector<DirectoryEntry>> list(const std::string& path) override {
    return disk_.list(path);
  }

  Result<bool> exists(const std::string& path) override { return disk_.exists(path); }

  Result<Space> space(const std::string& path) override { return disk_.space(path); }

 private:
  Disk& disk_;
};

}  // namespace millrace::io
