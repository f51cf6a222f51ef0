#include "journal/chunk_cache.h"

#include <pthread.h>

#include <algorithm>

namespace millrace::journal {
namespace {

constexpr size_t kMostWishes = 16;  // older ones are forgotten: their readers have read by now

}  // namespace

ChunkCache::ChunkCache(io::Disk& disk, size_t max_bytes, size_t threads)
    : disk_(disk), budget_("journal chunks", max_bytes), pool_(budget_, max_bytes) {
  threads_.reserve(threads);
  for (size_t i = 0; i < threads; ++i) {
    threads_.emplace_back([this] { work(); });
    pthread_setname_np(threads_.back().native_handle(), "journal-ahead");
  }
}

ChunkCache::~ChunkCache() {
  {
    MutexLock lock(mutex_);
    is_stopping_ = true;
    wished_.notify_all();
  }
  for (std::thread& thread : threads_) {
    thread.join();
  }
}

bytes::Buffer ChunkCache::get(const std::shared_ptr<JournalFile>& file, const Chunk& chunk) {
  const Key key = ChunkKey{file->number, chunk.begin};
  {
    MutexLock lock(mutex_);
    for (auto at = entries_.find(key); at != entries_.end(); at = entries_.find(key)) {
      Entry& entry = at->second;
      if (entry.bytes.empty()) {
        loaded_.wait(mutex_);
        continue;
      }
      if (entry.end >= chunk.end) {
        ages_.splice(ages_.end(), ages_, entry.age);
        return entry.bytes;
      }
      forget(at);  // runs were added to the last chunk of the newest file
    }
    entries_[key] = {chunk.end, 0, {}, ages_.end()};
  }
  ++reads_;
  auto bytes = read(*file, chunk.begin, chunk.end - chunk.begin, Memory::kMade);
  keep(key, bytes);
  return bytes;
}

bytes::Buffer ChunkCache::take(const BatchKey& batch, const JournalFile& file, uint64_t position,
                               size_t size) {
  const Key key = batch;
  {
    MutexLock lock(mutex_);
    // What was not begun is not waited for: the threads may be busy with those of others.
    std::erase_if(wishes_, [&](const Wish& wish) { return wish.key == key; });
    for (auto at = entries_.find(key); at != entries_.end(); at = entries_.find(key)) {
      if (at->second.bytes.empty()) {
        loaded_.wait(mutex_);
        continue;
      }
      if (auto bytes = forget(at); bytes.size() == size) {
        return bytes;
      }
    }
  }
  ++reads_;
  return read(file, position, size, Memory::kMade);
}

void ChunkCache::prefetch(const std::shared_ptr<JournalFile>& file, const Chunk& chunk) {
  if (chunk.begin == chunk.end) {
    return;
  }
  MutexLock lock(mutex_);
  add_wish({ChunkKey{file->number, chunk.begin}, chunk.end, [this, file, chunk] {
              return read(*file, chunk.begin, chunk.end - chunk.begin, Memory::kMade);
            }});
}

void ChunkCache::prefetch(const BatchKey& batch, std::function<std::optional<BatchPlace>()> find) {
  MutexLock lock(mutex_);
  add_wish({batch, 0, [this, find = std::move(find)] {
              const auto place = find();
              return place ? read_ahead(*place) : bytes::Buffer();
            }});
}

void ChunkCache::add_wish(Wish wish) {
  if (entries_.contains(wish.key) ||
      std::ranges::find(wishes_, wish.key, &Wish::key) != wishes_.end()) {
    return;
  }
  if (wishes_.size() == kMostWishes) {
    wishes_.pop_front();
  }
  wishes_.push_back(std::move(wish));
  wished_.notify_one();
}

void ChunkCache::work() {
  while (true) {
    Wish wish;
    {
      MutexLock lock(mutex_);
      while (wishes_.empty() && !is_stopping_) {
        wished_.wait(mutex_);
      }
      if (is_stopping_) {
        return;
      }
      wish = std::move(wishes_.front());
      wishes_.pop_front();
      const auto [at, is_new] = entries_.try_emplace(wish.key);
      if (!is_new) {
        continue;
      }
      batches_wished_ += std::holds_alternative<BatchKey>(wish.key) ? 1 : 0;
      at->second = {wish.end, batches_wished_, {}, ages_.end()};
    }
    const bytes::Buffer bytes = wish.read();
    keep(wish.key, bytes);
    reads_ahead_ += bytes.empty() ? 0 : 1;
  }
}

/// The entry is there, without bytes.
void ChunkCache::keep(const Key& key, const bytes::Buffer& bytes) {
  MutexLock lock(mutex_);
  const auto at = entries_.find(key);
  if (!bytes.empty()) {
    at->second.bytes = bytes;
    at->second.age = ages_.insert(ages_.end(), key);
  } else {
    entries_.erase(at);
  }
  loaded_.notify_all();
}

/// Of an entry with bytes: these.
bytes::Buffer ChunkCache::forget(Entries::iterator entry) {
  auto bytes = std::move(entry->second.bytes);
  ahead_bytes_ -= std::holds_alternative<BatchKey>(entry->first) ? bytes.size() : 0;
  ages_.erase(entry->second.age);
  entries_.erase(entry);
  return bytes;
}

bytes::Buffer ChunkCache::read_ahead(const BatchPlace& batch) {
  if (!reserve_ahead(batch.size)) {
    ++failures_;
    return {};
  }
  auto bytes = read(*batch.file, batch.position, batch.size, Memory::kFree);
  if (bytes.empty()) {
    MutexLock lock(mutex_);
    ahead_bytes_ -= batch.size;
  }
  return bytes;
}

/// false: batches that their readers may yet come for take the memory.
bool ChunkCache::reserve_ahead(size_t bytes) {
  std::vector<bytes::Buffer> dropped;  // freed after the lock
  MutexLock lock(mutex_);
  while (ahead_bytes_ + bytes > budget_.limit() / 2) {
    const auto oldest = std::ranges::find_if(
        ages_, [](const Key& key) { return std::holds_alternative<BatchKey>(key); });
    if (oldest == ages_.end()) {
      return false;
    }
    const auto entry = entries_.find(*oldest);
    if (batches_wished_ - entry->second.wish <= kPatience) {
      return false;
    }
    dropped.push_back(forget(entry));
  }
  ahead_bytes_ += bytes;
  return true;
}

bytes::Buffer ChunkCache::read(const JournalFile& file, uint64_t position, size_t size,
                               Memory memory) {
  const uint64_t begin = position / kBlock * kBlock;
  const size_t blocks = padded(position + size) - begin;
  auto buffer = pool_.allocate(blocks);
  while (!buffer.ok() && memory == Memory::kMade && drop_oldest()) {
    buffer = pool_.allocate(blocks);
  }
  if (!buffer.ok() || !file.for_reading(disk_).read_exactly_at(begin, buffer->span()).ok()) {
    ++failures_;
    return {};
  }
  return std::move(*buffer).freeze(blocks).slice(position - begin, size);
}

/// false: there is none. Its memory is free once the last slice of it has gone.
bool ChunkCache::drop_oldest() {
  bytes::Buffer dropped;  // freed after the lock
  MutexLock lock(mutex_);
  if (ages_.empty()) {
    return false;
  }
  dropped = forget(entries_.find(ages_.front()));
  return true;
}

}  // namespace millrace::journal
