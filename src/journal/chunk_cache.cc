#include "journal/chunk_cache.h"

#include <pthread.h>

#include <algorithm>

namespace millrace::journal {
namespace {

constexpr size_t kMostWishes = 16;  // older ones are forgotten: their readers have read by now

}  // namespace

ChunkCache::ChunkCache(io::Disk& disk, size_t max_bytes)
    : disk_(disk), budget_("journal chunks", max_bytes), pool_(budget_, max_bytes) {
  thread_ = std::thread([this] { work(); });
  pthread_setname_np(thread_.native_handle(), "journal-ahead");
}

ChunkCache::~ChunkCache() {
  {
    MutexLock lock(mutex_);
    is_stopping_ = true;
    wished_.notify_one();
  }
  thread_.join();
}

bytes::Buffer ChunkCache::get(const std::shared_ptr<JournalFile>& file, const Chunk& chunk) {
  const Key key{file->number, chunk.begin};
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
      ages_.erase(entry.age);  // runs were added to the last chunk of the newest file
      entries_.erase(at);
    }
    entries_[key] = {chunk.end, {}, ages_.end()};
  }
  ++reads_;
  return load(*file, chunk);
}

void ChunkCache::prefetch(const std::shared_ptr<JournalFile>& file, const Chunk& chunk) {
  if (chunk.begin == chunk.end) {
    return;
  }
  MutexLock lock(mutex_);
  const bool is_wished = std::ranges::any_of(wishes_, [&](const Wish& wish) {
    return wish.file->number == file->number && wish.chunk.begin == chunk.begin;
  });
  if (is_wished || entries_.contains({file->number, chunk.begin})) {
    return;
  }
  if (wishes_.size() == kMostWishes) {
    wishes_.pop_front();
  }
  wishes_.push_back({file, chunk});
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
      const auto [at, is_new] = entries_.try_emplace({wish.file->number, wish.chunk.begin});
      if (!is_new) {
        continue;
      }
      at->second = {wish.chunk.end, {}, ages_.end()};
    }
    ++reads_ahead_;
    load(*wish.file, wish.chunk);
  }
}

/// The entry is there, without bytes.
bytes::Buffer ChunkCache::load(const JournalFile& file, const Chunk& chunk) {
  auto bytes = read(file, chunk);
  const Key key{file.number, chunk.begin};
  MutexLock lock(mutex_);
  if (!bytes.empty()) {
    Entry& entry = entries_[key];
    entry.bytes = bytes;
    entry.age = ages_.insert(ages_.end(), key);
  } else {
    ++failures_;
    entries_.erase(key);
  }
  loaded_.notify_all();
  return bytes;
}

bytes::Buffer ChunkCache::read_once(const JournalFile& file, uint64_t position, size_t size) {
  const uint64_t begin = position / kBlock * kBlock;
  const auto blocks = read(file, {begin, padded(position + size)});
  return blocks.empty() ? blocks : blocks.slice(position - begin, size);
}

bytes::Buffer ChunkCache::read(const JournalFile& file, const Chunk& chunk) {
  const size_t size = chunk.end - chunk.begin;
  auto buffer = allocate(size);
  if (!buffer) {
    return {};
  }
  const io::File& source = file.for_reading(disk_);
  const auto done = source.read_exactly_at(chunk.begin, buffer->span());
  return done.ok() ? std::move(*buffer).freeze(size) : bytes::Buffer();
}

std::optional<bytes::MutableBuffer> ChunkCache::allocate(size_t bytes) {
  do {
    if (auto buffer = pool_.allocate(bytes); buffer.ok()) {
      return *std::move(buffer);
    }
  } while (drop_oldest());
  return std::nullopt;
}

/// false: there is none. Its memory is free once the last slice of it has gone.
bool ChunkCache::drop_oldest() {
  bytes::Buffer dropped;  // freed after the lock
  MutexLock lock(mutex_);
  if (ages_.empty()) {
    return false;
  }
  const auto oldest = entries_.find(ages_.front());
  std::swap(dropped, oldest->second.bytes);
  entries_.erase(oldest);
  ages_.pop_front();
  return true;
}

}  // namespace millrace::journal
