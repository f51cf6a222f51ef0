#include "fsck/elsewhere.h"

#include "base/clock.h"
#include "broker/topic.h"
#include "record/system_frame.h"

#include <algorithm>

namespace millrace::fsck {

using catalog::SegmentPartRow;

Elsewhere::Elsewhere(const catalog::Contents* catalog, const Start& start,
                     broker::WhyUnreadable why)
    : start_(start) {
  if (catalog == nullptr) {
    return;
  }
  for (const catalog::TopicRow& topic : catalog->topics) {
    if (!topic.is_deleted) {
      topics_.insert(topic.id);
    }
  }
  for (const catalog::SegmentRow& row : catalog->segments) {
    for (const SegmentPartRow& part : row.parts) {
      covered_[part.partition].emplace(part.first, part.next);
      bytes_[part.partition] += part.bytes;
    }
  }
  if (start.is_trusted) {
    rules_ = start.orphan_rules(*catalog, std::move(why));
  }
}

std::vector<Touched> Elsewhere::nowhere_else(const segment::Segment& object) const {
  std::vector<Touched> touched;
  for (const segment::PartitionRow& row : object.tail().partitions) {
    if (!is_there(row.partition.topic)) {
      continue;
    }
    // All from the start of its range on is in the journal.
    const Offset next = std::min(row.next, start_.range(row.partition).start);
    Offset first = std::max(row.first, start_.deletion(row.partition));
    if (const auto rows = covered_.find(row.partition); rows != covered_.end()) {
      for (const auto& [begin, end] : rows->second) {
        if (first < std::min(begin, next)) {
          touched.push_back({row.partition, first, std::min(begin, next)});
        }
        first = std::max(first, end);
      }
    }
    if (first < next) {
      touched.push_back({row.partition, first, next});
    }
  }
  return touched;
}

/// Where the journal says nothing, the catalog's own topics do.
bool Elsewhere::is_there(const TopicId& id) const {
  return rules_ ? rules_->topic(id) == broker::TopicState::kThere : topics_.contains(id);
}

bool Elsewhere::is_elsewhere(const SegmentPartRow& part) const {
  if (!is_there(part.partition.topic)) {
    return true;
  }
  Offset at = std::max(part.first, start_.deletion(part.partition));
  if (const auto rows = covered_.find(part.partition); rows != covered_.end()) {
    for (const auto& [first, next] : rows->second) {
      at = first <= at ? std::max(at, next) : at;
    }
  }
  const record::PartitionRange kept = start_.range(part.partition);
  return at >= part.next || (start_.is_trusted && kept.start <= at && part.next <= kept.end);
}

bool Elsewhere::is_trimmed(const SegmentPartRow& part) const {
  const auto topic = start_.topics.find(part.partition.topic);
  const auto rows = covered_.find(part.partition);
  const bool is_behind = rows == covered_.end() || part.next <= rows->second.begin()->first;
  if (!rules_ || topic == start_.topics.end() || !is_behind) {
    return false;
  }
  const auto bytes = bytes_.find(part.partition);
  const uint64_t behind = start_.journal_bytes + (bytes == bytes_.end() ? 0 : bytes->second);
  return topic->second.settings.is_expired(part.max_timestamp_ms, behind,
                                           system_clock().wall_ms().time_since_epoch().count());
}

bool Elsewhere::is_stray(const segment::Segment& object) const {
  return std::ranges::all_of(object.tail().partitions, [this](const segment::PartitionRow& row) {
    const SegmentPartRow part{row.partition, row.first, row.next, row.max_timestamp_ms,
                              row.data_bytes};
    return is_elsewhere(part) || is_trimmed(part);
  });
}

bool Elsewhere::is_of_earlier_topics(const segment::Segment& object) const {
  return std::ranges::all_of(object.tail().topics, [this](const segment::TopicEntry& entry) {
    if (is_there(entry.id)) {
      return true;
    }
    const std::string key(reinterpret_cast<const char*>(entry.id.bytes.data()),
                          entry.id.bytes.size());
    const auto topic =
        broker::TopicRecord::from_frame({record::SystemKind::kTopic, false, key, entry.topic});
    return topic.ok() && std::ranges::any_of(start_.topics, [&](const auto& other) {
             return !other.second.is_deleted && other.second.name == topic->name &&
                    other.second.created_ms >= topic->created_ms;
           });
  });
}

std::optional<std::string> why_unreadable(const Found& found, const Start& start,
                                          const Touched& offsets) {
  const auto hits = [&](const auto& part) {
    return part.partition == offsets.partition && part.first < offsets.next &&
           offsets.first < part.next;
  };
  const Finding* in_journal = nullptr;
  const Finding* in_objects = nullptr;
  for (size_t i = 0; i < found.report.findings.size(); ++i) {
    const Finding& finding = found.report.findings[i];
    if (finding.kind == Kind::kDamage && std::ranges::any_of(finding.touched, hits)) {
      (i < found.of_journal ? in_journal : in_objects) = &finding;
    }
  }
  const record::PartitionRange kept = start.range(offsets.partition);
  if (kept.start <= offsets.first && offsets.next <= kept.end && in_journal == nullptr) {
    return std::nullopt;
  }
  for (const auto& [name, row] : found.missing) {
    if (std::ranges::any_of(row->parts, hits)) {
      return name + " is not there";
    }
  }
  const Finding* const damage = in_objects != nullptr ? in_objects : in_journal;
  return damage == nullptr ? std::nullopt
                           : std::optional(fmt::format("{}: {}", damage->problem, damage->file));
}

}  // namespace millrace::fsck
