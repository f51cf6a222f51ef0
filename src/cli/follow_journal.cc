#include "cli/follow_journal.h"

#include "cli/dump_journal.h"
#include "io/disk.h"
#include "journal/scan.h"

#include <poll.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>

namespace millrace::cli {
namespace {

constexpr int kPauseMs = 50;

/// Numbers of the files there, in order.
Result<std::vector<FileNumber>> numbers_in(const std::string& directory) {
  MILLRACE_TRY(const auto entries, io::posix_disk().list(directory));
  std::vector<FileNumber> numbers;
  for (const auto& entry : entries) {
    if (const auto number = journal::number_of(entry.name)) {
      numbers.push_back(*number);
    }
  }
  std::ranges::sort(numbers);
  return numbers;
}

using FilePtr = std::unique_ptr<journal::JournalFile>;

Result<FilePtr> open_file(const std::string& directory, FileNumber number) {
  MILLRACE_TRY(auto opened, io::posix_disk().open(directory + "/" + journal::file_name(number),
                                                  io::OpenMode::kRead));
  MILLRACE_TRY(const uint64_t size, opened->size());
  return FilePtr(new journal::JournalFile{number, size / journal::kBlock * journal::kBlock,
                                          std::move(opened)});
}

class Follower {
 public:
  Follower(std::string directory, FilePtr file, DumpLines& lines)
      : directory_(std::move(directory)), file_(std::move(file)), lines_(lines) {}

  /// Passes over what is there. Names of topics are learnt from it.
  Status skip() {
    while (true) {
      MILLRACE_TRY(const auto run, journal::read_run_head(*file_, position_));
      if (!run) {
        return {};
      }
      learn_names(*file_, *run, lines_);
      position_ = run->header.end();
    }
  }

  /// Returns whether there was a run to print, or another file to go on in.
  Result<bool> step() {
    MILLRACE_TRY(const auto next, next_number());  // before the run: nothing comes after a rotation
    MILLRACE_TRY(const auto run, journal::read_run_head(*file_, position_));
    if (!run) {
      if (!next) {
        return false;
      }
      MILLRACE_TRY(file_, open_file(directory_, *next));
      position_ = 0;
      return true;
    }
    MILLRACE_TRY(const bool is_whole, journal::payloads_match(*file_, *run));
    if (!is_whole && !next) {
      MILLRACE_TRY(const auto behind, journal::read_run_head(*file_, run->header.end()));
      if (!behind) {
        return false;  // it is being written
      }
    }
    dump_run(*file_, *run, lines_);
    position_ = run->header.end();
    return true;
  }

 private:
  /// The first file behind this one.
  Result<std::optional<FileNumber>> next_number() const {
    MILLRACE_TRY(const auto numbers, numbers_in(directory_));
    const auto next = std::ranges::upper_bound(numbers, file_->number);
    return next == numbers.end() ? std::nullopt : std::optional(*next);
  }

  const std::string directory_;
  FilePtr file_;
  uint64_t position_ = 0;
  DumpLines& lines_;
};

}  // namespace

Status follow_journal(const std::string& directory, const Interrupt& interrupt, DumpLines& lines) {
  MILLRACE_TRY(const auto numbers, numbers_in(directory));
  if (numbers.empty()) {
    return make_error(Code::kNotFound, "{}: no journal there", directory);
  }
  MILLRACE_TRY(auto newest, open_file(directory, numbers.back()));
  Follower follower(directory, std::move(newest), lines);
  MILLRACE_TRY_STATUS(follower.skip());
  while (!is_reader_gone()) {
    if (interrupt.came()) {
      return make_error(Code::kCancelled, "interrupted");
    }
    MILLRACE_TRY(const bool has_more, follower.step());
    if (!has_more) {
      std::fflush(stdout);
      pollfd interrupted{interrupt.descriptor(), POLLIN, 0};
      ::poll(&interrupted, 1, kPauseMs);
    }
  }
  return {};
}

}  // namespace millrace::cli
