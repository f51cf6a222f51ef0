#include "segment/cut.h"

#include <algorithm>

namespace millrace::segment {
namespace {

constexpr size_t kReadBytes = size_t{4} << 20;

class Cutter {
 public:
  Cutter(SegmentWriter& writer, const CutSource& source, const CutLimits& limits)
      : writer_(writer), source_(source), limits_(limits) {}

  /// Adds what can be read of a part. An error is one of the store.
  Status add(const CutPart& part) {
    Offset at = part.first;
    bool has_begun = false;
    while (at < part.next && !is_full(has_begun)) {
      auto batches = source_.read(part.partition, at, kReadBytes);
      if (!batches.ok()) {
        unread.emplace_back(part.partition, std::move(batches).error());
        break;
      }
      if (!has_begun) {
        writer_.begin_partition(part.partition, source_.topic(part.partition.topic));
        has_begun = true;
      }
      for (const auto& batch : *batches) {
        if (at >= part.next || is_full(true)) {
          break;
        }
        MILLRACE_TRY_STATUS(writer_.add(batch));
        at = batch.base_offset + batch.records;
      }
    }
    return has_begun ? writer_.end_partition() : Status();
  }

  std::vector<std::pair<TopicPartition, Error>> unread;

 private:
  bool is_full(bool has_begun) const {
    return has_begun && (writer_.partition_bytes() >= limits_.bytes ||
                         writer_.partition_batches() >= limits_.batches);
  }

  SegmentWriter& writer_;
  const CutSource& source_;
  const CutLimits& limits_;
};

}  // namespace

Result<Cut> cut(objects::ObjectStore& store, const Header& header, std::span<const CutPart> parts,
                const CutSource& source, const CutLimits& limits) {
  Cut cut;
  cut.name = parts.size() == 1
                 ? segment_name(header.object, parts.front().partition, parts.front().first)
                 : mixed_name(header.object);
  MILLRACE_TRY(auto out, store.create(cut.name));
  MILLRACE_TRY(auto writer, SegmentWriter::begin(std::move(out), header));
  Cutter cutter(writer, source, limits);
  for (const CutPart& part : parts) {
    MILLRACE_TRY_STATUS(cutter.add(part));
  }
  cut.unread = std::move(cutter.unread);
  if (writer.data_bytes() > 0) {
    MILLRACE_TRY(cut.made, writer.publish());
  }
  return cut;
}

}  // namespace millrace::segment
