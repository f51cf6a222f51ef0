#include "segment/segment.h"

#include "bytes/crc32c.h"

#include <algorithm>

namespace millrace::segment {

Result<std::unique_ptr<Segment>> Segment::open(std::unique_ptr<objects::ObjectReader> object,
                                               std::string name) {
  std::unique_ptr<Segment> segment(new Segment(std::move(object), std::move(name)));
  if (Status loaded = segment->load(); !loaded.ok()) {
    return segment->within(std::move(loaded).error());
  }
  return segment;
}

Error Segment::within(Error error) const {
  if (error.code == Code::kNotFound) {  // of the object: to our callers, of an offset
    error.code = Code::kCorrupt;
  }
  return std::move(error).within(name_);
}

Status Segment::load() {
  const uint64_t size = object_->bytes();
  if (size < kHeaderBytes + kFooterBytes) {
    return make_error(Code::kCorrupt, "{} bytes are no segment object", size);
  }
  end_.resize(std::min<uint64_t>(size, kEndBytes));
  MILLRACE_TRY_STATUS(object_->read_at(size - end_.size(), end_));
  const auto footer = std::span<const std::byte>(end_).last<kFooterBytes>();
  MILLRACE_TRY(footer_, Footer::parse(footer, size));
  end_.resize(end_.size() - kFooterBytes);
  MILLRACE_TRY(const auto tail, bytes_at(footer_.topics_position, footer_.tail_bytes()));
  MILLRACE_TRY(tail_, Tail::parse(footer_, tail));
  return {};
}

Result<std::vector<std::byte>> Segment::bytes_at(uint64_t position, size_t bytes) const {
  std::vector<std::byte> out(bytes);
  const uint64_t end_at = footer_.object_bytes - kFooterBytes - end_.size();
  if (position >= end_at && bytes <= end_.size() && position - end_at <= end_.size() - bytes) {
    std::copy_n(end_.begin() + static_cast<ptrdiff_t>(position - end_at), bytes, out.begin());
  } else {
    MILLRACE_TRY_STATUS(object_->read_at(position, out));
  }
  return out;
}

Result<PartitionIndex> Segment::index(const PartitionRow& row) const {
  auto stored = bytes_at(row.index_position, row.index_bytes);
  if (!stored.ok()) {
    return within(std::move(stored).error());
  }
  auto index = PartitionIndex::parse(row, *stored);
  if (!index.ok()) {
    return within(std::move(index).error().within(fmt::format(
        "partition {} of topic {}", row.partition.partition, row.partition.topic.to_string())));
  }
  return index;
}

Result<std::vector<record::StoredBatch>> Segment::read(const PartitionRow& row,
                                                       const PartitionIndex& index, Offset from,
                                                       const record::ReadLimit& limit) const {
  std::vector<record::StoredBatch> batches;
  if (from < row.first || from >= row.next) {
    return batches;
  }
  const auto behind = std::ranges::upper_bound(index.batches, from, {}, &BatchEntry::base);
  const auto first = std::prev(behind);
  if (!limit.lets(first->bytes)) {
    return record::no_room_for(first->bytes, first->base);
  }
  uint64_t position = row.data_position;
  for (auto before = index.batches.begin(); before != first; ++before) {
    position += before->bytes;
  }
  size_t bytes = first->bytes;
  auto last = behind;
  for (; last != index.batches.end() && bytes + last->bytes <= limit.bytes; ++last) {
    bytes += last->bytes;
  }
  auto owner = std::make_shared_for_overwrite<std::byte[]>(bytes);
  const std::span<std::byte> data(owner.get(), bytes);
  if (Status read = object_->read_at(position, data); !read.ok()) {
    return within(std::move(read).error());
  }
  const bytes::Buffer all = bytes::Buffer::adopt(std::move(owner), data);
  size_t at = 0;
  for (auto entry = first; entry != last; ++entry) {
    bytes::Buffer payload = all.slice(at, entry->bytes);
    if (const uint32_t crc = bytes::crc32c(payload); crc != entry->crc) {
      if (!batches.empty()) {
        return batches;  // the damage is reported to whoever reads on from here
      }
      return make_error(Code::kCorrupt,
                        "{}: the batch at offset {} of partition {} of topic {}, {} bytes at {}, "
                        "has CRC {:#010x}, its index says {:#010x}",
                        name_, entry->base, row.partition.partition,
                        row.partition.topic.to_string(), entry->bytes, position + at, crc,
                        entry->crc);
    }
    at += entry->bytes;
    batches.push_back({entry->base, entry->offsets, entry->max_timestamp_ms, std::move(payload)});
  }
  return batches;
}

Result<Header> Segment::header() const {
  std::array<std::byte, kHeaderBytes> bytes{};
  if (Status read = object_->read_at(0, bytes); !read.ok()) {
    return within(std::move(read).error());
  }
  auto header = Header::parse(bytes);
  if (!header.ok()) {
    return within(std::move(header).error());
  }
  if (bytes::crc32c(bytes) != footer_.header_crc || header->object != footer_.object) {
    return within(make_error(Code::kCorrupt, "its header and its footer are of two objects"));
  }
  return header;
}

Result<Header> Segment::verify() const {
  MILLRACE_TRY(const Header header, this->header());
  for (const PartitionRow& row : tail_.partitions) {
    MILLRACE_TRY(const PartitionIndex index, this->index(row));
    for (Offset at = row.first; at < row.next;) {
      constexpr size_t kPiece = size_t{4} << 20;
      MILLRACE_TRY(const auto batches, read(row, index, at, kPiece));
      at = batches.back().base_offset + batches.back().records;
    }
  }
  return header;
}

}  // namespace millrace::segment
