// The writer's part of durability=interval: commits that are acknowledged before their sync, and
// the offsets reserved for them, so that none is given out twice.
#include "base/log.h"
#include "bytes/crc32c.h"
#include "journal/writer.h"
#include "record/record_batch_builder.h"

#include <algorithm>
#include <limits>

namespace millrace::journal {
namespace {

/// Of the interval, for the sync itself.
constexpr int kSyncShare = 4;

constexpr int64_t kMostOffsets = std::numeric_limits<int32_t>::max();  // of one batch
constexpr uint64_t kReservationBytes = kFrameHeaderBytes + 8 + 20 + 8;

}  // namespace

/// After a batch of an interval commit was added: what is acknowledged before its sync must be
/// below a reservation that is durable, so a run that brings one is synced.
void Writer::reserve(TopicPartition partition, Run& run) {
  const Offset next = state_.next_offset(partition);
  if (next > state_.reserved(partition)) {
    run.add(state_.reserve(partition, next + kReserveOffsets));
    run.is_synced = true;
  }
}

Status Writer::sync() {
  if (tail_.last_synced == tail_.last_written) {
    return {};
  }
  if (is_poisoned()) {
    return make_error(Code::kReadOnly, "the journal is read-only");
  }
  const Status synced = sync_out();
  return synced.ok() ? synced : poison(synced.error());
}

std::optional<std::chrono::steady_clock::time_point> Writer::sync_due() const {
  if (!unsynced_since_ || is_poisoned()) {
    return std::nullopt;
  }
  return *unsynced_since_ + options_.interval - options_.interval / kSyncShare;
}

bool Writer::is_sync_due() const {
  const auto due = sync_due();
  return due && clock_.steady() >= *due;
}

/// Runs of at most run_bytes, each `add(item, run)` for items of `bytes` each. Offsets may be taken
/// in `add`: by then the room is there, and a checkpoint that it needed is written.
template <typename Item, typename Add>
Status Writer::write_items(std::span<const Item> items, uint64_t bytes, Add&& add) {
  const size_t most = std::max<size_t>((options_.run_bytes - kRunHeaderBytes) / bytes, 1);
  while (!items.empty()) {
    const auto now = items.first(std::min(items.size(), most));
    items = items.subspan(now.size());
    MILLRACE_TRY_STATUS(make_room(kRunHeaderBytes + now.size() * bytes, true));
    Run run;
    run.is_synced = true;
    for (const Item& item : now) {
      add(item, run);
    }
    MILLRACE_TRY_STATUS(write_run(run, 0));
  }
  return {};
}

Result<std::vector<State::Gap>> Writer::fill_gaps() {
  auto gaps = state_.reservations();
  std::ranges::sort(gaps, {}, &State::Gap::partition);
  std::vector<State::Gap> fillers;
  for (State::Gap left : gaps) {
    for (; left.next < left.end; left.next = fillers.back().end) {
      fillers.push_back({left.partition, left.next, std::min(left.end, left.next + kMostOffsets)});
    }
  }
  const auto add_filler = [this](const State::Gap& filler, Run& run) {
    const int64_t offsets = filler.end - filler.next;
    const bytes::Buffer batch = record::filler_batch(static_cast<int32_t>(offsets));
    add({filler.partition, batch, bytes::crc32c(batch), static_cast<uint32_t>(offsets), -1}, run);
  };
  MILLRACE_TRY_STATUS(write_items(std::span<const State::Gap>(fillers),
                                  kFrameHeaderBytes + record::kBatchHeaderSize, add_filler));
  return gaps;
}

Status Writer::finish() {
  MILLRACE_TRY_STATUS(sync());
  const auto unused = state_.reservations();
  const auto give_back = [this](const State::Gap& gap, Run& run) {
    run.add(state_.reserve(gap.partition, gap.next));
  };
  const Status given_back =
      write_items(std::span<const State::Gap>(unused), kReservationBytes, give_back);
  if (!given_back.ok() && !is_poisoned()) {
    log::info("journal", "reserved offsets stay unused: {}", given_back.error().message);
  }
  return prove();
}

}  // namespace millrace::journal
