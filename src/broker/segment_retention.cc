#include "broker/segment_retention.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <numeric>

namespace millrace::broker {
namespace {

using catalog::SegmentPartRow;
using catalog::SegmentRow;
using catalog::TrimmedPart;

/// A partition's part, and the object that has it: an index.
struct Place {
  const SegmentPartRow* part;
  size_t object;
};

/// A partition's parts, oldest first.
struct Line {
  std::vector<Place> places;
  size_t expired = 0;  // so many of them
  size_t taken = 0;    // of these
};

using Lines = std::map<TopicPartition, Line>;

Lines lines_of(const std::vector<SegmentRow>& segments, const SegmentWishes& wishes,
               int64_t now_ms) {
  Lines lines;
  for (size_t i = 0; i < segments.size(); ++i) {
    for (const SegmentPartRow& part : segments[i].parts) {
      lines[part.partition].places.push_back({&part, i});
    }
  }
  for (auto& [partition, line] : lines) {
    std::ranges::sort(line.places, {}, [](const Place& place) { return place.part->first; });
    std::vector<SegmentPartRow> parts;
    parts.reserve(line.places.size());
    std::ranges::transform(line.places, std::back_inserter(parts),
                           [](const Place& place) { return *place.part; });
    const Offset from = wanted_from(parts, wishes, now_ms);
    line.expired = static_cast<size_t>(std::ranges::count_if(
        parts, [&](const SegmentPartRow& part) { return part.next <= from; }));
  }
  return lines;
}

std::unordered_map<TopicPartition, record::PartitionRange> ranges_of(
    const std::vector<SegmentRow>& segments) {
  std::unordered_map<TopicPartition, record::PartitionRange> ranges;
  for (const SegmentRow& segment : segments) {
    for (const SegmentPartRow& part : segment.parts) {
      const auto [at, is_new] =
          ranges.try_emplace(part.partition, record::PartitionRange{part.first, part.next});
      at->second.start = std::min(at->second.start, part.first);
      at->second.end = std::max(at->second.end, part.next);
    }
  }
  return ranges;
}

}  // namespace

std::unordered_map<TopicPartition, uint64_t> bytes_not_cut(
    const std::vector<journal::FileSummary>& files, const std::vector<SegmentRow>& segments) {
  const auto ranges = ranges_of(segments);
  std::unordered_map<TopicPartition, uint64_t> bytes;
  std::unordered_map<TopicPartition, journal::PartitionSpan> split;  // where segments end
  for (const auto& file : files) {
    for (const auto& [partition, span] : file.partitions) {
      const auto range = ranges.find(partition);
      if (range == ranges.end() || range->second.end <= span.first) {
        bytes[partition] += span.bytes;
      } else if (range->second.end < span.end && range->second.start <= span.first) {
        split.emplace(partition, span);
      }
    }
  }
  for (const SegmentRow& segment : segments) {
    for (const SegmentPartRow& part : segment.parts) {
      const auto at = split.find(part.partition);
      if (at != split.end() && part.next > at->second.first) {
        at->second.bytes -= std::min(at->second.bytes, part.bytes);
      }
    }
  }
  for (const auto& [partition, span] : split) {
    bytes[partition] += span.bytes;
  }
  return bytes;
}

std::vector<TrimmedPart> expired_parts(const std::vector<SegmentRow>& segments,
                                       const SegmentWishes& wishes, int64_t now_ms) {
  Lines lines = lines_of(segments, wishes, now_ms);
  std::vector<size_t> order(segments.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::sort(
      order, {}, [&](size_t i) { return std::pair(segments[i].created_ms, segments[i].object); });
  std::vector<bool> is_due(segments.size());
  std::vector<TrimmedPart> expired;
  for (const size_t i : order) {
    is_due[i] = true;
    for (const SegmentPartRow& part : segments[i].parts) {
      Line& line = lines.at(part.partition);
      for (; line.taken < line.expired && is_due[line.places[line.taken].object]; ++line.taken) {
        expired.push_back({segments[line.places[line.taken].object].object, part.partition});
      }
    }
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
