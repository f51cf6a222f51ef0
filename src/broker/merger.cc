#include "broker/merger.h"

#include "base/log.h"
#include "runtime/coroutine.h"
#include "segment/segment.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <memory>
#include <optional>

namespace millrace::broker {
namespace {

constexpr size_t kReadBytes = size_t{4} << 20;

/// Damage, to whoever reads it.
bool is_of_the_object(const Error& error) {
  return error.code == Code::kCorrupt || error.code == Code::kUnsupported;
}

/// Of a commit: nothing more is taken.
bool is_the_end(const Error& error) {
  return error.code == Code::kIo || error.code == Code::kCorrupt || error.code == Code::kReadOnly;
}

}  // namespace

/// One merge.
struct Merger::Work {
  std::vector<History::SegmentPtr> group;
  std::vector<std::unique_ptr<segment::Segment>> sources;  // as the group
  std::vector<MergePart> parts;                            // that are kept
  std::vector<std::vector<MergedPart>> plan;
  catalog::SegmentsCommit commit;
  std::optional<size_t> culprit;  // which of the group cannot be merged
  bool is_damaged = false;        // else it is full, of very small batches
  bool is_unknown = false;        // whether it was committed
};

runtime::Task<Result<Merger::Merged>> Merger::merge(runtime::CancelToken stop) {
  Work work;
  const Status done = co_await carry_out(work, stop);
  if (done.ok() && work.commit.removed.empty()) {
    co_return Merged{};  // nothing is due, or there is no more time
  }
  if (done.ok()) {
    co_return Merged{.is_more = true, .replaced = std::move(work.group)};
  }
  if (work.culprit) {
    left_alone_.insert(work.group[*work.culprit]->object);
    if (work.is_damaged) {
      log::error("segments", "an object is not merged with others and stays as it is: {}",
                 done.error().message);
    }
    co_return Merged{.is_more = true, .replaced = {}};
  }
  ++counters_.failures;
  co_return done.error();
}

runtime::Task<Status> Merger::carry_out(Work& work, runtime::CancelToken stop) {
  if (is_over_ || stop.is_cancelled()) {
    co_return Status();
  }
  const auto plan_it = [&] { return plan(work); };
  Status done = co_await parts_.pool.run(plan_it);
  for (size_t i = 0; done.ok() && i < work.plan.size() && !stop.is_cancelled(); ++i) {
    const auto write_it = [&] { return write(work, work.plan[i]); };
    done = co_await parts_.pool.run(write_it);
  }
  const bool is_whole = done.ok() && work.commit.added.size() == work.plan.size();
  if (is_whole && !work.group.empty()) {
    const auto commit_it = [&] { return commit(work); };
    done = co_await parts_.pool.run(commit_it);
  }
  if (done.ok() && is_whole) {
    co_return done;
  }
  bool is_undone = false;
  if (!work.is_unknown) {
    const auto undo_it = [&] { return undo(work); };
    is_undone = (co_await parts_.pool.run(undo_it)).ok();
    work.commit.removed.clear();
  }
  if (!done.ok() || !is_undone) {
    std::vector<TopicPartition> partitions;
    std::ranges::transform(work.parts, std::back_inserter(partitions), &MergePart::partition);
    parts_.history.tell_perhaps_left(partitions);
  }
  co_return done;
}

Status Merger::plan(Work& work) const {
  work.group = plan_merge(parts_.history.segments_if([this](const catalog::SegmentRow& object) {
    return is_mergeable(object, rules_) && !left_alone_.contains(object.object);
  }),
                          parts_.clock.wall_ms().time_since_epoch().count(), rules_);
  if (work.group.empty()) {
    return {};
  }
  work.sources.resize(work.group.size());
  for (size_t i = 0; i < work.group.size(); ++i) {
    if (Status opened = open(work, i); !opened.ok()) {
      return opened;
    }
  }
  const SegmentWishes wishes = wishes_();
  const int64_t now_ms = parts_.clock.wall_ms().time_since_epoch().count();
  std::map<TopicPartition, Offset> kept_from;
  for (const MergePart& part : work.parts) {  // of each partition the oldest comes first
    if (kept_from.contains(part.partition)) {
      continue;
    }
    const auto all = parts_.history.parts(part.partition);
    const bool is_first = !all.empty() && all.front().first == part.first;
    kept_from[part.partition] = is_first ? wanted_from(all, wishes, now_ms) : part.first;
  }
  std::erase_if(work.parts,
                [&](const MergePart& part) { return part.next <= kept_from[part.partition]; });
  work.plan = plan_merged(work.parts, rules_);
  for (const auto& object : work.group) {
    work.commit.removed.push_back(object->object);
  }
  work.commit.place = parts_.log.place();
  return {};
}

/// Opens one of the group, and adds its parts.
Status Merger::open(Work& work, size_t object) const {
  const catalog::SegmentRow& row = *work.group[object];
  const std::string where = parts_.store.location_of(row.name);
  const auto damaged = [&](Error error) -> Status {
    if (is_of_the_object(error)) {
      work.culprit = object;
      work.is_damaged = true;
    }
    return error;
  };
  auto reader = parts_.store.read(row.name);
  if (!reader.ok()) {
    return damaged(reader.error().code == Code::kNotFound
                       ? make_error(Code::kCorrupt, "{}: the object is missing", where)
                       : reader.error());
  }
  auto opened = segment::Segment::open(*std::move(reader), where);
  if (!opened.ok()) {
    return damaged(opened.error());
  }
  if ((*opened)->footer().object != segment::ObjectId(row.object)) {
    return damaged(make_error(Code::kCorrupt, "{}: it is object {}, not {}", where,
                              (*opened)->footer().object.to_string(), row.object.to_string()));
  }
  work.sources[object] = *std::move(opened);
  const segment::Tail& tail = work.sources[object]->tail();
  for (const catalog::SegmentPartRow& part : row.parts) {
    const segment::PartitionRow* found = tail.partition(part.partition);
    if (found == nullptr || found->first != part.first || found->next != part.next) {
      return damaged(make_error(Code::kCorrupt,
                                "{}: it has not offsets {} to {} of partition {} of topic {} as "
                                "the catalog says",
                                where, part.first, part.next.value - 1, part.partition.partition,
                                part.partition.topic.to_string()));
    }
    work.parts.push_back(
        {object, part.partition, part.first, part.next, part.bytes, found->batches});
  }
  if (row.parts.size() == 1 && work.parts.back().batches >= rules_.batches / 2) {
    work.culprit = object;
    return make_error(Code::kInvalid, "{}: it is full of small batches", where);
  }
  return {};
}

Status Merger::write(Work& work, const std::vector<MergedPart>& content) const {
  segment::Header header{parts_.log.directory_id(), segment::ObjectId(Uuid::random()), 0};
  for (const auto& object : work.group) {
    header.created_ms = std::max(header.created_ms, object->created_ms);
  }
  const MergePart& first = content.front().front();
  const std::string name = content.size() == 1
                               ? segment::segment_name(header.object, first.partition, first.first)
                               : segment::mixed_name(header.object);
  MILLRACE_TRY(auto out, parts_.store.create(name));
  MILLRACE_TRY(auto writer, segment::SegmentWriter::begin(std::move(out), header));
  for (const MergedPart& part : content) {
    MILLRACE_TRY_STATUS(write_part(work, part, writer));
  }
  MILLRACE_TRY(const auto made, writer.publish());
  catalog::SegmentRow& row = work.commit.added.emplace_back(
      catalog::SegmentRow{made.object, name, made.bytes, header.created_ms, {}});
  for (const auto& part : made.partitions) {
    row.parts.push_back(
        {part.partition, part.first, part.next, part.max_timestamp_ms, part.data_bytes});
  }
  return {};
}

Status Merger::write_part(Work& work, const MergedPart& merged,
                          segment::SegmentWriter& writer) const {
  const TopicPartition partition = merged.front().partition;
  const auto topic = parts_.topic(partition.topic);
  // What its newest object has is there for each of its partitions: Tail::parse() sees to that.
  writer.begin_partition(
      partition,
      topic ? topic->entry : *work.sources[merged.back().object]->tail().topic(partition.topic));
  segment::PartitionState state;
  for (const MergePart& part : merged) {
    const segment::Segment& source = *work.sources[part.object];
    const auto damaged = [&](Error error) -> Status {
      if (is_of_the_object(error)) {
        work.culprit = part.object;
        work.is_damaged = true;
      }
      return error;
    };
    const segment::PartitionRow& row = *source.tail().partition(partition);
    auto index = source.index(row);
    if (!index.ok()) {
      return damaged(index.error());
    }
    for (auto entry = index->batches.begin(); entry != index->batches.end();) {
      const auto batches = source.read(row, *index, entry->base, kReadBytes);
      if (!batches.ok()) {
        return damaged(batches.error());
      }
      for (const record::StoredBatch& batch : *batches) {
        MILLRACE_TRY_STATUS(writer.add(*entry, batch.payload));
        ++entry;
      }
    }
    state.go_on(std::move(index->state));
  }
  return writer.end_partition(std::move(state));
}

Status Merger::commit(Work& work) {
  if (Status committed = parts_.catalog.commit_segments(work.commit); !committed.ok()) {
    const Error& error = committed.error();
    is_over_ = is_the_end(error);
    work.is_unknown = is_over_ && error.code != Code::kReadOnly;
    if (error.code == Code::kInvalid || error.code == Code::kConflict) {
      for (const auto& object : work.group) {  // it would be refused again
        left_alone_.insert(object->object);
      }
      log::error("segments", "{} objects are not merged and stay as they are: {}",
                 work.group.size(), error.message);
    }
    return committed;
  }
  parts_.history.apply(work.commit);
  ++counters_.merges;
  counters_.replaced += work.group.size();
  counters_.objects += work.commit.added.size();
  for (const catalog::SegmentRow& row : work.commit.added) {
    counters_.bytes += row.bytes;
  }
  return {};
}

/// Removes what is written and not committed; what stays is found by the next start.
Status Merger::undo(const Work& work) const {
  Status undone;
  for (const catalog::SegmentRow& row : work.commit.added) {
    if (Status removed = parts_.store.remove(row.name); !removed.ok()) {
      undone = std::move(removed);
    }
  }
  return undone;
}

}  // namespace millrace::broker
