#include "broker/segment_retention.h"

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>

namespace millrace::broker {
namespace {

using catalog::SegmentPartRow;
using catalog::SegmentRow;

/// A partition's parts, oldest first, and what is behind those not looked at yet.
struct Line {
  std::map<Offset, const SegmentPartRow*> parts;
  uint64_t bytes = 0;  // of the parts, and in the journal
  Offset deleted_below;
  std::optional<TopicSettings> settings;
};

using Lines = std::map<TopicPartition, Line>;

Lines lines_of(const std::vector<SegmentRow>& segments, const SegmentWishes& wishes) {
  Lines lines;
  for (const SegmentRow& segment : segments) {
    for (const SegmentPartRow& part : segment.parts) {
      const auto [at, is_new] = lines.try_emplace(part.partition);
      if (is_new) {
        at->second.settings = wishes.settings(part.partition.topic);
        at->second.bytes = wishes.bytes_behind(part.partition);
        at->second.deleted_below = wishes.deleted_below(part.partition);
      }
      at->second.parts[part.first] = &part;
      at->second.bytes += part.bytes;
    }
  }
  return lines;
}

bool is_unwanted(const Line& line, const SegmentPartRow& part, int64_t now_ms) {
  if (line.parts.begin()->second != &part) {
    return false;
  }
  return !line.settings || part.next <= line.deleted_below ||
         line.settings->is_expired(part.max_timestamp_ms, line.bytes - part.bytes, now_ms);
}

}  // namespace

std::vector<Uuid> expired_segments(const std::vector<SegmentRow>& segments,
                                   const SegmentWishes& wishes, int64_t now_ms) {
  Lines lines = lines_of(segments, wishes);
  std::vector<const SegmentRow*> left;
  left.reserve(segments.size());
  for (const SegmentRow& segment : segments) {
    left.push_back(&segment);
  }
  // In order of offset one pass takes nearly all; another finds what mixed objects held back.
  std::ranges::sort(left, {},
                    [](const SegmentRow* segment) { return segment->parts.front().first; });
  std::vector<Uuid> expired;
  for (bool is_more = true; is_more;) {
    const size_t before = expired.size();
    std::erase_if(left, [&](const SegmentRow* segment) {
      const bool is_expired = std::ranges::all_of(segment->parts, [&](const SegmentPartRow& part) {
        return is_unwanted(lines.at(part.partition), part, now_ms);
      });
      if (is_expired) {
        expired.push_back(segment->object);
        for (const SegmentPartRow& part : segment->parts) {
          Line& line = lines.at(part.partition);
          line.parts.erase(part.first);
          line.bytes -= part.bytes;
        }
      }
      return is_expired;
    });
    is_more = expired.size() > before;
  }
  return expired;
}

Offset wanted_from(const std::vector<SegmentPartRow>& parts, const SegmentWishes& wishes,
                   int64_t now_ms) {
  if (parts.empty()) {
    return {};
  }
  const TopicPartition partition = parts.front().partition;
  const auto settings = wishes.settings(partition.topic);
  if (!settings) {
    return parts.back().next;
  }
  const Offset deleted_below = wishes.deleted_below(partition);
  uint64_t bytes = wishes.bytes_behind(partition);
  for (const SegmentPartRow& part : parts) {
    bytes += part.bytes;
  }
  for (const SegmentPartRow& part : parts) {
    bytes -= part.bytes;
    if (part.next > deleted_below && !settings->is_expired(part.max_timestamp_ms, bytes, now_ms)) {
      return part.first;
    }
  }
  return parts.back().next;
}

}  // namespace millrace::broker
