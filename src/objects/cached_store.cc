#include "objects/cached_store.h"

#include "objects/read_ahead.h"
#include "runtime/blocking_pool.h"

#include <algorithm>
#include <utility>

namespace millrace::objects {
namespace {

constexpr uint64_t kLeastBlockBytes = uint64_t{4} << 10;
constexpr uint64_t kMostBlockBytes = uint64_t{64} << 20;
constexpr size_t kQueuedPrefetches = 256;  // beyond: not read ahead
constexpr uint64_t kReadersAhead = 4;      // who read ahead at once do not evict each other's

Status check_options(const CachedStoreOptions& options) {
  if (options.block_bytes < kLeastBlockBytes || options.block_bytes > kMostBlockBytes) {
    return make_error(Code::kInvalid, "blocks of {} bytes: {} to {} are possible",
                      options.block_bytes, kLeastBlockBytes, kMostBlockBytes);
  }
  if (options.directory.empty()) {
    return make_error(Code::kInvalid, "a cache needs a directory");
  }
  return {};
}

}  // namespace

class CachedStore::Writer final : public ObjectWriter {
 public:
  Writer(CachedStore& store, std::string name, std::unique_ptr<ObjectWriter> remote)
      : store_(store), name_(std::move(name)), remote_(std::move(remote)) {}

  Status write(std::span<const std::byte> bytes) override {
    bytes_ += bytes.size();
    return store_.counters_.checked(remote_->write(bytes));
  }

  Status publish() override {
    store_.counters_.count(RequestKind::kPut);
    const Status published = store_.counters_.checked(remote_->publish());
    store_.forget(name_);  // whatever the answer is
    if (published.ok()) {
      store_.counters_.bytes_written += bytes_;
    }
    return published;
  }

 private:
  CachedStore& store_;
  const std::string name_;
  const std::unique_ptr<ObjectWriter> remote_;
  uint64_t bytes_ = 0;
};

class CachedStore::Reader final : public ObjectReader {
 public:
  Reader(CachedStore& store, BlockFetcher::Object object)
      : store_(store),
        object_(std::move(object)),
        ahead_(object_->bytes, store.options_.block_bytes,
               std::min(store.options_.max_ahead_bytes, store.options_.max_bytes / kReadersAhead)) {
  }

  uint64_t bytes() const override { return object_->bytes; }

  Status read_at(uint64_t position, std::span<std::byte> out) const override {
    MILLRACE_TRY_STATUS(store_.counters_.checked(read_range(position, out)));
    store_.counters_.bytes_read += out.size();
    return {};
  }

 private:
  Status read_range(uint64_t position, std::span<std::byte> out) const {
    if (position > object_->bytes || out.size() > object_->bytes - position) {
      return make_error(Code::kCorrupt, "{}: ends at {}, wanted {} bytes at {}",
                        store_.location_of(object_->name), object_->bytes, out.size(), position);
    }
    if (out.empty()) {
      return {};
    }
    store_.counters_.count(RequestKind::kGet);
    BlockFetcher& fetcher = *store_.fetcher_;
    if (object_->is_gone) {  // the remote knows what is there now
      return fetcher.read_remote(*object_, position, out);
    }
    fetcher.prefetch(object_, order(position, out.size()));
    return fetcher.read(object_, position, out);
  }

  ReadAhead::Order order(uint64_t position, size_t bytes) const {
    const uint64_t on_the_way = store_.fetcher_->speed().bytes_on_the_way();
    MutexLock lock(mutex_);
    return ahead_.add(position, bytes, on_the_way);
  }

  CachedStore& store_;
  const BlockFetcher::Object object_;
  mutable Mutex mutex_;
  mutable ReadAhead ahead_ MILLRACE_GUARDED_BY(mutex_);
};

CachedStore::CachedStore(ObjectStore& remote, CachedStoreOptions options, const Clock& clock)
    : remote_(remote),
      options_(std::move(options)),
      clock_(clock),
      limit_(clock, options_.remote_bytes_per_second) {}

Result<std::unique_ptr<CachedStore>> CachedStore::open(ObjectStore& remote, io::Disk& disk,
                                                       CachedStoreOptions options,
                                                       const Clock& clock) {
  MILLRACE_TRY_STATUS(check_options(options));
  std::unique_ptr<CachedStore> store(new CachedStore(remote, std::move(options), clock));
  const CachedStoreOptions& chosen = store->options_;
  MILLRACE_TRY(store->cache_, BlockCache::open(disk, clock, store->cache_counters_,
                                               {.directory = chosen.directory,
                                                .max_bytes = chosen.max_bytes,
                                                .block_bytes = chosen.block_bytes}));
  std::unique_ptr<runtime::BlockingPool> pool;
  if (chosen.prefetch_threads > 0) {
    MILLRACE_TRY(pool, runtime::BlockingPool::start({.name = "prefetch",
                                                     .threads = chosen.prefetch_threads,
                                                     .queue_bound = kQueuedPrefetches}));
  }
  store->fetcher_ =
      std::make_unique<BlockFetcher>(*store->cache_, store->limit_, store->cache_counters_, clock,
                                     chosen.block_bytes, std::move(pool));
  return store;
}

Result<std::unique_ptr<ObjectWriter>> CachedStore::create(const std::string& name) {
  MILLRACE_TRY(auto writer, counters_.checked(remote_.create(name)));
  return std::unique_ptr<ObjectWriter>(std::make_unique<Writer>(*this, name, std::move(writer)));
}

Result<std::vector<ObjectInfo>> CachedStore::list(const std::string& folder) {
  MILLRACE_TRY_STATUS(check_folder(folder));
  counters_.count(RequestKind::kList);
  return counters_.checked(remote_.list(folder));
}

Result<std::unique_ptr<ObjectReader>> CachedStore::read(const std::string& name) {
  MILLRACE_TRY_STATUS(check_name(name));
  counters_.count(RequestKind::kHead);
  const auto begin = clock_.steady();
  MILLRACE_TRY(auto remote, counters_.checked(remote_.read(name)));
  fetcher_->speed().add_answer(clock_.steady() - begin);
  return std::unique_ptr<ObjectReader>(
      std::make_unique<Reader>(*this, object_of(name, std::move(remote))));
}

Result<ObjectInfo> CachedStore::look(const std::string& name) {
  MILLRACE_TRY_STATUS(check_name(name));
  counters_.count(RequestKind::kHead);
  return counters_.checked(remote_.look(name));
}

Status CachedStore::remove(const std::string& name) {
  MILLRACE_TRY_STATUS(check_name(name));
  counters_.count(RequestKind::kDelete);
  const Status removed = counters_.checked(remote_.remove(name));
  forget(name);  // whatever the answer is
  return removed;
}

std::string CachedStore::location_of(const std::string& name) const {
  return remote_.location_of(name);
}

/// The same for all readers of a name, so that each block is read once for all of them.
BlockFetcher::Object CachedStore::object_of(const std::string& name,
                                            std::unique_ptr<ObjectReader> remote) {
  constexpr size_t kLeastSweep = 64;
  MutexLock lock(mutex_);
  if (objects_.size() >= sweep_at_) {
    std::erase_if(objects_, [](const auto& each) { return each.second.expired(); });
    sweep_at_ = std::max(kLeastSweep, 2 * objects_.size());
  }
  auto& known = objects_[name];
  auto object = known.lock();
  if (object && object->bytes != remote->bytes()) {  // not by way of this store
    object->is_gone = true;
    cache_->forget(*object);
    object.reset();
  }
  if (!object) {
    object = std::make_shared<RemoteObject>(name, std::move(remote));
    known = object;
  }
  return object;
}

void CachedStore::forget(const std::string& name) {
  {
    MutexLock lock(mutex_);
    if (const auto found = objects_.find(name); found != objects_.end()) {
      if (const auto object = found->second.lock()) {
        object->is_gone = true;
      }
      objects_.erase(found);
    }
  }
  cache_->forget(CachedObject(name, 0));
}

}  // namespace millrace::objects
