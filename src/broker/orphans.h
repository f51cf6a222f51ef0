// Objects in the store that the catalog does not name: what a crash left there, or damage.
#pragma once

#include "base/ids.h"
#include "base/result.h"
#include "objects/object_store.h"
#include "segment/segment.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace millrace::broker {

enum class TopicState : uint8_t { kThere, kDeleted, kUnknown };

/// Why offsets [first, next), which journal or catalog have, cannot be read now; nullopt: they can.
/// Errors: the store's.
using WhyUnreadable =
    std::function<Result<std::optional<std::string>>(TopicPartition, Offset first, Offset next)>;

/// What is known without the object.
struct OrphanRules {
  DirectoryId directory;
  std::function<TopicState(const TopicId&)> topic;
  /// Behind the last offset that journal or catalog have of a partition.
  std::function<Offset(TopicPartition)> end;
  /// The first offset that journal or catalog have of it.
  std::function<Offset(TopicPartition)> start;
  /// By the topic's retention, which took what was before the start: others are lost with it.
  std::function<bool(const segment::PartitionRow&)> is_expired;
  /// Records below it were deleted.
  std::function<Offset(TopicPartition)> deleted_below;
  WhyUnreadable why_unreadable;
};

/// What an object was called when it was made.
std::string made_as(const segment::Segment& object);

/// Why an object that the catalog does not name must stay, to be told to people; nullopt: nothing
/// is lost with it, since all that it has can be read out of the journal or other objects, or is
/// beyond its topic's retention, deleted, or of a deleted topic. It was made by a process that
/// ended before the catalog named it, or is one that the catalog named no longer when the process
/// ended. Blocking. Errors: the store's.
Result<std::optional<std::string>> why_kept(objects::ObjectStore& store, const std::string& name,
                                            const OrphanRules& rules);

/// Why an object that the catalog lets go, since it was merged or expired, must stay: what stands
/// for it cannot be read; nullopt: it may go. Blocking. Errors: the store's.
Result<std::optional<std::string>> why_still_needed(objects::ObjectStore& store,
                                                    const std::string& name,
                                                    const OrphanRules& rules);

}  // namespace millrace::broker
