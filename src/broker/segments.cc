#include "broker/segments.h"

#include "base/log.h"
#include "broker/segment_retention.h"
#include "broker/still_readable.h"
#include "runtime/coroutine.h"
#include "segment/format.h"
#include "segment/object_check.h"
#include "segment/segment.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <set>

namespace millrace::broker {
namespace {

constexpr size_t kNamed = 8;  // partitions or objects in a line of the log
/// Of what is expired, as many go in one commit. On a disk without a free byte there is room
/// for one of 500 pages of the catalog (io::DiskReserve), and each part may lie in three of its
/// own, its partition's end in one.
constexpr size_t kPartsAtOnce = 120;
constexpr size_t kReadAtOnce = size_t{4} << 20;  // of what must be readable

using Topics = std::function<std::optional<ArchivedTopic>(const TopicId&)>;

/// Those of tables are left out.
std::optional<ArchivedTopic> topic_of(const Broker& broker, const TopicId& id) {
  const TopicPtr topic = broker.find(id);
  if (!topic || topic->record.settings.is_table) {
    return std::nullopt;
  }
  return ArchivedTopic{{id, topic->record.to_frame().value, ""}, topic->record.settings};
}

Topics all_topics(const Broker& broker) {
  return [&broker](const TopicId& id) { return topic_of(broker, id); };
}

Topics archived_topics(const Broker& broker) {
  return [&broker](const TopicId& id) {
    auto topic = topic_of(broker, id);
    const bool is_uploaders = topic && topic->settings.durability == Durability::kObject;
    return is_uploaders ? std::nullopt : std::move(topic);
  };
}

std::function<Offset(TopicPartition)> deletions_of(const Broker& broker) {
  return [&broker](TopicPartition partition) { return broker.deleted_below(partition); };
}

SegmentMakerParts maker_parts(const SegmentsParts& parts, runtime::BlockingPool& pool,
                              Topics topics) {
  return {.log = parts.log,
          .catalog = parts.catalog,
          .store = parts.store,
          .history = parts.history,
          .pool = pool,
          .clock = parts.clock,
          .topic = std::move(topics),
          .deleted_below = deletions_of(parts.broker)};
}

}  // namespace

Segments::Segments(const SegmentsParts& parts, const SegmentsOptions& options)
    : parts_(parts),
      options_(options),
      archiver_(maker_parts(parts, parts.pool, archived_topics(parts.broker)), options.cut),
      uploader_(maker_parts(parts, parts.uploads, all_topics(parts.broker)),
                {.segment_bytes = options.cut.bytes,
                 .linger = options.object_linger,
                 .patience = options.object_patience}),
      merger_(maker_parts(parts, parts.pool, all_topics(parts.broker)),
              {.bytes = options.cut.bytes,
               .least_segment = options.cut.least_segment,
               .age = options.merge_age},
              [this] { return wishes(); }) {
  for (const catalog::LeavingObject& object : parts.catalog.contents().leaving) {
    leaving_.push_back({object, std::nullopt});
  }
}

runtime::Task<Status> Segments::round(runtime::CancelToken stop) {
  while (true) {
    MILLRACE_CO_TRY(const bool is_more, co_await turn(stop));
    if (!is_more || stop.is_cancelled()) {
      co_return Status();
    }
  }
}

/// Returns whether more may be due.
runtime::Task<Result<bool>> Segments::turn(runtime::CancelToken stop) {
  const auto clean = [this]() -> Status {
    MILLRACE_TRY_STATUS(sweep());
    MILLRACE_TRY_STATUS(look_into_objects());
    MILLRACE_TRY_STATUS(expire());
    return remove_left(options_.grace);
  };
  const Status cleaned = co_await parts_.pool.run(clean);
  if (!is_swept_) {  // what is cut now could be taken for a leftover
    co_return cleaned.error();
  }
  MILLRACE_CO_TRY(const size_t cut,
                  co_await archiver_.round(parts_.broker.is_short_of_room(), stop));
  MILLRACE_CO_TRY_STATUS(cleaned);
  if (parts_.broker.is_short_of_room()) {
    co_return cut > 0;  // a merge frees nothing of the journal
  }
  MILLRACE_CO_TRY(const auto merged, co_await merger_.merge(stop));
  for (const auto& object : merged.replaced) {
    leaving_.push_back({{object->object, object->name}, parts_.clock.steady()});
  }
  co_return cut > 0 || merged.is_more;
}

Status Segments::sweep() {
  if (is_swept_) {
    return {};
  }
  MILLRACE_TRY(const auto objects, parts_.store.list(segment::kFolder));
  const OrphanRules rules = orphan_rules();
  std::set<std::string> leaving;
  for (const Leaving& each : leaving_) {
    leaving.insert(each.object.name);
  }
  MILLRACE_TRY_STATUS(keep_needed(rules));
  size_t cleaned = 0;
  size_t kept = 0;
  for (const objects::ObjectInfo& object : objects) {
    if (parts_.history.knows(object.name) || leaving.contains(object.name)) {
      continue;
    }
    MILLRACE_TRY(const auto why, why_kept(parts_.store, object.name, rules));
    if (why) {
      if (kept++ < kNamed) {
        log::warning("segments", "{} is not in the catalog and left alone: {}",
                     parts_.store.location_of(object.name), *why);
      }
      continue;
    }
    if (const Status status = parts_.store.remove(object.name);
        !status.ok() && status.error().code != Code::kNotFound) {
      return status;
    }
    ++cleaned;
  }
  if (kept > kNamed) {
    log::warning("segments", "{} more objects are not in the catalog and left alone",
                 kept - kNamed);
  }
  if (cleaned > 0) {
    log::info("segments",
              "{} {} that nothing needs any more removed: the server had not "
              "ended in good order",
              cleaned, cleaned == 1 ? "object" : "objects");
  }
  is_swept_ = true;
  parts_.history.tell_swept();
  return {};
}

Status Segments::look_into_objects() {
  if (has_looked_ || parts_.broker.tombstones().empty()) {
    return {};
  }
  std::map<Uuid, std::string> objects;
  for (const catalog::SegmentRow& row : parts_.history.segments()) {
    if (row.name.starts_with(segment::kMixedFolder)) {  // the others have one partition each
      objects.emplace(row.object, row.name);
    }
  }
  for (const Leaving& each : leaving_) {
    objects.emplace(each.object.object, each.object.name);
  }
  std::map<Uuid, std::set<TopicId>> topics;
  for (const auto& [object, name] : objects) {
    MILLRACE_TRY(topics[object], topics_in(name));
  }
  parts_.history.tell_contents(topics);
  has_looked_ = true;
  return {};
}

/// What cannot be read has none: a rebuild cannot read it either.
Result<std::set<TopicId>> Segments::topics_in(const std::string& name) const {
  std::set<TopicId> topics;
  auto reader = parts_.store.read(name);
  if (!reader.ok()) {
    return segment::is_of_the_object(reader.error()) ? Result(topics) : std::move(reader).error();
  }
  const auto object = segment::Segment::open(*std::move(reader), name);
  if (!object.ok()) {
    return segment::is_of_the_object(object.error()) ? Result(topics) : object.error();
  }
  for (const segment::PartitionRow& row : (*object)->tail().partitions) {
    topics.insert(row.partition.topic);
  }
  return topics;
}

Status Segments::keep_needed(const OrphanRules& rules) {
  for (auto at = leaving_.begin(); at != leaving_.end();) {
    MILLRACE_TRY(const auto why, why_still_needed(parts_.store, at->object.name, rules));
    if (why) {
      log::warning("segments", "{} was merged or expired, and is kept all the same: {}",
                   parts_.store.location_of(at->object.name), *why);
    }
    at = why ? leaving_.erase(at) : std::next(at);
  }
  return {};
}

/// Objects of the catalog, and the journal.
Result<std::optional<std::string>> Segments::why_unreadable(TopicPartition partition, Offset first,
                                                            Offset next) const {
  const RecordSource objects{[this](TopicPartition id) { return parts_.history.range(id); },
                             [this](TopicPartition id, Offset from) {
                               return parts_.history.read(id, from, kReadAtOnce);
                             }};
  const RecordSource journal{
      [this](TopicPartition id) { return std::optional(parts_.log.range(id)); },
      [this](TopicPartition id, Offset from) {
        return parts_.log.read_blocking(id, from, kReadAtOnce);
      }};
  return broker::why_unreadable(objects, journal, partition, first, next);
}

OrphanRules Segments::orphan_rules() const {
  const auto state = [this](const TopicId& id) {
    return parts_.broker.find(id)          ? TopicState::kThere
           : parts_.broker.was_deleted(id) ? TopicState::kDeleted
                                           : TopicState::kUnknown;
  };
  const auto end = [this](TopicPartition partition) {
    const auto range = parts_.history.range(partition);
    return std::max(parts_.log.range(partition).end, range ? range->end : Offset{0});
  };
  const auto start = [this](TopicPartition partition) {
    const Offset kept = parts_.log.range(partition).start;
    const auto range = parts_.history.range(partition);
    return range ? std::min(kept, range->start) : kept;
  };
  const auto segments = parts_.history.segments();
  auto behind = bytes_not_cut(parts_.log.files(), segments);
  for (const catalog::SegmentRow& row : segments) {
    for (const catalog::SegmentPartRow& part : row.parts) {
      behind[part.partition] += part.bytes;
    }
  }
  const auto is_expired = [this, behind = std::move(behind)](const segment::PartitionRow& row) {
    const TopicPtr topic = parts_.broker.find(row.partition.topic);
    const auto found = behind.find(row.partition);
    return !topic || topic->record.settings.is_expired(
                         row.max_timestamp_ms, found == behind.end() ? 0 : found->second,
                         parts_.clock.wall_ms().time_since_epoch().count());
  };
  const auto why = [this](TopicPartition partition, Offset first, Offset next) {
    return why_unreadable(partition, first, next);
  };
  return {parts_.log.directory_id(),   state, end, start, is_expired,
          deletions_of(parts_.broker), why};
}

SegmentWishes Segments::wishes() const {
  return {[this](const TopicId& id) {
            const TopicPtr topic = parts_.broker.find(id);
            return topic ? std::optional(topic->record.settings) : std::nullopt;
          },
          [this, bytes = bytes_not_cut(parts_.log.files(), parts_.history.segments())](
              TopicPartition partition) {
            const TopicPtr topic = parts_.broker.find(partition.topic);
            if (topic && topic->record.settings.durability == Durability::kObject) {
              return uint64_t{0};  // not acknowledged yet: it pushes out nothing that is
            }
            const auto found = bytes.find(partition);
            return found == bytes.end() ? uint64_t{0} : found->second;
          },
          deletions_of(parts_.broker)};
}

Status Segments::expire() {
  const auto segments = parts_.history.segments();
  const auto expired =
      expired_parts(segments, wishes(), parts_.clock.wall_ms().time_since_epoch().count());
  if (expired.empty()) {
    return {};
  }
  std::map<Uuid, const catalog::SegmentRow*> rows;
  for (const catalog::SegmentRow& row : segments) {
    rows.emplace(row.object, &row);
  }
  Status done;
  std::map<Uuid, size_t> taken;  // parts of each object
  size_t committed = 0;          // of `expired`
  while (committed < expired.size() && done.ok()) {
    const size_t end = std::min(committed + kPartsAtOnce, expired.size());
    catalog::SegmentsCommit commit{.place = parts_.log.place()};
    for (size_t i = committed; i < end; ++i) {  // in this order: what is left is dense
      commit.trimmed.push_back(expired[i]);
      if (const Uuid& object = expired[i].object;
          ++taken[object] == rows.at(object)->parts.size()) {
        commit.removed.push_back(object);
      }
    }
    const std::set<Uuid> removed(commit.removed.begin(), commit.removed.end());
    std::erase_if(commit.trimmed, [&](const auto& part) { return removed.contains(part.object); });
    done = parts_.catalog.commit_segments(commit);
    if (done.ok()) {
      parts_.history.apply(commit);
      for (const Uuid& object : commit.removed) {
        leaving_.push_back({{object, rows.at(object)->name}, parts_.clock.steady()});
      }
      expired_ += commit.removed.size();
      trimmed_ += commit.trimmed.size();
      committed = end;
    }
  }
  if (committed > 0) {
    parts_.log.ask_for_round();  // what follows them in the journal may be free now
    tell_expired(std::span(expired).first(committed));
  }
  return done;
}

void Segments::tell_expired(std::span<const catalog::TrimmedPart> parts) const {
  std::map<std::pair<std::string, PartitionId>, Offset> starts;
  for (const auto& [object, partition] : parts) {
    const TopicPtr topic = parts_.broker.find(partition.topic);
    if (topic) {
      starts[{topic->name(), partition.partition}] =
          topic->partition(partition.partition)->range().start;
    }
  }
  std::string text;
  size_t named = 0;
  for (const auto& [partition, start] : starts) {
    if (named++ == kNamed) {
      text += fmt::format(", and {} more partitions", starts.size() - kNamed);
      break;
    }
    text += fmt::format("{} {} partition {} is kept from offset {} on", text.empty() ? ":" : ",",
                        partition.first, partition.second, start);
  }
  std::set<Uuid> objects;
  for (const catalog::TrimmedPart& part : parts) {
    objects.insert(part.object);
  }
  log::info("segments", "parts of {} {} expired{}", objects.size(),
            objects.size() == 1 ? "object" : "objects",
            text.empty() ? ": of deleted topics" : text);
}

/// Out of the store, then out of the catalog.
Status Segments::remove_left(std::chrono::milliseconds grace) {
  Status removed;
  while (!leaving_.empty()) {
    const Leaving& next = leaving_.front();
    if (!next.since && !is_swept_) {
      break;  // whether it may go was not looked at yet
    }
    if (next.since && parts_.clock.steady() - *next.since < grace) {
      break;
    }
    removed = parts_.store.remove(next.object.name);
    if (!removed.ok() && removed.error().code != Code::kNotFound) {
      break;
    }
    removed = {};
    gone_.push_back(next.object.object);
    leaving_.pop_front();
  }
  MILLRACE_TRY_STATUS(forget_gone());
  return removed;
}

Status Segments::forget_gone() {
  if (gone_.empty()) {
    return {};
  }
  MILLRACE_TRY_STATUS(parts_.catalog.commit_segments({.place = parts_.log.place(), .gone = gone_}));
  for (const Uuid& object : gone_) {
    parts_.history.gone(object);
  }
  gone_.clear();
  parts_.log.ask_for_round();  // a tombstone may end now
  return {};
}

void Segments::finish() {
  if (const Status status = remove_left(std::chrono::milliseconds(0)); !status.ok()) {
    log::warning("segments",
                 "{} objects that are not needed any more are removed after the next start: {}",
                 leaving_.size(), status.error().message);
  }
}

}  // namespace millrace::broker
