// The stored form of a sealed file's index: derived, so it is checked whole and rebuilt when wrong.
#include "bytes/crc32c.h"
#include "bytes/cursor.h"
#include "journal/index.h"

#include <cstring>

namespace millrace::journal {
namespace {

constexpr uint32_t kMagic = 0x5844494D;  // "MIDX"
constexpr uint32_t kVersion = 2;

PartitionSpan read_span(bytes::Reader& in) {
  PartitionSpan span;
  span.first = Offset{in.le<int64_t>()};
  span.end = Offset{in.le<int64_t>()};
  span.max_timestamp_ms = in.le<int64_t>();
  span.bytes = in.le<uint64_t>();
  const auto entries = in.le<uint32_t>();
  for (uint32_t i = 0; i < entries && in.ok(); ++i) {
    IndexEntry& entry = span.entries.emplace_back();
    entry.offset = Offset{in.le<int64_t>()};
    entry.position = in.le<uint64_t>();
    entry.max_timestamp_ms = in.le<int64_t>();
  }
  return span;
}

}  // namespace

bytes::Buffer FileIndex::encode(FileNumber number) const {
  bytes::Writer out;
  out.le(kMagic);
  out.le(uint32_t{0});  // CRC32C of what follows
  out.le(kVersion);
  out.le(number.value);
  out.le(first_run.value);
  out.le(last_run.value);
  out.le(end_position);
  out.le(last_crc);
  out.le(static_cast<uint32_t>(marks.size()));
  for (const uint64_t mark : marks) {
    out.le(mark);
  }
  out.le(static_cast<uint32_t>(partitions.size()));
  for (const auto& [partition, span] : partitions) {
    out.bytes(std::as_bytes(std::span(partition.topic.bytes)));
    out.le(partition.partition.value);
    out.le(span.first.value);
    out.le(span.end.value);
    out.le(span.max_timestamp_ms);
    out.le(span.bytes);
    out.le(static_cast<uint32_t>(span.entries.size()));
    for (const IndexEntry& entry : span.entries) {
      out.le(entry.offset.value);
      out.le(entry.position);
      out.le(entry.max_timestamp_ms);
    }
  }
  out.patch_le(4, bytes::crc32c(out.view().subspan(8)));
  return std::move(out).finish();
}

Result<FileIndex> FileIndex::decode(FileNumber number, std::span<const std::byte> stored) {
  bytes::Reader in(stored);
  const auto magic = in.le<uint32_t>();
  const auto crc = in.le<uint32_t>();
  if (!in.ok() || magic != kMagic || crc != bytes::crc32c(stored.subspan(8)) ||
      in.le<uint32_t>() != kVersion || in.le<uint64_t>() != number.value) {
    return make_error(Code::kCorrupt, "stored index of journal file {} is not whole", number);
  }
  FileIndex index;
  index.first_run = RunNumber{in.le<uint64_t>()};
  index.last_run = RunNumber{in.le<uint64_t>()};
  index.end_position = in.le<uint64_t>();
  index.last_crc = in.le<uint32_t>();
  const auto marks = in.le<uint32_t>();
  for (uint32_t i = 0; i < marks && in.ok(); ++i) {
    index.marks.push_back(in.le<uint64_t>());
    if (index.marks.back() % kBlock != 0 || (i > 0 && index.marks[i] <= index.marks[i - 1])) {
      in.fail("chunks out of order");
    }
  }
  const auto partitions = in.le<uint32_t>();
  for (uint32_t i = 0; i < partitions && in.ok(); ++i) {
    TopicPartition partition;
    const auto id = in.bytes(16);
    if (id.size() == 16) {
      std::memcpy(partition.topic.bytes.data(), id.data(), 16);
    }
    partition.partition = PartitionId{in.le<int32_t>()};
    PartitionSpan span = read_span(in);
    if (span.entries.empty()) {
      in.fail("partition without a place");
    }
    index.partitions.emplace(partition, std::move(span));
  }
  MILLRACE_TRY_STATUS(
      in.status(fmt::format("stored index of journal file {}", number), Code::kCorrupt));
  if (in.remaining() != 0) {
    return make_error(Code::kCorrupt, "stored index of journal file {} has {} bytes too many",
                      number, in.remaining());
  }
  return index;
}

}  // namespace millrace::journal
