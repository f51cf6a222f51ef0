#include "broker/segment_maker.h"

#include "base/log.h"
#include "runtime/coroutine.h"

#include <algorithm>

namespace millrace::broker {
namespace {

void add_partitions(const std::vector<segment::CutPart>& parts, std::vector<TopicPartition>& to) {
  for (const segment::CutPart& part : parts) {
    to.push_back(part.partition);
  }
}

}  // namespace

runtime::Task<Result<size_t>> SegmentMaker::make(std::vector<std::vector<segment::CutPart>> plan,
                                                 runtime::CancelToken stop) {
  std::vector<TopicPartition> partitions;
  for (const auto& parts : plan) {
    add_partitions(parts, partitions);
  }
  parts_.history.set_being_cut(this, std::move(partitions));
  auto made = co_await make_all(plan, stop);
  parts_.history.set_being_cut(this, {});
  if (!made.ok() || *made > 0) {
    parts_.log
        .ask_for_round();  // journal files may be free now: what is deleted is not kept for it
  }
  co_return made;
}

runtime::Task<Result<size_t>> SegmentMaker::make_all(
    const std::vector<std::vector<segment::CutPart>>& plan, runtime::CancelToken stop) {
  // All that the plan speaks of is durable afterwards, and what was to be freed before is.
  MILLRACE_CO_TRY_STATUS(co_await parts_.log.sync());
  const JournalPlace place = parts_.log.place();
  size_t made = 0;
  for (const auto& parts : plan) {
    if (stop.is_cancelled()) {
      break;
    }
    if (!is_there(parts)) {
      continue;  // retention was quicker
    }
    const auto work = [&] { return make_one(parts, place); };
    auto done = co_await parts_.pool.run(work);
    if (!done.ok()) {
      ++counters_.failures;
      co_return std::move(done).error();
    }
    made += *done ? 1 : 0;
  }
  co_return made;
}

bool SegmentMaker::is_there(const std::vector<segment::CutPart>& parts) const {
  return std::ranges::all_of(parts, [this](const segment::CutPart& part) {
    return parts_.log.range(part.partition).start <= part.first;
  });
}

Offset SegmentMaker::made_until(TopicPartition partition) const {
  const auto history = parts_.history.range(partition);
  const auto made = made_.find(partition);
  return std::max(history ? history->end : Offset{0},
                  made == made_.end() ? Offset{0} : made->second);
}

void SegmentMaker::keep_only(const std::function<bool(TopicPartition)>& is_known) {
  std::erase_if(made_, [&](const auto& entry) { return !is_known(entry.first); });
}

/// false: nothing of it can be read.
Result<bool> SegmentMaker::make_one(const std::vector<segment::CutPart>& parts,
                                    const JournalPlace& place) {
  const segment::ObjectId object(Uuid::random());
  parts_.history.begin_making(object);
  auto made = make_object(object, parts, place);
  const bool is_unknown = !made.ok() && made.error().code == Code::kIo;
  if (!made.ok()) {
    std::vector<TopicPartition> partitions;
    add_partitions(parts, partitions);
    parts_.history.tell_perhaps_left(partitions);
  }
  if (!is_unknown) {
    parts_.history.end_making(object);
  }
  return made;
}

Result<bool> SegmentMaker::make_object(const segment::ObjectId& object,
                                       const std::vector<segment::CutPart>& parts,
                                       const JournalPlace& place) {
  const segment::Header header{parts_.log.directory_id(), object,
                               parts_.clock.wall_ms().time_since_epoch().count()};
  const segment::CutSource source{[this](TopicPartition partition, Offset from, size_t max_bytes) {
                                    return parts_.log.read_blocking(partition, from, max_bytes);
                                  },
                                  [this](const TopicId& id) {
                                    const auto topic = parts_.topic(id);
                                    return topic ? topic->entry : segment::TopicEntry{id, "", ""};
                                  }};
  MILLRACE_TRY(const auto cut,
               segment::cut(parts_.store, header, parts, source, {.bytes = segment_bytes_}));
  note_unread(cut, parts);
  if (cut.made.partitions.empty()) {
    return false;
  }
  catalog::SegmentsCommit commit{.place = place};
  catalog::SegmentRow& row = commit.added.emplace_back(
      catalog::SegmentRow{cut.made.object, cut.name, cut.made.bytes, header.created_ms, {}});
  for (const auto& part : cut.made.partitions) {
    row.parts.push_back(
        {part.partition, part.first, part.next, part.max_timestamp_ms, part.data_bytes});
  }
  if (Status committed = parts_.catalog.commit_segments(commit); !committed.ok()) {
    if (committed.error().code != Code::kIo) {           // else the catalog may name it after all
      static_cast<void>(parts_.store.remove(cut.name));  // what stays is found by the next start
    }
    return std::move(committed).error();
  }
  parts_.history.apply(commit);
  for (const auto& part : row.parts) {
    made_[part.partition] = part.next;
  }
  ++counters_.objects;
  counters_.bytes += cut.made.bytes;
  return true;
}

void SegmentMaker::note_unread(const segment::Cut& cut,
                               const std::vector<segment::CutPart>& parts) {
  for (const auto& [partition, error] : cut.unread) {
    Offset next;
    for (const auto& part : parts) {
      next = part.partition == partition ? part.first : next;
    }
    for (const auto& part : cut.made.partitions) {
      next = part.partition == partition ? part.next : next;
    }
    if (error.code == Code::kNotFound) {
      continue;  // its topic was deleted meanwhile
    }
    damaged_[partition] = next;
    log::error("segments",
               "partition {} of topic {} goes into no segment from offset {} on, and keeps its "
               "journal files: {}",
               partition.partition, partition.topic.to_string(), next, error.message);
  }
}

}  // namespace millrace::broker
