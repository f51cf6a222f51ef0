#include "journal/files.h"

#include "base/log.h"

#include <algorithm>

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

std::string Files::spare_path() const {
  return directory_ + "/spare.log";
}

Result<std::shared_ptr<JournalFile>> Files::open(FileNumber number) {
  MILLRACE_TRY(auto file, disk_.open(path_of(number), io::OpenMode::kReadWrite));
  MILLRACE_TRY(const uint64_t size, file->size());
  return std::make_shared<JournalFile>(
      JournalFile{number, size / kBlock * kBlock, std::move(file)});
}

Status Files::find_spare() {
  MutexLock lock(mutex_);
  auto file = disk_.open(spare_path(), io::OpenMode::kReadWrite);
  if (!file.ok()) {
    return file.error().code == Code::kNotFound ? Status{} : Status(file.error());
  }
  MILLRACE_TRY(const uint64_t size, (*file)->size());
  spare_bytes_ = size / kBlock * kBlock;
  return {};
}

Status Files::write_zeros(uint64_t bytes) {
  const std::string making = directory_ + "/spare.tmp";
  {
    MILLRACE_TRY(const auto file, disk_.open(making, io::OpenMode::kCreate));
    MILLRACE_TRY_STATUS(file->resize(0));
    MILLRACE_TRY_STATUS(file->reserve(bytes));
    const std::vector<std::byte> zeros(std::min<uint64_t>(bytes, kZeroBytes));
    for (uint64_t at = 0; at < bytes; at += zeros.size()) {
      const size_t count = std::min<uint64_t>(zeros.size(), bytes - at);
      MILLRACE_TRY_STATUS(file->write_at(at, std::span(zeros).first(count)));
    }
    MILLRACE_TRY_STATUS(file->sync());
  }
  return disk_.rename(making, spare_path());
}

Status Files::prepare_locked(uint64_t bytes) {
  bytes = padded(bytes);
  if (spare_bytes_ >= bytes) {
    return {};
  }
  if (auto made = write_zeros(bytes); !made.ok()) {
    static_cast<void>(disk_.remove(directory_ + "/spare.tmp"));
    return not_now(made.error());
  }
  spare_bytes_ = bytes;
  return {};
}

Status Files::prepare_spare(uint64_t bytes) {
  MutexLock lock(mutex_);
  return prepare_locked(bytes);
}

Result<std::shared_ptr<JournalFile>> Files::take_spare(FileNumber number, uint64_t bytes) {
  MutexLock lock(mutex_);
  MILLRACE_TRY_STATUS(prepare_locked(bytes));
  if (auto renamed = disk_.rename(spare_path(), path_of(number)); !renamed.ok()) {
    return not_now(renamed.error());
  }
  spare_bytes_ = 0;
  if (auto synced = disk_.sync_directory(directory_); !synced.ok()) {
    return make_error(Code::kIo, "{}", synced.error().message);
  }
  auto opened = open(number);
  if (!opened.ok()) {
    return make_error(Code::kIo, "{}", opened.error().message);
  }
  return opened;
}

// NOLINTNEXTLINE(performance-unnecessary-value-param): takes the last reference, which is counted.
void Files::retire(std::shared_ptr<JournalFile> file) {
  MutexLock lock(mutex_);
  static_cast<void>(disk_.remove(index_path_of(file->number)));  // derived, and often not there
  const bool is_recycled = spare_bytes_ == 0 && file.use_count() == 1;
  const std::string path = path_of(file->number);
  const auto done = is_recycled ? disk_.rename(path, spare_path()) : disk_.remove(path);
  if (!done.ok()) {
    log::warning("journal", "cannot free {}: {}", path, done.error().message);
  } else if (is_recycled) {
    spare_bytes_ = file->size;
    ++recycled_;
  }
}

Status Files::make_spare_of(FileNumber number) {
  MILLRACE_TRY_STATUS(disk_.rename(path_of(number), spare_path()));
  return find_spare();
}

}  // namespace millrace::journal
