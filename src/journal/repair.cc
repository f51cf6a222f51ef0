#include "journal/repair.h"

#include <algorithm>
#include <set>

namespace millrace::journal {
namespace {

/// Bytes [from, to) of a file.
Result<std::vector<std::byte>> read_range(const JournalFile& file, uint64_t from, uint64_t to) {
  std::vector<std::byte> bytes(to - from);
  MILLRACE_TRY_STATUS(file.file->read_exactly_at(from, bytes));
  return bytes;
}

/// Where the torn runs of one file end.
uint64_t torn_end(const TailRepair& repair, size_t file) {
  uint64_t end = 0;
  for (const RunPlace& place : repair.behind) {
    if (place.file == file) {
      end = std::max(end, std::min(place.header.end(), repair.files[file]->size));
    }
  }
  return end;
}

Result<TornTail> quarantine(Files& files, const TailRepair& repair, size_t file, uint64_t& budget) {
  const JournalFile& torn = *repair.files[file];
  const uint64_t from = file == repair.chain.end.file ? repair.chain.end.position : 0;
  const uint64_t to = std::max(torn_end(repair, file), from);
  const uint64_t kept = std::min(to - from, budget);
  budget -= kept;
  TornTail tail{torn.file->path(), from, repair.chain.end.run, to - from, ""};
  tail.quarantined_as = fmt::format("{}/{:020}-at-{}-run-{}.torn", repair.quarantine,
                                    torn.number.value, from, repair.chain.end.run);
  MILLRACE_TRY_STATUS(files.disk().make_directories(repair.quarantine));
  MILLRACE_TRY(const auto bytes, read_range(torn, from, from + kept));
  MILLRACE_TRY_STATUS(files.disk().replace_file(tail.quarantined_as, bytes));
  return tail;
}

}  // namespace

Result<std::optional<TornTail>> cut_torn_tail(Files& files, const TailRepair& repair) {
  std::optional<TornTail> first;
  std::set<size_t> torn_files;
  for (const RunPlace& place : repair.behind) {
    torn_files.insert(place.file);
  }
  uint64_t budget = repair.max_quarantine_bytes;
  for (const size_t file : torn_files) {
    MILLRACE_TRY(const TornTail tail, quarantine(files, repair, file, budget));
    if (!first) {
      first = tail;
    }
  }
  const std::vector<std::byte> zeros(kBlock);
  // From the back: a header is still found while one before it stands.
  for (auto place = repair.behind.rbegin(); place != repair.behind.rend(); ++place) {
    MILLRACE_TRY_STATUS(repair.files[place->file]->file->write_at(place->header.position, zeros));
  }
  for (const size_t file : torn_files) {
    MILLRACE_TRY_STATUS(repair.files[file]->file->sync());
  }
  for (const size_t file : torn_files) {
    if (file > repair.chain.end.file || repair.chain.runs.empty()) {
      MILLRACE_TRY_STATUS(files.make_spare_of(repair.files[file]->number));
    }
  }
  return first;
}

Result<uint64_t> rewrite_unproven(const TailRepair& repair) {
  uint64_t count = 0;
  std::set<size_t> written;
  for (const RunPlace& place : repair.chain.runs) {
    if (place.header.run <= repair.chain.durable_upto) {
      continue;
    }
    const JournalFile& file = *repair.files[place.file];
    MILLRACE_TRY(const auto bytes, read_range(file, place.header.position, place.header.end()));
    MILLRACE_TRY_STATUS(file.file->write_at(place.header.position, bytes));
    written.insert(place.file);
    ++count;
  }
  for (const size_t file : written) {
    MILLRACE_TRY_STATUS(repair.files[file]->file->sync());
  }
  return count;
}

}  // namespace millrace::journal
