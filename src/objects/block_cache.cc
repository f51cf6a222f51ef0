#include "objects/block_cache.h"

#include "base/log.h"
#include "bytes/buffer.h"
#include "bytes/hash.h"
#include "objects/cached_block.h"
#include "objects/object_store.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>
#include <vector>

namespace millrace::objects {
namespace {

// NUMBER-OBJECT-POSITION.block, in hexadecimal digits.
constexpr std::string_view kEnding = ".block";
constexpr size_t kNumberDigits = 16;
constexpr size_t kObjectDigits = 32;

template <typename T>
std::optional<T> parse_hex(std::string_view digits) {
  constexpr int kHexadecimal = 16;
  T value{};
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), value, kHexadecimal);
  if (error != std::errc() || end != digits.data() + digits.size()) {
    return std::nullopt;
  }
  return value;
}

std::string hex(const std::array<uint8_t, 16>& bytes) {
  std::string digits;
  for (const uint8_t byte : bytes) {
    digits += fmt::format("{:02x}", byte);
  }
  return digits;
}

std::optional<std::array<uint8_t, 16>> parse_hash(std::string_view digits) {
  std::array<uint8_t, 16> hash{};
  for (size_t i = 0; i < hash.size(); ++i) {
    const auto byte = parse_hex<uint8_t>(digits.substr(2 * i, 2));
    if (!byte) {
      return std::nullopt;
    }
    hash[i] = *byte;
  }
  return hash;
}

}  // namespace

CachedObject::CachedObject(std::string given_name, uint64_t given_bytes)
    : name(std::move(given_name)),
      hash(bytes::hash128(bytes::as_bytes(name))),
      bytes(given_bytes) {}

Result<std::unique_ptr<BlockCache>> BlockCache::open(io::Disk& disk, const Clock& clock,
                                                     CacheCounters& counters, Options options) {
  std::unique_ptr<BlockCache> cache(new BlockCache(disk, clock, counters, std::move(options)));
  MILLRACE_TRY_STATUS(cache->load());
  return cache;
}

Status BlockCache::load() {
  MILLRACE_TRY_STATUS(disk_.make_directories(options_.directory));
  MILLRACE_TRY(const auto files, disk_.list(options_.directory));
  MutexLock lock(mutex_);
  for (const io::DirectoryEntry& file : files) {  // in order of their numbers
    if (file.is_directory || !file.name.ends_with(kEnding)) {
      continue;
    }
    if (!add_found(file)) {
      MILLRACE_TRY_STATUS(disk_.remove(options_.directory + "/" + file.name));
    }
  }
  if (!make_room(0)) {
    return make_error(Code::kIo, "{}: {} bytes of files, {} are allowed, and they do not go",
                      options_.directory, bytes_, options_.max_bytes);
  }
  return {};
}

/// false: this is no file of ours.
bool BlockCache::add_found(const io::DirectoryEntry& file) {
  const std::string_view name = file.name;
  if (name.size() != path_of({}, 0).size() - options_.directory.size() - 1) {
    return false;
  }
  const auto number = parse_hex<uint64_t>(name.substr(0, kNumberDigits));
  const auto hash = parse_hash(name.substr(kNumberDigits + 1, kObjectDigits));
  const auto position =
      parse_hex<uint64_t>(name.substr(kNumberDigits + kObjectDigits + 2, kNumberDigits));
  if (!number || *number == UINT64_MAX || !hash || !position ||
      path_of({*hash, *position}, *number) != options_.directory + "/" + file.name ||
      *position % options_.block_bytes != 0 || file.size <= CachedBlock::kHeaderBytes ||
      file.size > CachedBlock::kHeaderBytes + kMaxNameBytes + options_.block_bytes) {
    return false;
  }
  const BlockId id{*hash, *position};
  if (const auto older = entries_.find(id); older != entries_.end()) {
    static_cast<void>(erase(older));
  }
  bytes_ += file.size;
  insert(id, *number, file.size);
  next_number_ = *number + 1;
  return true;
}

std::string BlockCache::path_of(const BlockId& id, uint64_t number) const {
  return fmt::format("{}/{:016x}-{}-{:016x}{}", options_.directory, number, hex(id.object),
                     id.position, kEnding);
}

bool BlockCache::has(const CachedObject& object, uint64_t position) const {
  MutexLock lock(mutex_);
  return entries_.contains(id_of(object, position));
}

uint64_t BlockCache::bytes() const {
  MutexLock lock(mutex_);
  return bytes_;
}

bool BlockCache::is_paused() const {
  MutexLock lock(mutex_);
  return clock_.steady() < paused_until_;
}

bool BlockCache::read(const CachedObject& object, uint64_t position, uint64_t skip,
                      std::span<std::byte> out) {
  const BlockId id = id_of(object, position);
  Entry entry;
  {
    MutexLock lock(mutex_);
    const auto found = entries_.find(id);
    if (found == entries_.end()) {
      return false;
    }
    entry = found->second;
    recent_.splice(recent_.begin(), recent_, entry.recent);
  }
  const Status read = read_file(path_of(id, entry.number), entry, object, position, skip, out);
  if (!read.ok()) {
    if (read.error().code != Code::kOverloaded) {  // too many open files say nothing of this one
      throw_away(id, entry.number, read.error());
    }
    return false;
  }
  if (entry.is_unused_prefetch) {
    MutexLock lock(mutex_);
    const auto found = entries_.find(id);
    if (found != entries_.end() && std::exchange(found->second.is_unused_prefetch, false)) {
      ++counters_.prefetch_used;
    }
  }
  return true;
}

Status BlockCache::read_file(const std::string& path, const Entry& entry,
                             const CachedObject& object, uint64_t position, uint64_t skip,
                             std::span<std::byte> out) const {
  MILLRACE_TRY(const auto file, disk_.open(path, io::OpenMode::kRead));
  MILLRACE_TRY(const uint64_t size, file->size());
  if (size != entry.bytes) {
    return make_error(Code::kCorrupt, "{} bytes, {} were written", size, entry.bytes);
  }
  const auto memory = std::make_unique_for_overwrite<std::byte[]>(size);
  const std::span<std::byte> all(memory.get(), size);
  MILLRACE_TRY_STATUS(file->read_exactly_at(0, all));
  MILLRACE_TRY(const CachedBlock block, CachedBlock::parse(all));
  const uint64_t wanted = std::min(options_.block_bytes, object.bytes - position);
  if (block.object != object.name || block.object_bytes != object.bytes ||
      block.position != position || block.content.size() != wanted) {
    return make_error(Code::kCorrupt,
                      "it is of {}, {} bytes at {} of {}, wanted are {} bytes at {} of {} of {}",
                      block.object, block.content.size(), block.position, block.object_bytes,
                      wanted, position, object.bytes, object.name);
  }
  std::ranges::copy(block.content.subspan(skip, out.size()), out.begin());
  return {};
}

void BlockCache::throw_away(const BlockId& id, uint64_t number, const Error& why) {
  MutexLock lock(mutex_);
  const auto found = entries_.find(id);
  if (found == entries_.end() || found->second.number != number) {
    return;  // it went meanwhile, and that is why
  }
  ++counters_.bad_blocks;
  if (clock_.steady() >= quiet_until_) {
    quiet_until_ = clock_.steady() + kPause;
    log::warning("objects", "cache: {} is thrown away: {} ({} such files by now)",
                 path_of(id, number), why.message, counters_.bad_blocks.load());
  }
  static_cast<void>(erase(found));
}

void BlockCache::keep(const CachedObject& object, uint64_t position,
                      std::span<const std::byte> content) {
  const BlockId id = id_of(object, position);
  const uint64_t bytes = CachedBlock{.object = object.name, .content = content}.file_bytes();
  uint64_t number = 0;
  {
    MutexLock lock(mutex_);
    if (entries_.contains(id)) {
      return;
    }
    if (clock_.steady() < paused_until_ || !make_room(bytes)) {
      ++counters_.not_kept;
      return;
    }
    bytes_ += bytes;
    number = next_number_++;
  }
  const std::string path = path_of(id, number);
  const Status written = write_file(path, object, position, content);
  MutexLock lock(mutex_);
  if (!written.ok()) {
    ++counters_.not_kept;
    pause(written.error());
    remove_file(path, bytes);
  } else if (object.is_gone || entries_.contains(id)) {
    remove_file(path, bytes);
  } else {
    insert(id, number, bytes);
  }
}

Status BlockCache::write_file(const std::string& path, const CachedObject& object,
                              uint64_t position, std::span<const std::byte> content) {
  const CachedBlock block{.object = object.name,
                          .object_bytes = object.bytes,
                          .position = position,
                          .content = content};
  const auto head = block.encode_head();
  const std::array<io::ConstBytes, 2> parts{io::ConstBytes(head), content};
  MILLRACE_TRY(const auto file, disk_.open(path, io::OpenMode::kCreateNew));
  return file->write_at(0, parts);
}

void BlockCache::mark_prefetched(const CachedObject& object, uint64_t position) {
  MutexLock lock(mutex_);
  const auto found = entries_.find(id_of(object, position));
  if (found != entries_.end()) {
    found->second.is_unused_prefetch = true;
  } else {
    ++counters_.prefetch_unused;
  }
}

void BlockCache::forget(const CachedObject& object) {
  MutexLock lock(mutex_);
  auto each = entries_.lower_bound(id_of(object, 0));
  while (each != entries_.end() && each->first.object == object.hash) {
    static_cast<void>(erase(each++));
  }
}

/// Has `bytes` fit. false: they do not.
bool BlockCache::make_room(uint64_t bytes) {
  if (bytes > options_.max_bytes) {
    return false;
  }
  while (bytes_ > options_.max_bytes - bytes) {
    if (recent_.empty()) {
      return false;
    }
    if (!erase(entries_.find(recent_.back()))) {
      return false;
    }
    ++counters_.evicted;
  }
  return true;
}

/// false: the file stays, and its bytes with it.
bool BlockCache::erase(Entries::iterator entry) {
  const std::string path = path_of(entry->first, entry->second.number);
  const uint64_t bytes = entry->second.bytes;
  if (entry->second.is_unused_prefetch) {
    ++counters_.prefetch_unused;
  }
  recent_.erase(entry->second.recent);
  entries_.erase(entry);
  return remove_file(path, bytes);
}

bool BlockCache::remove_file(const std::string& path, uint64_t bytes) {
  const Status removed = disk_.remove(path);
  if (!removed.ok() && removed.error().code != Code::kNotFound) {
    pause(removed.error());
    return false;
  }
  bytes_ -= bytes;
  return true;
}

void BlockCache::insert(const BlockId& id, uint64_t number, uint64_t bytes) {
  recent_.push_front(id);
  entries_[id] = {.number = number, .bytes = bytes, .recent = recent_.begin()};
}

void BlockCache::pause(const Error& why) {
  if (clock_.steady() < paused_until_) {
    return;
  }
  paused_until_ = clock_.steady() + kPause;
  log::warning("objects", "cache: nothing is kept for {} s: {}", kPause.count(), why.message);
}

}  // namespace millrace::objects
