#include "journal/files.h"

#include "base/check.h"
#include "base/log.h"
#include "io/aligned_memory.h"

#include <algorithm>
#include <iterator>
#include <span>

namespace millrace::journal {
namespace {

constexpr size_t kZeroBytes = 1 << 20;

Error not_now(Error error) {
  return make_error(Code::kOverloaded, "no room for the next journal file: {}", error.message);
}

}  // namespace

std::string Files::path_of(FileNumber number) const {
  return directory_ + "/" + file_name(number);
}

std::string Files::index_path_of(FileNumber number) const {
  return fmt::format("{}/{:020}.index", directory_, number.value);
}

std::string Files::spare_path(size_t slot) const {
  return directory_ + (slot == 0 ? "/spare.log" : fmt::format("/spare-{}.log", slot + 1));
}

Result<std::shared_ptr<JournalFile>> Files::open(FileNumber number) {
  MILLRACE_TRY(auto file, disk_.open(path_of(number), io::OpenMode::kReadWrite));
  MILLRACE_TRY(const uint64_t size, file->size());
  return std::make_shared<JournalFile>(number, size / kBlock * kBlock, std::move(file));
}

Status Files::find_spares() {
  MutexLock lock(mutex_);
  for (size_t slot = 0; slot < kSpares; ++slot) {
    auto file = disk_.open(spare_path(slot), io::OpenMode::kReadWrite);
    if (!file.ok()) {
      if (file.error().code != Code::kNotFound) {
        return file.error();
      }
      continue;
    }
    MILLRACE_TRY(const uint64_t size, (*file)->size());
    spare_bytes_[slot] = size / kBlock * kBlock;
  }
  return {};
}

std::vector<uint64_t> Files::spares() const {
  MutexLock lock(mutex_);
  std::vector<uint64_t> sizes;
  std::copy_if(spare_bytes_.begin(), spare_bytes_.end(), std::back_inserter(sizes),
               [](uint64_t bytes) { return bytes != 0; });
  std::sort(sizes.begin(), sizes.end());
  return sizes;
}

size_t Files::smallest_slot() const {
  return static_cast<size_t>(std::min_element(spare_bytes_.begin(), spare_bytes_.end()) -
                             spare_bytes_.begin());
}

/// The smallest spare that is large enough.
std::optional<size_t> Files::slot_for(uint64_t bytes) const {
  std::optional<size_t> best;
  for (size_t slot = 0; slot < kSpares; ++slot) {
    if (spare_bytes_[slot] >= bytes && (!best || spare_bytes_[slot] < spare_bytes_[*best])) {
      best = slot;
    }
  }
  return best;
}

/// Past the page cache where that can be had: nobody reads zeros, and copying them there costs ten
/// times what writing them does. It may be had for open(2) and not for what follows.
Status Files::write_zeros(uint64_t bytes, const std::string& path) {
  const std::string making = directory_ + "/spare.tmp";
  Status made = write_zeros(bytes, making, io::Access::kDirect);
  if (!made.ok() && made.error().code != Code::kOverloaded) {
    made = write_zeros(bytes, making, io::Access::kPageCache);
  }
  MILLRACE_TRY_STATUS(made);
  return disk_.rename(making, path);
}

Status Files::write_zeros(uint64_t bytes, const std::string& path, io::Access access) {
  MILLRACE_TRY(const auto file, disk_.open(path, io::OpenMode::kCreate, access));
  MILLRACE_TRY_STATUS(file->resize(0));
  MILLRACE_TRY_STATUS(file->reserve(bytes));
  const io::AlignedMemory memory = io::aligned_memory(kZeroBytes);
  MILLRACE_CHECK(memory != nullptr, "no memory for zeros");
  const std::span zeros(static_cast<const std::byte*>(memory.get()), kZeroBytes);
  for (uint64_t at = 0; at < bytes; at += kZeroBytes) {
    const size_t count = std::min<uint64_t>(kZeroBytes, bytes - at);
    MILLRACE_TRY_STATUS(file->write_at(at, zeros.first(count)));
  }
  return file->sync();
}

Result<size_t> Files::prepare_locked(uint64_t bytes) {
  bytes = padded(bytes);
  if (const auto ready = slot_for(bytes)) {
    return *ready;
  }
  const size_t slot = smallest_slot();  // empty, or of no use at this size
  if (auto made = write_zeros(bytes, spare_path(slot)); !made.ok()) {
    static_cast<void>(disk_.remove(directory_ + "/spare.tmp"));
    return not_now(made.error());
  }
  spare_bytes_[slot] = bytes;
  ++zero_written_;
  return slot;
}

Status Files::prepare_spare(uint64_t bytes) {
  MutexLock lock(mutex_);
  MILLRACE_TRY_STATUS(prepare_locked(bytes));
  return {};
}

Result<std::shared_ptr<JournalFile>> Files::take_spare(FileNumber number, uint64_t bytes) {
  MutexLock lock(mutex_);
  MILLRACE_TRY(const size_t slot, prepare_locked(bytes));
  if (auto renamed = disk_.rename(spare_path(slot), path_of(number)); !renamed.ok()) {
    return not_now(renamed.error());
  }
  spare_bytes_[slot] = 0;
  if (auto synced = disk_.sync_directory(directory_); !synced.ok()) {
    return make_error(Code::kIo, "{}", synced.error().message);
  }
  has_unsynced_retirement_ = false;
  auto opened = open(number);
  if (!opened.ok()) {
    return make_error(Code::kIo, "{}", opened.error().message);
  }
  return opened;
}

/// Renames a file to a spare's name if it may and there is place, else removes it. true: kept.
Result<bool> Files::keep_or_remove(const std::string& path, uint64_t bytes, bool may_keep) {
  const size_t slot = smallest_slot();
  if (!may_keep || spare_bytes_[slot] >= bytes) {
    MILLRACE_TRY_STATUS(disk_.remove(path));
    return false;
  }
  MILLRACE_TRY_STATUS(disk_.rename(path, spare_path(slot)));
  spare_bytes_[slot] = bytes;
  return true;
}

/// Most often a rotation has synced the directory since.
Status Files::sync_retired() {
  if (has_unsynced_retirement_) {
    MILLRACE_TRY_STATUS(disk_.sync_directory(directory_));
    has_unsynced_retirement_ = false;
  }
  return {};
}

// NOLINTNEXTLINE(performance-unnecessary-value-param): takes the last reference, which is counted.
void Files::retire(std::shared_ptr<JournalFile> file) {
  MutexLock lock(mutex_);
  if (!can_retire_) {
    return;
  }
  const std::string path = path_of(file->number);
  auto freed = [&]() MILLRACE_REQUIRES(mutex_) -> Result<bool> {
    MILLRACE_TRY_STATUS(sync_retired());
    static_cast<void>(disk_.remove(index_path_of(file->number)));  // derived, often not there
    return keep_or_remove(path, file->size, file.use_count() == 1);
  }();
  if (!freed.ok()) {
    can_retire_ = false;
    log::warning("journal", "cannot free {}; nothing more is freed until the next start: {}", path,
                 freed.error().message);
    return;
  }
  has_unsynced_retirement_ = true;
  recycled_ += *freed ? 1 : 0;
}

Status Files::make_spare_of(FileNumber number) {
  MILLRACE_TRY(const auto file, open(number));
  MutexLock lock(mutex_);
  MILLRACE_TRY_STATUS(keep_or_remove(path_of(number), file->size, true));
  // Before another file is made: with that one alone, this would stand in the middle again.
  return disk_.sync_directory(directory_);
}

}  // namespace millrace::journal
