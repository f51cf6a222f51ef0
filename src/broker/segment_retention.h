// Which parts of segment objects nobody wants any more.
#pragma once

#include "broker/topic.h"
#include "catalog/catalog.h"
#include "journal/index.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <unordered_map>
#include <vector>

namespace millrace::broker {

/// Of each partition at most what is in the journal and in no segment. Of a file that segments end
/// within, what they hold of the partition from its beginning on does not count, wherever in the
/// file it lies: sizes of batches are not known here, and what is kept must not be too little.
std::unordered_map<TopicPartition, uint64_t> bytes_not_cut(
    const std::vector<journal::FileSummary>& files,
    const std::vector<catalog::SegmentRow>& segments);

/// What retention asks of a partition.
struct SegmentWishes {
  /// nullopt: its topic is deleted, and nothing of it is wanted.
  std::function<std::optional<TopicSettings>(const TopicId&)> settings;
  /// Bytes of it that are in the journal and in no segment, and acknowledged.
  std::function<uint64_t(TopicPartition)> bytes_behind;
  /// Records below it were deleted.
  std::function<Offset(TopicPartition)> deleted_below;
};

/// Parts that are expired, by retention.ms (their newest record is older), retention.bytes (so many
/// bytes are behind them), the deletion of all their records or the end of their topic. Of each
/// partition only its oldest, so that what is left is dense, whatever else their objects hold. In
/// an order in which each partition's older parts come first, and else by object.
std::vector<catalog::TrimmedPart> expired_parts(const std::vector<catalog::SegmentRow>& segments,
                                                const SegmentWishes& wishes, int64_t now_ms);

/// The first offset of a partition that is wanted, by the same rules: their end if none is.
/// `parts`: all that segments have of it, in order of offset.
Offset wanted_from(const std::vector<catalog::SegmentPartRow>& parts, const SegmentWishes& wishes,
                   int64_t now_ms);

}  // namespace millrace::broker
