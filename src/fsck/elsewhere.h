// What else has the records of an object, as far as catalog and journal tell.
#pragma once

#include "broker/orphans.h"
#include "catalog/catalog.h"
#include "fsck/report.h"
#include "fsck/start.h"
#include "segment/segment.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace millrace::fsck {

/// Keeps a reference to `start`. One thread.
class Elsewhere {
 public:
  /// `catalog`: nullptr where it cannot be read; then nothing is elsewhere.
  Elsewhere(const catalog::Contents* catalog, const Start& start, broker::WhyUnreadable why);

  /// What is known of objects that the catalog does not name; nullptr: nothing, since journal and
  /// catalog cannot be trusted together.
  const broker::OrphanRules* rules() const { return rules_ ? &*rules_ : nullptr; }

  /// Offsets of an object that the catalog does not name, of topics that are there, and that
  /// neither the journal nor another object has, and nobody deleted.
  std::vector<Touched> nowhere_else(const segment::Segment& object) const;

  /// All of it is in rows of other objects, in the journal, deleted, or of no topic that is there.
  bool is_elsewhere(const catalog::SegmentPartRow& part) const;

  /// No row has anything before it, and it is expired if the whole journal is behind it.
  bool is_trimmed(const catalog::SegmentPartRow& part) const;

  /// Nothing that it has is missing here: all of it is elsewhere, expired, or of topics that are
  /// not there.
  bool is_stray(const segment::Segment& object) const;

  /// Of each of its topics that is not there, one of the same name is, which was made later.
  bool is_of_earlier_topics(const segment::Segment& object) const;

 private:
  bool is_there(const TopicId& id) const;

  const Start& start_;
  std::optional<broker::OrphanRules> rules_;
  std::set<TopicId> topics_;                                    // of the catalog, not deleted
  std::map<TopicPartition, std::map<Offset, Offset>> covered_;  // the rows' parts: first to next
  std::map<TopicPartition, uint64_t> bytes_;                    // likewise
};

/// What was found so far.
struct Found {
  const Report& report;
  size_t of_journal = 0;                                             // so many findings come first
  const std::map<std::string, const catalog::SegmentRow*>& missing;  // objects, by name
};

/// Why these offsets cannot be read where journal and catalog have them; nullopt: they can.
std::optional<std::string> why_unreadable(const Found& found, const Start& start,
                                          const Touched& offsets);

}  // namespace millrace::fsck
