#include "segment/object_check.h"

#include <algorithm>
#include <array>

namespace millrace::segment {
namespace {

constexpr size_t kPiece = size_t{4} << 20;  // read at once

Result<bool> is_footer_good(const objects::ObjectReader& reader) {
  const uint64_t size = reader.bytes();
  if (size < kHeaderBytes + kFooterBytes) {
    return false;
  }
  std::array<std::byte, kFooterBytes> bytes{};
  const Status read = reader.read_at(size - bytes.size(), bytes);
  if (!read.ok() && !is_of_the_object(read.error())) {
    return read.error();
  }
  return read.ok() && Footer::parse(bytes, size).ok();
}

Status add(ObjectCheck::Damages& damages, const char* problem, std::optional<uint64_t> position,
           const Error& error, std::optional<PartRange> range) {
  if (!is_of_the_object(error)) {
    return error;
  }
  damages.push_back({problem, position, error.message, range});
  return {};
}

}  // namespace

bool is_of_the_object(const Error& error) {
  return error.code == Code::kCorrupt || error.code == Code::kUnsupported ||
         error.code == Code::kNotFound || error.code == Code::kIo;
}

Result<std::unique_ptr<ObjectCheck>> ObjectCheck::open(
    std::unique_ptr<objects::ObjectReader> reader, const std::string& name, Depth depth,
    Damages& damages) {
  const uint64_t size = reader->bytes();
  MILLRACE_TRY(const bool has_footer, is_footer_good(*reader));
  auto object = Segment::open(std::move(reader), name);
  if (object.ok()) {
    return std::unique_ptr<ObjectCheck>(new ObjectCheck(*std::move(object), depth));
  }
  const auto position =
      has_footer || size < kFooterBytes ? std::nullopt : std::optional(size - kFooterBytes);
  MILLRACE_TRY_STATUS(add(damages, has_footer ? "object-tail" : "object-footer", position,
                          object.error(), std::nullopt));
  return std::unique_ptr<ObjectCheck>();
}

Result<std::optional<Header>> ObjectCheck::header(Damages& damages) const {
  auto header = object_->header();
  if (!header.ok()) {
    MILLRACE_TRY_STATUS(add(damages, "object-header", 0, header.error(), std::nullopt));
    return std::optional<Header>();
  }
  return std::optional(*header);
}

Result<uint64_t> ObjectCheck::step(Damages& damages) {
  const PartitionRow& row = object_->tail().partitions[part_];
  return index_ ? step_data(row, *index_, damages) : begin_part(row, damages);
}

void ObjectCheck::end_part() {
  ++part_;
  index_.reset();
}

Result<uint64_t> ObjectCheck::begin_part(const PartitionRow& row, Damages& damages) {
  auto index = object_->index(row);
  if (!index.ok()) {
    MILLRACE_TRY_STATUS(add(damages, "object-index", row.index_position, index.error(),
                            PartRange{row.partition, row.first, row.next}));
  }
  if (!index.ok() || depth_ == Depth::kIndexes) {
    end_part();
    return row.data_bytes;
  }
  index_ = *std::move(index);
  at_ = row.first;
  return uint64_t{0};
}

Result<uint64_t> ObjectCheck::step_data(const PartitionRow& row, const PartitionIndex& index,
                                        Damages& damages) {
  uint64_t bytes = 0;
  const auto batches = object_->read(row, index, at_, kPiece);
  if (batches.ok()) {
    at_ = batches->back().base_offset + batches->back().records;
    for (const auto& batch : *batches) {
      bytes += batch.payload.size();
    }
  } else {
    const auto entry = std::ranges::lower_bound(index.batches, at_, {}, &BatchEntry::base);
    uint64_t position = row.data_position;
    for (auto before = index.batches.begin(); before != entry; ++before) {
      position += before->bytes;
    }
    MILLRACE_TRY_STATUS(add(damages, "object-data", position, batches.error(),
                            PartRange{row.partition, entry->base, entry->next()}));
    at_ = entry->next();
    bytes = entry->bytes;
  }
  if (at_ >= row.next) {
    end_part();
  }
  return bytes;
}

}  // namespace millrace::segment
