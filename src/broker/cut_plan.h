// Which records become which segment objects.
#pragma once

#include "base/ids.h"
#include "segment/cut.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

namespace millrace::broker {

/// What the journal has of a partition, durable, and no segment has yet. Not empty.
struct Uncut {
  TopicPartition partition;
  Offset first;
  Offset next;
  uint64_t bytes = 0;
  std::chrono::steady_clock::duration age{};  // of its oldest record, as far as this process knows
  /// The journal is short of room, and its oldest file is kept for what is before that.
  std::optional<Offset> pressing;
  uint64_t pressing_bytes = 0;  // of those
};

struct CutRules {
  uint64_t bytes = uint64_t{64} << 20;         // of a segment
  uint64_t least_segment = uint64_t{8} << 20;  // smaller remainders share a mixed object
  std::chrono::milliseconds age{600'000};      // after which remainders are cut
  /// Before which nothing is cut, unless the journal is short of room.
  std::chrono::milliseconds least_age{0};
};

/// Objects to be cut, each by its parts in order of partition; none of a partition that can wait. A
/// partition of many segments has the first of them: the plan is made again afterwards. Full
/// segments come first, since they free most.
std::vector<std::vector<segment::CutPart>> plan_cuts(std::vector<Uncut> uncut,
                                                     const CutRules& rules);

}  // namespace millrace::broker
