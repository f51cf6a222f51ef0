#include "fsck/journal_check.h"

#include "bytes/crc32c.h"
#include "fsck/chain.h"
#include "journal/file_check.h"
#include "journal/files.h"
#include "journal/scan.h"

#include <algorithm>
#include <array>
#include <span>

namespace millrace::fsck {
namespace {

using journal::JournalFile;
using journal::kBlock;
using journal::RunHead;
using journal::RunHeader;

std::string runs_text(RunNumber first, RunNumber last) {
  return first == last ? fmt::format("run {}", first) : fmt::format("runs {} to {}", first, last);
}

class JournalCheck {
 public:
  JournalCheck(Work& work, const catalog::Contents& catalog)
      : work_(work),
        catalog_(catalog),
        files_(work.disk, work.data + "/journal"),
        directory_(catalog.directory) {}

  Status run() {
    MILLRACE_TRY(const auto entries, work_.disk.list(files_.directory()));
    for (const auto& entry : entries) {
      if (const auto number = journal::number_of(entry.name)) {
        numbers_.push_back(*number);
      }
    }
    for (const FileNumber number : numbers_) {
      MILLRACE_TRY_STATUS(look_at(number));
      ++work_.report.journal_files;
    }
    chain_.end(catalog_.partitions);
    chain_.judge(work_.report);
    return {};
  }

 private:
  Status look_at(FileNumber number) {
    const auto file = files_.open(number);
    Status checked = file.ok() ? check_file(**file) : Status(file.error());
    if (checked.ok() || checked.error().code != Code::kIo) {
      return checked;
    }
    chain_.breaks({.finding = {.problem = "unreadable-file",
                               .file = files_.directory() + "/" + journal::file_name(number),
                               .what = checked.error().message,
                               .advice = "put a good copy of the file back"},
                   .is_certain = true,
                   .loses_runs = true});
    chain_.forget_run();
    return {};
  }

  Status check_file(const JournalFile& file) {
    const bool is_newest = file.number == numbers_.back();
    MILLRACE_TRY(const uint64_t size, file.file->size());
    const bool is_whole = size != 0 && size % kBlock == 0;
    uint64_t position = 0;
    bool has_runs = false;
    std::optional<std::vector<RunHeader>> headers;  // behind the first place without a run
    while (true) {
      MILLRACE_TRY(const auto run, journal::read_run_head(file, position));
      if (run) {
        if (!is_ours(file, run->header)) {
          return work_.read(file.size);
        }
        has_runs = true;
        MILLRACE_TRY_STATUS(take(file, *run));
        position = run->header.end();
        continue;
      }
      if (!headers) {
        MILLRACE_TRY(headers, journal::find_headers(file, position));
      }
      const auto next = std::ranges::lower_bound(*headers, position, {}, &RunHeader::position);
      if (next == headers->end()) {
        MILLRACE_TRY_STATUS(judge_end(file, position));
        break;
      }
      has_runs = true;
      MILLRACE_TRY(position, pass(file, position, *next));
    }
    if (!is_whole) {
      chain_.breaks({.finding = {.problem = "cut-short",
                                 .file = file.file->path(),
                                 .position = size,
                                 .what = fmt::format("it has {} bytes, a whole file has a multiple "
                                                     "of {}",
                                                     size, kBlock),
                                 .advice = "put the whole file back"},
                     .is_certain = true,
                     .loses_runs = is_newest});
    }
    if (!has_runs && is_whole) {
      MILLRACE_TRY_STATUS(judge_without_runs(file, is_newest));
    } else if (is_newest && is_whole && position + kBlock > file.size) {
      without_room(file, position);
    }
    return work_.read(file.size - std::min(position, file.size));
  }

  /// false: a file of another directory, named so.
  bool is_ours(const JournalFile& file, const RunHeader& header) {
    if (!directory_) {
      directory_ = header.directory;
    }
    if (header.directory == *directory_) {
      return true;
    }
    chain_.breaks(
        {.finding = {.problem = "foreign-file",
                     .file = file.file->path(),
                     .position = header.position,
                     .what = fmt::format("belongs to directory {}, this one is {}",
                                         header.directory.to_string(), directory_->to_string()),
                     .advice = "put this directory's own file back"},
         .is_certain = true,
         .loses_runs = true});
    chain_.forget_run();
    return false;
  }

  /// There is no whole run at `position`; `next` is the first header from there on. Returns where
  /// to go on.
  Result<uint64_t> pass(const JournalFile& file, uint64_t position, const RunHeader& next) {
    if (next.position == position) {
      return next.end() > file.size ? cut_short(file, next) : without_frames(file, next);
    }
    RunNumber first = chain_.expected();
    if (first.value == 0) {
      first = RunNumber{next.run.value - 1};
    }
    const RunNumber last{std::max(first.value, next.run.value - 1)};
    chain_.breaks({.finding = {.problem = position == 0 ? "checkpoint" : "run-header",
                               .file = file.file->path(),
                               .position = position,
                               .what = fmt::format("{}: no valid run header here, the next is that "
                                                   "of run {} at {}",
                                                   runs_text(first, last), next.run, next.position),
                               .advice = "put a good copy of the file back"},
                   .run = first,
                   .loses_runs = true});
    chain_.forget_run();
    return next.position;
  }

  /// No run is at `position` nor behind it, which may be the end of the file's runs, or the header
  /// of one more that is not what it was. Only of a sealed file it is known that no crash did it.
  Status judge_end(const JournalFile& file, uint64_t position) {
    if (position == 0 || position + kBlock > file.size) {
      return {};
    }
    std::array<std::byte, kBlock> block{};
    MILLRACE_TRY_STATUS(file.file->read_exactly_at(position, block));
    const RunNumber run = chain_.expected();
    if (!journal::damaged_header_in(block, {.directory = last_.directory,
                                            .file = file.number,
                                            .position = position,
                                            .run = run,
                                            .previous_crc = last_.crc})) {
      return {};
    }
    chain_.breaks({.finding = {.problem = "run-header",
                               .file = file.file->path(),
                               .position = position,
                               .what = fmt::format("run {}: no valid run header here, nor behind "
                                                   "it in this file",
                                                   run),
                               .advice = "put a good copy of the file back"},
                   .run = run,
                   .loses_runs = true});
    chain_.forget_run();
    return {};
  }

  Result<uint64_t> cut_short(const JournalFile& file, const RunHeader& header) {
    MILLRACE_TRY(auto touched, offsets_of(file, header));
    chain_.breaks({.finding = {.problem = "cut-short",
                               .file = file.file->path(),
                               .position = header.position,
                               .what = fmt::format("run {} goes on to {}, the file ends at {}",
                                                   header.run, header.end(), file.size),
                               .touched = std::move(touched),
                               .advice = "put the whole file back"},
                   .run = header.run,
                   .is_certain = true,
                   .loses_runs = true});
    chain_.pass(file.file->path(), header);
    return file.size;
  }

  /// The newest file, whose runs end where it does. Only a run without frames may be the last that
  /// a file has room for: the writer leaves a block for it.
  void without_room(const JournalFile& file, uint64_t position) {
    if (last_.end() != position ||
        (last_.frames == 0 && (last_.flags & journal::kCheckpointPart) == 0)) {
      return;
    }
    chain_.breaks({.finding = {.problem = "cut-short",
                               .file = file.file->path(),
                               .position = position,
                               .what = fmt::format("it ends with run {}, and a whole file has a "
                                                   "block behind it: what followed is missing",
                                                   last_.run),
                               .advice = "put the whole file back"},
                   .is_certain = true,
                   .loses_runs = true});
  }

  Result<uint64_t> without_frames(const JournalFile& file, const RunHeader& header) {
    const bool is_checkpoint = (header.flags & journal::kCheckpointPart) != 0;
    chain_.breaks(
        {.finding = {.problem = is_checkpoint ? "checkpoint" : "frame-header",
                     .file = file.file->path(),
                     .position = header.position + journal::kRunHeaderBytes,
                     .what = fmt::format("the {} frame headers of run {} at {} are damaged",
                                         header.frames, header.run, header.position),
                     .advice = "put a good copy of the file back"},
         .run = header.run,
         .run_position = header.position,
         .loses_runs = true});
    chain_.pass(file.file->path(), header);
    last_ = header;
    MILLRACE_TRY_STATUS(work_.read(header.end() - header.position));
    return header.end();
  }

  /// Offsets of a run that the file does not have all of, when its frame headers are there.
  static Result<std::vector<Touched>> offsets_of(const JournalFile& file, const RunHeader& header) {
    std::vector<Touched> touched;
    const uint64_t at = header.position + journal::kRunHeaderBytes;
    MILLRACE_TRY(const uint64_t size, file.file->size());
    if (at + header.table_bytes() > size) {
      return touched;
    }
    std::vector<std::byte> table(header.table_bytes());
    MILLRACE_TRY_STATUS(file.file->read_exactly_at(at, table));
    if (bytes::crc32c(table) != header.frames_crc) {
      return touched;
    }
    for (size_t i = 0; i < header.frames; ++i) {
      const auto frame = journal::FrameHeader::parse(
          std::span(table).subspan(i * journal::kFrameHeaderBytes, journal::kFrameHeaderBytes));
      if (frame.ok() && frame->type == journal::FrameType::kBatch) {
        add_touched(touched, frame->partition, frame->base_offset,
                    frame->base_offset + frame->records);
      }
    }
    return touched;
  }

  /// A run whose header and frame headers are whole.
  Status take(const JournalFile& file, const RunHead& run) {
    chain_.take(file.file->path(), run.header);
    last_ = run.header;
    const auto visit = [&](size_t i, uint64_t position, std::span<const std::byte> payload,
                           uint32_t crc) {
      const journal::FrameHeader& frame = run.frames[i];
      const bool is_good = crc == frame.payload_crc;
      if (!is_good) {
        payload_breaks(file, run, i, position, crc);
      }
      if (frame.type == journal::FrameType::kBatch) {
        chain_.batch(file.file->path(), run.header, frame);
      } else if (is_good) {
        chain_.system(file.file->path(), run.header, payload, work_.report);
      }
    };
    MILLRACE_TRY_STATUS(payloads_.for_each(file, run, visit));
    return work_.read(run.header.end() - run.header.position);
  }

  void payload_breaks(const JournalFile& file, const RunHead& run, size_t i, uint64_t position,
                      uint32_t crc) {
    const bool is_checkpoint = (run.header.flags & journal::kCheckpointPart) != 0;
    const journal::FrameHeader& frame = run.frames[i];
    std::vector<Touched> touched;
    if (frame.type == journal::FrameType::kBatch) {
      add_touched(touched, frame.partition, frame.base_offset, frame.base_offset + frame.records);
    }
    chain_.breaks(
        {.finding = {.problem = is_checkpoint ? "checkpoint" : "payload",
                     .file = file.file->path(),
                     .position = position,
                     .what = journal::payload_damage(run, i, crc),
                     .touched = std::move(touched),
                     .advice = is_checkpoint
                                   ? "put a good copy of the file back; a start goes back to "
                                     "the checkpoint of the file before it, if there is one"
                                   : "put a good copy of the file back; reads of these offsets "
                                     "fail, all others are served"},
         .run = run.header.run,
         .run_position = run.header.position});
  }

  /// An unfinished rotation, if it is the newest file and not the copy of one that is kept.
  Status judge_without_runs(const JournalFile& file, bool is_newest) {
    std::array<std::byte, kBlock> block{};
    MILLRACE_TRY(const size_t read, file.file->read_at(0, block));
    const auto inside = read == kBlock ? RunHeader::parse(block) : std::nullopt;
    if (is_newest && !(inside && inside->file >= numbers_.front())) {
      work_.add({.kind = Kind::kLeftover,
                 .problem = "unfinished-rotation",
                 .file = file.file->path(),
                 .what = "no run was written to it yet",
                 .advice = "nothing: the next start takes it as a spare file",
                 .cure = Cure::kStart});
      return {};
    }
    const std::string what = inside ? fmt::format("its name says file {}, its head says file {}",
                                                  file.number, inside->file)
                                    : fmt::format("no run of file {} is in it", file.number);
    const std::string advice =
        inside ? fmt::format(
                     "what stands in it belongs under the name {}; put the file of this "
                     "name back",
                     journal::file_name(inside->file))
               : "put a good copy of the file back";
    chain_.breaks({.finding = {.problem = inside ? "misnamed-file" : "no-runs",
                               .file = file.file->path(),
                               .position = 0,
                               .what = what,
                               .advice = advice},
                   .is_certain = true,
                   .loses_runs = true});
    chain_.forget_run();
    return {};
  }

  Work& work_;
  const catalog::Contents& catalog_;
  journal::Files files_;
  std::optional<DirectoryId> directory_;
  std::vector<FileNumber> numbers_;
  Chain chain_;
  RunHeader last_;  // of the whole runs
  journal::PayloadReader payloads_;
};

}  // namespace

Status check_journal(Work& work, const catalog::Contents& catalog) {
  return JournalCheck(work, catalog).run();
}

}  // namespace millrace::fsck
