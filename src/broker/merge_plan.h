// Which segment objects are rewritten into which: docs/decisions/014.
#pragma once

#include "base/ids.h"
#include "broker/history.h"
#include "catalog/catalog.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace millrace::broker {

struct MergeRules {
  uint64_t bytes = uint64_t{64} << 20;         // of a segment
  uint64_t least_segment = uint64_t{8} << 20;  // what has less shares an object
  size_t batches = size_t{1} << 16;            // of one partition in an object, at most
  /// Those that are merged have together as many times the bytes of the largest of them.
  uint64_t factor = 8;
  /// Of objects that are all as old, twice is enough.
  std::chrono::milliseconds age{300'000};
  size_t most_objects = 256;  // in a group
};

/// Something can be won by merging it: a small segment, or a mixed object of which less than half
/// the bytes of a segment are wanted.
bool is_mergeable(const catalog::SegmentRow& object, const MergeRules& rules);

/// Two or more objects to be merged, so that in them each partition's parts are contiguous; none:
/// nothing is due. `objects`: all that may be. Each time a byte is rewritten the bytes around it,
/// in an object, double at least, or go into segments that are left alone: so it is not rewritten
/// more often than about log2(rules.bytes / bytes of its first object).
std::vector<History::SegmentPtr> plan_merge(std::vector<History::SegmentPtr> objects,
                                            int64_t now_ms, const MergeRules& rules);

/// A part of one of the objects that are merged.
struct MergePart {
  size_t object = 0;  // which of them
  TopicPartition partition;
  Offset first;
  Offset next;
  uint64_t bytes = 0;
  size_t batches = 0;
};

/// Parts of one partition that become one, in order of offset.
using MergedPart = std::vector<MergePart>;

/// The objects that are made of parts, each by its partitions in order: segments of those that
/// have enough together, mixed objects of the rest. Parts stay whole, since what their indexes say
/// is true at their ends.
std::vector<std::vector<MergedPart>> plan_merged(std::vector<MergePart> parts,
                                                 const MergeRules& rules);

}  // namespace millrace::broker
