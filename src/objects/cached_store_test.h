// A remote and a disk that tests of the cache can watch, hold up and break.
#pragma once

#include "base/mutex.h"
#include "io/forwarding_disk.h"
#include "io/simulated_disk.h"
#include "objects/awaited_test.h"
#include "objects/cached_block.h"
#include "objects/cached_store.h"
#include "objects/memory_store.h"
#include "objects/store_conformance_test.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace millrace::objects {

/// A memory store whose reads are told, and held up or refused when the test says so.
class WatchedStore final : public ObjectStore {
 public:
  struct Read {
    std::string name;
    uint64_t position = 0;
    size_t bytes = 0;
    std::thread::id thread;
  };

  using Which = std::function<bool(const Read&)>;

  Result<std::unique_ptr<ObjectWriter>> create(const std::string& name) override {
    return memory_.create(name);
  }

  Result<std::vector<ObjectInfo>> list(const std::string& folder) override {
    return memory_.list(folder);
  }

  Result<std::unique_ptr<ObjectReader>> read(const std::string& name) override {
    MILLRACE_TRY(auto inner, memory_.read(name));
    return std::unique_ptr<ObjectReader>(std::make_unique<Reader>(*this, name, std::move(inner)));
  }

  Result<ObjectInfo> look(const std::string& name) override { return memory_.look(name); }

  Status remove(const std::string& name) override { return memory_.remove(name); }

  std::string location_of(const std::string& name) const override {
    return memory_.location_of(name);
  }

  /// These do not end before something else is held.
  void hold(Which which) {
    {
      MutexLock lock(mutex_);
      held_ = std::move(which);
    }
    changed_.notify_all();
  }

  void release() { hold({}); }

  /// These fail from now on.
  void refuse(Which which) {
    MutexLock lock(mutex_);
    refused_ = std::move(which);
  }

  std::vector<Read> reads() const {
    MutexLock lock(mutex_);
    return reads_;
  }

  /// Those of the calling thread.
  size_t own_reads() const {
    size_t own = 0;
    for (const Read& read : reads()) {
      own += read.thread == std::this_thread::get_id() ? 1 : 0;
    }
    return own;
  }

  Awaited begun;  // reads

 private:
  class Reader final : public ObjectReader {
   public:
    Reader(WatchedStore& store, std::string name, std::unique_ptr<ObjectReader> inner)
        : store_(store), name_(std::move(name)), inner_(std::move(inner)) {}

    uint64_t bytes() const override { return inner_->bytes(); }

    Status read_at(uint64_t position, std::span<std::byte> out) const override {
      MILLRACE_TRY_STATUS(store_.begin({name_, position, out.size(), std::this_thread::get_id()}));
      return inner_->read_at(position, out);
    }

   private:
    WatchedStore& store_;
    const std::string name_;
    const std::unique_ptr<ObjectReader> inner_;
  };

  Status begin(const Read& read) {
    {
      MutexLock lock(mutex_);
      reads_.push_back(read);
    }
    begun.add();
    MutexLock lock(mutex_);
    while (held_ && held_(read)) {
      changed_.wait(mutex_);
    }
    if (refused_ && refused_(read)) {
      return make_error(Code::kOverloaded, "GET {}: 503 SlowDown", read.name);
    }
    return {};
  }

  MemoryStore memory_;
  mutable Mutex mutex_;
  Condition changed_;
  Which held_ MILLRACE_GUARDED_BY(mutex_);
  Which refused_ MILLRACE_GUARDED_BY(mutex_);
  std::vector<Read> reads_ MILLRACE_GUARDED_BY(mutex_);
};

/// A disk that tells when a file was written: with one write, as the cache does.
class WatchedDisk final : public io::ForwardingDisk {
 public:
  using ForwardingDisk::ForwardingDisk;

  Result<std::unique_ptr<io::File>> open(const std::string& path, io::OpenMode mode,
                                         io::Access access) override {
    opened.add();
    MILLRACE_TRY(auto file, ForwardingDisk::open(path, mode, access));
    return std::unique_ptr<io::File>(std::make_unique<File>(std::move(file), written));
  }

  Awaited opened;
  Awaited written;

 private:
  class File final : public io::ForwardingFile {
   public:
    File(std::unique_ptr<io::File> file, Awaited& written)
        : ForwardingFile(std::move(file)), written_(written) {}

    Result<size_t> write_some(uint64_t position, std::span<const io::ConstBytes> parts) override {
      auto wrote = ForwardingFile::write_some(position, parts);
      written_.add();
      return wrote;
    }

   private:
    Awaited& written_;
  };
};

/// Of a file with so much content.
inline uint64_t file_bytes(const std::string& name, uint64_t content) {
  return CachedBlock::kHeaderBytes + name.size() + content;
}

/// A store with small blocks, no prefetch and a clock that stands.
class CachedStoreTest : public ::testing::Test {
 public:
  static constexpr uint64_t kBlock = 4096;
  static inline const std::string kDirectory = "/data/cache";

 protected:
  CachedStoreTest() { start(); }

  void start() {
    store_.reset();
    auto opened = CachedStore::open(remote_, watched_, options_, clock_);
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    store_ = std::move(*opened);
  }

  /// With these.
  void start(uint64_t max_bytes) {
    options_.max_bytes = max_bytes;
    start();
  }

  std::vector<std::byte> put_remote(const std::string& name, size_t size, uint8_t seed = 1) {
    auto content = content_of(size, seed);
    EXPECT_TRUE(put(remote_, name, content).ok());
    return content;
  }

  /// Whether these bytes of the object come as they are.
  bool reads(const std::string& name, const std::vector<std::byte>& content, uint64_t position,
             size_t size) {
    const auto reader = store_->read(name);
    std::vector<std::byte> out(size);
    const Status read = reader.ok() ? (*reader)->read_at(position, out) : reader.error();
    EXPECT_TRUE(read.ok()) << read.error().message;
    return read.ok() && std::ranges::equal(out, std::span(content).subspan(position, size));
  }

  bool reads_block(const std::string& name, const std::vector<std::byte>& content, uint64_t block) {
    return reads(name, content, block * kBlock, kBlock);
  }

  std::vector<std::string> files() {
    std::vector<std::string> names;
    for (const auto& entry : *disk_.list(kDirectory)) {
      names.push_back(entry.name);
    }
    return names;
  }

  uint64_t bytes_on_disk() {
    uint64_t bytes = 0;
    for (const auto& entry : *disk_.list(kDirectory)) {
      bytes += entry.size;
    }
    return bytes;
  }

  /// Of the only file there is.
  void change_file(const std::function<void(std::vector<std::byte>&)>& change) {
    ASSERT_EQ(files().size(), 1U);
    const std::string path = kDirectory + "/" + files().front();
    auto content = disk_.read_file(path).value();
    change(content);
    ASSERT_TRUE(disk_.remove(path).ok());
    const auto file = disk_.open(path, io::OpenMode::kCreateNew);
    ASSERT_TRUE((*file)->write_at(0, content).ok());
  }

  const CacheCounters& counters() const { return store_->cache_counters(); }

  WatchedStore remote_;
  io::SimulatedDisk disk_{1};
  WatchedDisk watched_{disk_};
  ManualClock clock_;
  CachedStoreOptions options_{
      .directory = kDirectory, .max_bytes = 1 << 20, .block_bytes = kBlock, .prefetch_threads = 0};
  std::unique_ptr<CachedStore> store_;
};

}  // namespace millrace::objects
