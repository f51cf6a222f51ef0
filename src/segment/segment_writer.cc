#include "segment/segment_writer.h"

#include "base/check.h"
#include "bytes/codec.h"
#include "bytes/crc32c.h"
#include "record/record_batch.h"

#include <algorithm>

namespace millrace::segment {
namespace {

constexpr size_t kLeastPacked = 1024;  // of an index: below it compression saves nobody a request

}  // namespace

Result<SegmentWriter> SegmentWriter::begin(std::unique_ptr<objects::ObjectWriter> out,
                                           const Header& header) {
  SegmentWriter writer(std::move(out), header);
  const auto encoded = header.encode();
  writer.header_crc_ = bytes::crc32c(encoded);
  MILLRACE_TRY_STATUS(writer.put(encoded));
  return writer;
}

Status SegmentWriter::put(std::span<const std::byte> bytes) {
  MILLRACE_TRY_STATUS(out_->write(bytes));
  position_ += bytes.size();
  return {};
}

void SegmentWriter::begin_partition(TopicPartition partition, const TopicEntry& topic) {
  MILLRACE_CHECK(topic.id == partition.topic, "the entry of another topic");
  MILLRACE_CHECK(tail_.partitions.empty() || tail_.partitions.back().partition < partition,
                 "partitions out of order");
  if (tail_.topics.empty() || tail_.topics.back().id != topic.id) {
    tail_.topics.push_back(topic);
  }
  row_ = {.partition = partition, .data_position = position_};
  index_ = {};
}

Status SegmentWriter::add(const record::StoredBatch& batch) {
  MILLRACE_TRY(const auto header, record::parse_header(batch.payload));
  if (header.size() != batch.payload.size()) {
    return make_error(Code::kCorrupt, "the batch at offset {} of partition {} has {} bytes, not {}",
                      batch.base_offset, row_.partition.partition, header.size(),
                      batch.payload.size());
  }
  const BatchEntry entry{.base = batch.base_offset,
                         .offsets = batch.records,
                         .bytes = static_cast<uint32_t>(batch.payload.size()),
                         .max_timestamp_ms = batch.max_timestamp_ms,
                         .crc = record::whole_crc({header, batch.payload.span()}),
                         .attributes = static_cast<uint16_t>(header.attributes),
                         .producer_epoch = header.producer_epoch,
                         .producer_id = header.producer_id,
                         .base_sequence = header.base_sequence,
                         .records = static_cast<uint32_t>(header.record_count)};
  return add(entry, batch.payload);
}

Status SegmentWriter::add(const BatchEntry& entry, std::span<const std::byte> payload) {
  MILLRACE_CHECK(index_.batches.empty() || entry.base == row_.next, "batches are not dense");
  MILLRACE_CHECK(entry.bytes == payload.size(), "the entry of another batch");
  if (index_.batches.empty()) {
    row_.first = entry.base;
  }
  index_.batches.push_back(entry);
  row_.next = entry.next();
  row_.max_timestamp_ms = std::max(row_.max_timestamp_ms, entry.max_timestamp_ms);
  row_.data_bytes += payload.size();
  return put(payload);
}

Status SegmentWriter::end_partition(PartitionState state) {
  MILLRACE_CHECK(!index_.batches.empty(), "a partition without batches");
  row_.batches = static_cast<uint32_t>(index_.batches.size());
  row_.stable = row_.next;
  for (const OpenTransaction& open : state.open) {
    row_.stable = std::min(row_.stable, open.first);
  }
  index_.state = std::move(state);
  const bytes::Buffer plain = index_.encode();
  std::vector<std::byte> packed(plain.span().begin(), plain.span().end());
  if (plain.size() >= kLeastPacked) {
    MILLRACE_TRY(auto smaller, bytes::compress(bytes::Codec::kZstd, plain));
    if (smaller.size() < packed.size()) {
      packed = std::move(smaller);
    }
  }
  row_.index_bytes = static_cast<uint32_t>(packed.size());
  row_.index_bytes_unpacked = static_cast<uint32_t>(plain.size());
  row_.index_crc = bytes::crc32c(packed);
  tail_.partitions.push_back(row_);
  indexes_.push_back(std::move(packed));
  return {};
}

Result<MadeSegment> SegmentWriter::publish() {
  MILLRACE_CHECK(!tail_.partitions.empty(), "an object without partitions");
  for (size_t i = 0; i < indexes_.size(); ++i) {
    tail_.partitions[i].index_position = position_;
    MILLRACE_TRY_STATUS(put(indexes_[i]));
  }
  const bytes::Buffer topics = tail_.encode_topics();
  const bytes::Buffer rows = tail_.encode_partitions();
  Footer footer;
  footer.topics_position = position_;
  footer.topics_bytes = static_cast<uint32_t>(topics.size());
  footer.partitions = static_cast<uint32_t>(tail_.partitions.size());
  footer.tail_crc = bytes::crc32c(rows, bytes::crc32c(topics));
  footer.header_crc = header_crc_;
  footer.object = header_.object;
  footer.object_bytes = position_ + footer.tail_bytes() + kFooterBytes;
  MILLRACE_TRY_STATUS(put(topics));
  MILLRACE_TRY_STATUS(put(rows));
  MILLRACE_TRY_STATUS(put(footer.encode()));
  MILLRACE_TRY_STATUS(out_->publish());
  return MadeSegment{header_.object, position_, std::move(tail_.partitions)};
}

}  // namespace millrace::segment
