#include "journal/walk.h"

#include <algorithm>

namespace millrace::journal {
namespace {

bool fits(const RunHeader& header, const ChainEnd& end, bool is_first, bool from_nothing) {
  if (is_first && !from_nothing) {
    return true;
  }
  return header.run == end.run && header.previous_crc == end.previous_crc;
}

/// The run at the end of the chain, in its file or at the start of the next.
Result<std::optional<RunPlace>> next_run(const FileList& files, const ChainEnd& end, bool is_first,
                                         bool from_nothing) {
  MILLRACE_TRY(const auto here, read_run_head(*files[end.file], end.position));
  if (here && fits(here->header, end, is_first, from_nothing)) {
    return std::optional(RunPlace{end.file, here->header});
  }
  if (is_first || end.file + 1 >= files.size()) {
    return std::optional<RunPlace>();
  }
  MILLRACE_TRY(const auto there, read_run_head(*files[end.file + 1], 0));
  if (there && fits(there->header, end, false, false)) {
    return std::optional(RunPlace{end.file + 1, there->header});
  }
  return std::optional<RunPlace>();
}

/// At the end of the chain.
Result<std::optional<RunHeader>> damaged_header_at(const FileList& files, const Chain& chain) {
  const JournalFile& file = *files[chain.end.file];
  if (chain.runs.empty() || chain.end.position + kBlock > file.size) {
    return std::optional<RunHeader>();
  }
  std::array<std::byte, kBlock> block{};
  MILLRACE_TRY_STATUS(file.file->read_exactly_at(chain.end.position, block));
  auto header = damaged_header_in(block, {.directory = chain.runs.back().header.directory,
                                          .file = file.number,
                                          .position = chain.end.position,
                                          .run = chain.end.run,
                                          .previous_crc = chain.end.previous_crc});
  if (header && header->end() > file.size) {
    header->length = kRunHeaderBytes;  // it is this that is damaged
  }
  return header;
}

}  // namespace

bool is_set(const std::atomic<bool>* stop) {
  return stop != nullptr && stop->load();
}

Result<bool> has_valid_checkpoint(const JournalFile& file) {
  uint64_t position = 0;
  RunNumber expected;
  while (true) {
    MILLRACE_TRY(const auto run, read_run_head(file, position));
    const bool is_next = run && (position == 0 || run->header.run == expected);
    if (!is_next || (run->header.flags & kCheckpointPart) == 0) {
      return false;
    }
    MILLRACE_TRY(const bool matches, payloads_match(file, *run));
    if (!matches) {
      return false;
    }
    if ((run->header.flags & kCheckpointEnd) != 0) {
      return true;
    }
    position = run->header.end();
    expected = next(run->header.run);
  }
}

Result<Chain> walk(const FileList& files, size_t start, bool from_nothing,
                   const std::atomic<bool>* stop) {
  Chain chain;
  chain.end.file = start;
  while (true) {
    if (is_set(stop)) {
      return make_error(Code::kCancelled, "stopped during recovery; nothing was changed");
    }
    MILLRACE_TRY(const auto place, next_run(files, chain.end, chain.runs.empty(), from_nothing));
    if (!place) {
      return chain;
    }
    chain.runs.push_back(*place);
    chain.durable_upto = std::max(chain.durable_upto, place->header.durable_upto);
    chain.end = {place->file, place->header.end(), next(place->header.run), place->header.crc};
  }
}

Status cut_unproven(const FileList& files, Chain& chain) {
  size_t first = chain.runs.size();
  while (first > 0 && chain.runs[first - 1].header.run > chain.durable_upto) {
    --first;
  }
  for (size_t i = first; i < chain.runs.size(); ++i) {
    const RunPlace& place = chain.runs[i];
    MILLRACE_TRY(const auto run, read_run_head(*files[place.file], place.header.position));
    MILLRACE_TRY(const bool matches,
                 run ? payloads_match(*files[place.file], *run) : Result<bool>(false));
    if (!matches) {
      // Behind the run before it, which may be in the file before.
      const RunPlace* last = i == 0 ? nullptr : &chain.runs[i - 1];
      chain.end = {last != nullptr ? last->file : place.file,
                   last != nullptr ? last->header.end() : 0, place.header.run,
                   place.header.previous_crc};
      chain.runs.resize(i);
      break;
    }
  }
  return {};
}

Result<std::vector<RunPlace>> headers_behind(const FileList& files, const Chain& chain,
                                             const std::atomic<bool>* stop) {
  const ChainEnd& end = chain.end;
  std::vector<RunPlace> behind;
  MILLRACE_TRY(const auto damaged, damaged_header_at(files, chain));
  if (damaged) {
    behind.push_back({end.file, *damaged});
  }
  for (size_t file = end.file; file < files.size(); ++file) {
    if (is_set(stop)) {
      return make_error(Code::kCancelled, "stopped during recovery; nothing was changed");
    }
    MILLRACE_TRY(const auto found, find_headers(*files[file], file == end.file ? end.position : 0));
    for (const RunHeader& header : found) {
      behind.push_back({file, header});
    }
  }
  return behind;
}

}  // namespace millrace::journal
