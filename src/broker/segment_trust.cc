#include "broker/segment_trust.h"

#include "broker/start_fact.h"
#include "broker/topic.h"

#include <algorithm>
#include <map>
#include <string>

namespace millrace::broker {
namespace {

using catalog::Contents;
using journal::Findings;

constexpr const char* kOlderJournal =
    "nothing was changed; put the newer journal back, or both from one copy of the data directory";
constexpr const char* kOlderCatalog =
    "nothing was changed; make catalog.db again out of journal and objects: millrace rebuild "
    "--replace";

using Topics = std::map<TopicId, TopicRecord>;  // those that are there

Result<Topics> topics_of(const Findings& journal) {
  Topics topics;
  for (const auto& frame : journal.facts(record::SystemKind::kTopic)) {
    MILLRACE_TRY(TopicRecord topic, TopicRecord::from_frame(frame));
    if (!topic.is_deleted) {
      topics.emplace(topic.id, std::move(topic));
    }
  }
  return topics;
}

Status check_ends(const Contents& catalog, const Findings& journal, const Topics& topics) {
  std::map<TopicPartition, Offset> ends;
  for (const catalog::SegmentRow& segment : catalog.segments) {
    for (const catalog::SegmentPartRow& part : segment.parts) {
      Offset& end = ends[part.partition];
      end = std::max(end, part.next);
    }
  }
  for (const auto& [partition, end] : ends) {
    const auto topic = topics.find(partition.topic);
    if (topic == topics.end()) {
      continue;  // deleted, and its objects are on their way out
    }
    const record::PartitionRange range = journal.range(partition);
    if (range.end < end) {
      return make_error(Code::kCorrupt,
                        "journal older than catalog: segment objects hold partition {} of topic {} "
                        "up to offset {}, and the journal ends at {}; {}",
                        partition.partition, topic->second.name, end, range.end, kOlderJournal);
    }
    if (range.start > end) {
      return make_error(
          Code::kCorrupt,
          "catalog older than journal: it names no segment objects with offsets {} to "
          "{} of partition {} of topic {}, which the journal no longer has; {}",
          end, range.start.value - 1, partition.partition, topic->second.name, kOlderCatalog);
    }
  }
  return {};
}

/// Of a start of records that makes no sense, before anything is changed.
Status check_starts(const Findings& journal) {
  for (const auto& frame : journal.facts(record::SystemKind::kStart)) {
    MILLRACE_TRY([[maybe_unused]] const StartFact fact, start_fact_from(frame));
  }
  return {};
}

bool is_cut_off(const Topics& topics, const Findings& journal) {
  return std::ranges::any_of(topics, [&](const auto& entry) {
    const TopicRecord& topic = entry.second;
    for (int32_t i = 0; i < topic.partitions && !topic.settings.is_table; ++i) {
      if (journal.range({topic.id, PartitionId{i}}).start > Offset{0}) {
        return true;
      }
    }
    return false;
  });
}

}  // namespace

Status check_segment_trust(const Contents& catalog, const Findings& journal,
                           const std::function<Result<bool>()>& has_objects) {
  MILLRACE_TRY(const Topics topics, topics_of(journal));
  MILLRACE_TRY_STATUS(check_starts(journal));
  if (!catalog.is_new || !is_cut_off(topics, journal)) {
    return check_ends(catalog, journal, topics);
  }
  MILLRACE_TRY(const bool has, has_objects());
  if (!has) {
    return {};  // what the journal no longer has, retention took
  }
  return make_error(
      Code::kCorrupt,
      "catalog.db is missing, and only it says which segment objects hold what the "
      "journal no longer has; nothing was changed; put catalog.db back, or make it again: "
      "millrace rebuild --data DIR");
}

}  // namespace millrace::broker
