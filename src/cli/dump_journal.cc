#include "cli/dump_journal.h"

#include "io/disk.h"
#include "journal/scan.h"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace millrace::cli {
namespace {

/// Prints runs from `position` on; answers where they end.
Result<uint64_t> dump_chain(const journal::JournalFile& file, uint64_t position, DumpLines& lines) {
  while (true) {
    MILLRACE_TRY(const auto head, journal::read_run_head(file, position));
    if (!head) {
      return position;
    }
    dump_run(file, *head, lines);
    position = head->header.end();
  }
}

}  // namespace

void dump_run(const journal::JournalFile& file, const journal::RunHead& run, DumpLines& lines) {
  lines.print(describe_run(run.header));
  for (size_t i = 0; i < run.frames.size(); ++i) {
    const auto payload = journal::read_payload(file, run, i);
    if (!payload.ok()) {
      lines.damage(payload.error().message);
      continue;
    }
    const journal::FrameHeader& frame = run.frames[i];
    if (frame.type == journal::FrameType::kSystem) {
      lines.print(describe_system(*payload, lines.names()));
      continue;
    }
    lines.batch(frame, *payload);
  }
}

void learn_names(const journal::JournalFile& file, const journal::RunHead& run, DumpLines& lines) {
  for (size_t i = 0; i < run.frames.size(); ++i) {
    if (run.frames[i].type != journal::FrameType::kSystem) {
      continue;
    }
    if (const auto payload = journal::read_payload(file, run, i); payload.ok()) {
      static_cast<void>(describe_system(*payload, lines.names()));
    }
  }
}

Status dump_journal_file(const std::string& path, DumpLines& lines) {
  const auto number = journal::number_of(path.substr(path.rfind('/') + 1));
  if (!number) {
    return make_error(Code::kInvalid, "{}: not a journal file (20 digits and .log)", path);
  }
  MILLRACE_TRY(auto opened, io::posix_disk().open(path, io::OpenMode::kRead));
  MILLRACE_TRY(const uint64_t size, opened->size());
  const journal::JournalFile file{*number, size / journal::kBlock * journal::kBlock,
                                  std::move(opened)};
  MILLRACE_TRY(uint64_t end, dump_chain(file, 0, lines));
  MILLRACE_TRY(const auto behind, journal::find_headers(file, end));
  for (const journal::RunHeader& header : behind) {
    if (header.position < end) {
      continue;  // printed as part of a chain
    }
    if (header.end() > file.size) {
      lines.damage(fmt::format("{}: cut short: run {} at {} goes on to {}, the file ends at {}",
                               path, header.run, header.position, header.end(), size));
    }
    if (header.position > end) {  // else a running server has just written it
      lines.damage(fmt::format("{}: no run from {} to {}, but run {} behind it", path, end,
                               header.position, header.run));
    }
    MILLRACE_TRY(end, dump_chain(file, header.position, lines));
    if (end == header.position && header.end() <= file.size) {
      lines.damage(fmt::format("{}: the {} frame headers of run {} at {} are damaged", path,
                               header.frames, header.run, header.position));
    }
    end = std::max(end, header.end());
  }
  return {};
}

Result<bool> dump_journal(const std::string& directory, DumpLines& lines) {
  const auto entries = io::posix_disk().list(directory);
  bool is_journal = false;
  if (!entries.ok()) {
    return is_journal;
  }
  for (const auto& entry : *entries) {
    if (!journal::number_of(entry.name)) {
      continue;
    }
    is_journal = true;
    const Status dumped = dump_journal_file(directory + "/" + entry.name, lines);
    if (!dumped.ok() && dumped.error().code != Code::kNotFound) {  // freed meanwhile
      return dumped.error();
    }
  }
  return is_journal;
}

}  // namespace millrace::cli
