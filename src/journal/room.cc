// The writer's part of room: what fits into the file, the budget of all files, the next file.
#include "journal/writer.h"

#include <algorithm>

namespace millrace::journal {
namespace {

/// What a file of so many bytes keeps for commits that make room.
uint64_t reserve_of(uint64_t file_bytes) {
  return std::min(Writer::kReserveBytes, file_bytes / 16 / kBlock * kBlock);
}

}  // namespace

/// Those of `chosen` that there is room for; the others have their errors. `bytes`: of a run of
/// all.
std::vector<Pending*> Writer::give_room(std::span<Pending* const> chosen, uint64_t bytes) {
  std::vector<Pending*> taken(chosen.begin(), chosen.end());
  const auto refuse = [&](const Error& error, bool all) {
    std::erase_if(taken, [&](Pending* pending) {
      if (!all && pending->request.makes_room) {
        return false;
      }
      pending->result = error;
      counters_.refused += error.code == Code::kOverloaded ? 1 : 0;
      return true;
    });
  };
  if (!std::ranges::all_of(taken, [](auto* each) { return each->request.makes_room; })) {
    const auto room = make_room(bytes, false);
    if (room.ok()) {
      missing_bytes_ = 0;
      return taken;
    }
    refuse(room.error(), is_poisoned());
    bytes = kRunHeaderBytes;
    for (const Pending* pending : taken) {
      bytes += footprint(pending->request);
    }
  }
  if (!taken.empty()) {
    if (const auto room = make_room(bytes, true); !room.ok()) {
      refuse(room.error(), true);
    }
  }
  return taken;
}

/// One block stays free for the header-only run that proves the last one.
bool Writer::fits(uint64_t length, bool makes_room) const {
  const uint64_t end = tail_.position + padded(length) + kBlock;
  return makes_room ? end <= tail_.file->size
                    : end + reserve_of(tail_.file->size) <= tail_.file->size &&
                          !index_.is_newest_beyond(options_.max_bytes);
}

Status Writer::make_room(uint64_t length, bool makes_room) {
  return fits(length, makes_room) ? Status() : rotate(length, makes_room);
}

bool Writer::is_within_budget(uint64_t bytes) const {
  return index_.total_bytes() + bytes <= options_.max_bytes;
}

std::optional<Error> Writer::full() const {
  const uint64_t missing = missing_bytes_;
  return missing != 0 ? std::optional(no_room_for(missing)) : std::nullopt;
}

Error Writer::no_room_for(uint64_t bytes) const {
  const uint64_t used = index_.total_bytes();
  if (used + bytes > options_.max_bytes) {
    return make_error(Code::kOverloaded,
                      "the journal is full: it holds {} bytes and may hold {} (journal.max_bytes), "
                      "and its next file takes {}; delete topics or records, flush tables, or "
                      "raise journal.max_bytes",
                      used, options_.max_bytes, bytes);
  }
  return make_error(Code::kOverloaded,
                    "the journal's next file, of {} bytes, cannot be made: its disk is full, and "
                    "the journal holds {} of {} bytes (journal.max_bytes); free disk space, delete "
                    "topics or records, or flush tables",
                    bytes, used, options_.max_bytes);
}

uint64_t Writer::checkpoint_bytes(const State& state, const WriterOptions& options) {
  uint64_t bytes = kBlock;
  for (const auto& frame : state.checkpoint()) {
    bytes += footprint(frame);
  }
  return bytes + (bytes / options.run_bytes + 1) * 2 * kBlock;
}

Status Writer::rotate(uint64_t length, bool makes_room) {
  MILLRACE_TRY_STATUS(sync());
  const uint64_t least = checkpoint_bytes(state_, options_) + length + 2 * kBlock;
  const uint64_t reserve = std::min(kReserveBytes, least / 15 + kBlock);
  const uint64_t bytes = std::max(options_.file_bytes, padded(least + reserve));
  // What makes room may pass the budget by one file, which nothing else is then written to.
  if (!is_within_budget(bytes) && (!makes_room || index_.is_newest_beyond(options_.max_bytes))) {
    missing_bytes_ = makes_room ? missing_bytes_.load() : bytes;
    return no_room_for(bytes);
  }
  const FileNumber number = next(tail_.greatest_number);
  auto taken = files_.take_spare(number, bytes);
  if (!taken.ok()) {
    if (taken.error().code != Code::kOverloaded) {
      return poison(taken.error());
    }
    missing_bytes_ = makes_room ? missing_bytes_.load() : bytes;
    return std::move(taken).error().within(no_room_for(bytes).message);
  }
  tail_.file = *taken;
  tail_.position = 0;
  tail_.greatest_number = number;
  if (const Status opened = open_tail(); !opened.ok()) {
    return poison(opened.error());
  }
  index_.add_file(tail_.file, {});
  ++counters_.rotations;
  return write_checkpoint();
}

}  // namespace millrace::journal
