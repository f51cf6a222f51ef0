#include "segment/format.h"

#include "bytes/crc32c.h"
#include "bytes/cursor.h"

#include <algorithm>
#include <cstring>

namespace millrace::segment {
namespace {

constexpr uint32_t kHeaderMagic = 0x4745534D;  // "MSEG"
constexpr uint32_t kFooterMagic = 0x4D534547;  // "GESM"
constexpr size_t kHeaderCrcAt = 60;
constexpr size_t kFooterCrcAt = 56;

template <typename... Args>
Error corrupt(fmt::format_string<Args...> format, Args&&... args) {
  return make_error(Code::kCorrupt, format, std::forward<Args>(args)...);
}

void put_id(bytes::Writer& out, const Uuid& id) {
  out.bytes(std::as_bytes(std::span(id.bytes)));
}

Uuid read_id(bytes::Reader& in) {
  Uuid id;
  const auto raw = in.bytes(id.bytes.size());
  if (raw.size() == id.bytes.size()) {
    std::memcpy(id.bytes.data(), raw.data(), raw.size());
  }
  return id;
}

bool are_zero(std::span<const std::byte> bytes) {
  return std::ranges::all_of(bytes, [](std::byte byte) { return byte == std::byte{0}; });
}

template <size_t kSize>
std::array<std::byte, kSize> array_of(const bytes::Writer& out) {
  std::array<std::byte, kSize> bytes{};
  std::ranges::copy(out.view(), bytes.begin());
  return bytes;
}

Status check_version(uint16_t version) {
  if (version > kFormatVersion) {
    return make_error(
        Code::kUnsupported,
        "written by a newer version of Millrace (segment format {}, this one reads {})", version,
        kFormatVersion);
  }
  return version == kFormatVersion ? Status() : corrupt("format version {}", version);
}

void put_text(bytes::Writer& out, std::string_view text) {
  out.le(static_cast<uint32_t>(text.size()));
  out.text(text);
}

std::string read_text(bytes::Reader& in) {
  const auto size = in.le<uint32_t>();
  return std::string(bytes::as_text(in.bytes(size)));
}

void put_row(bytes::Writer& out, const PartitionRow& row) {
  put_id(out, row.partition.topic);
  out.le(row.partition.partition.value);
  out.le(row.batches);
  out.le(row.first.value);
  out.le(row.next.value);
  out.le(row.stable.value);
  out.le(row.max_timestamp_ms);
  out.le(row.data_position);
  out.le(row.data_bytes);
  out.le(row.index_position);
  out.le(row.index_bytes);
  out.le(row.index_bytes_unpacked);
  out.le(row.index_crc);
  out.le(uint32_t{0});
  out.le(uint64_t{0});
}

Result<PartitionRow> read_row(bytes::Reader& in) {
  PartitionRow row;
  row.partition.topic = TopicId(read_id(in));
  row.partition.partition = PartitionId{in.le<int32_t>()};
  row.batches = in.le<uint32_t>();
  row.first = Offset{in.le<int64_t>()};
  row.next = Offset{in.le<int64_t>()};
  row.stable = Offset{in.le<int64_t>()};
  row.max_timestamp_ms = in.le<int64_t>();
  row.data_position = in.le<uint64_t>();
  row.data_bytes = in.le<uint64_t>();
  row.index_position = in.le<uint64_t>();
  row.index_bytes = in.le<uint32_t>();
  row.index_bytes_unpacked = in.le<uint32_t>();
  row.index_crc = in.le<uint32_t>();
  const bool is_zero = are_zero(in.bytes(12));
  if (row.partition.partition.value < 0 || row.batches == 0 || row.first.value < 0 ||
      row.next <= row.first || row.stable.value < 0 || row.stable > row.next ||
      row.data_bytes == 0 || row.index_bytes > row.index_bytes_unpacked ||
      row.index_bytes_unpacked > kMaxIndexBytes || !is_zero) {
    return corrupt("the row of partition {} of topic {} contradicts itself",
                   row.partition.partition, row.partition.topic.to_string());
  }
  return row;
}

/// Data, then indexes, then the topics, each where the one before ends.
Status check_positions(const Footer& footer, const std::vector<PartitionRow>& rows) {
  uint64_t at = kHeaderBytes;
  const auto take = [&](uint64_t position, uint64_t bytes) {
    const bool is_right = position == at && bytes <= footer.topics_position - at;
    at += is_right ? bytes : 0;
    return is_right;
  };
  for (const PartitionRow& row : rows) {
    if (!take(row.data_position, row.data_bytes)) {
      return corrupt("the batches of partition {} are not where those before end",
                     row.partition.partition);
    }
  }
  for (const PartitionRow& row : rows) {
    if (!take(row.index_position, row.index_bytes)) {
      return corrupt("the index of partition {} is not where that before ends",
                     row.partition.partition);
    }
  }
  return at == footer.topics_position
             ? Status()
             : corrupt("{} bytes between indexes and topics", footer.topics_position - at);
}

Result<std::vector<TopicEntry>> read_topics(std::span<const std::byte> bytes) {
  bytes::Reader in(bytes);
  std::vector<TopicEntry> topics;
  while (in.ok() && in.remaining() > 0) {
    TopicEntry& entry = topics.emplace_back();
    entry.id = TopicId(read_id(in));
    entry.topic = read_text(in);
    entry.schema = read_text(in);
    if (topics.size() > 1 && !(topics[topics.size() - 2].id < entry.id)) {
      in.fail("not in order");
    }
  }
  MILLRACE_TRY_STATUS(in.status("topics", Code::kCorrupt));
  return topics;
}

}  // namespace

std::array<std::byte, kHeaderBytes> Header::encode() const {
  bytes::Writer out;
  out.le(kHeaderMagic);
  out.le(kFormatVersion);
  out.le(static_cast<uint16_t>(kHeaderBytes));
  put_id(out, directory);
  put_id(out, object);
  out.le(created_ms);
  out.le(uint64_t{0});
  out.le(uint32_t{0});
  out.le(bytes::crc32c(out.view()));
  return array_of<kHeaderBytes>(out);
}

Result<Header> Header::parse(std::span<const std::byte, kHeaderBytes> bytes) {
  bytes::Reader in(bytes);
  if (in.le<uint32_t>() != kHeaderMagic) {
    return corrupt("no segment object begins here");
  }
  MILLRACE_TRY_STATUS(check_version(in.le<uint16_t>()));
  const auto size = in.le<uint16_t>();
  Header header;
  header.directory = DirectoryId(read_id(in));
  header.object = ObjectId(read_id(in));
  header.created_ms = in.le<int64_t>();
  const bool is_zero = are_zero(in.bytes(12));
  if (in.le<uint32_t>() != bytes::crc32c(bytes.first<kHeaderCrcAt>())) {
    return corrupt("the header's CRC does not match");
  }
  if (size != kHeaderBytes || !is_zero) {
    return corrupt("a header of {} bytes, or a field that must be 0", size);
  }
  return header;
}

std::array<std::byte, kFooterBytes> Footer::encode() const {
  bytes::Writer out;
  out.le(object_bytes);
  out.le(topics_position);
  out.le(topics_bytes);
  out.le(partitions);
  out.le(tail_crc);
  out.le(header_crc);
  put_id(out, object);
  out.le(kFormatVersion);
  out.le(uint16_t{0});
  out.le(uint32_t{0});
  out.le(bytes::crc32c(out.view()));
  out.le(kFooterMagic);
  return array_of<kFooterBytes>(out);
}

Result<Footer> Footer::parse(std::span<const std::byte, kFooterBytes> bytes,
                             uint64_t object_bytes) {
  bytes::Reader in(bytes);
  Footer footer;
  footer.object_bytes = in.le<uint64_t>();
  footer.topics_position = in.le<uint64_t>();
  footer.topics_bytes = in.le<uint32_t>();
  footer.partitions = in.le<uint32_t>();
  footer.tail_crc = in.le<uint32_t>();
  footer.header_crc = in.le<uint32_t>();
  footer.object = ObjectId(read_id(in));
  const auto version = in.le<uint16_t>();
  const bool is_zero = are_zero(in.bytes(6));
  const auto crc = in.le<uint32_t>();
  if (in.le<uint32_t>() != kFooterMagic) {
    return corrupt("no segment object ends here");
  }
  MILLRACE_TRY_STATUS(check_version(version));
  if (crc != bytes::crc32c(bytes.first<kFooterCrcAt>())) {
    return corrupt("the footer's CRC does not match");
  }
  if (footer.object_bytes != object_bytes) {
    return corrupt("the object has {} bytes, its footer says {}", object_bytes,
                   footer.object_bytes);
  }
  const uint64_t tail = footer.tail_bytes();
  if (!is_zero || footer.partitions == 0 || tail > kMaxTailBytes ||
      footer.topics_position < kHeaderBytes ||
      object_bytes - kFooterBytes < footer.topics_position ||
      object_bytes - kFooterBytes - footer.topics_position != tail) {
    return corrupt("the footer contradicts itself: topics at {}, a tail of {} bytes",
                   footer.topics_position, tail);
  }
  return footer;
}

bytes::Buffer Tail::encode_topics() const {
  bytes::Writer out;
  for (const TopicEntry& entry : topics) {
    put_id(out, entry.id);
    put_text(out, entry.topic);
    put_text(out, entry.schema);
  }
  return std::move(out).finish();
}

bytes::Buffer Tail::encode_partitions() const {
  bytes::Writer out(partitions.size() * kPartitionRowBytes);
  for (const PartitionRow& row : partitions) {
    put_row(out, row);
  }
  return std::move(out).finish();
}

Result<Tail> Tail::parse(const Footer& footer, std::span<const std::byte> bytes) {
  if (bytes.size() != footer.tail_bytes() || bytes::crc32c(bytes) != footer.tail_crc) {
    return corrupt("the CRC of topics and partitions does not match");
  }
  Tail tail;
  MILLRACE_TRY(tail.topics, read_topics(bytes.first(footer.topics_bytes)));
  bytes::Reader in(bytes.subspan(footer.topics_bytes));
  tail.partitions.reserve(footer.partitions);
  for (uint32_t i = 0; i < footer.partitions; ++i) {
    MILLRACE_TRY(const PartitionRow row, read_row(in));
    if (i > 0 && !(tail.partitions.back().partition < row.partition)) {
      return corrupt("partitions are not in order");
    }
    if (tail.topic(row.partition.topic) == nullptr) {
      return corrupt("no entry for topic {}", row.partition.topic.to_string());
    }
    tail.partitions.push_back(row);
  }
  MILLRACE_TRY_STATUS(check_positions(footer, tail.partitions));
  return tail;
}

const TopicEntry* Tail::topic(const TopicId& id) const {
  const auto at = std::ranges::lower_bound(topics, id, {}, &TopicEntry::id);
  return at != topics.end() && at->id == id ? &*at : nullptr;
}

const PartitionRow* Tail::partition(TopicPartition partition) const {
  const auto at = std::ranges::lower_bound(partitions, partition, {}, &PartitionRow::partition);
  return at != partitions.end() && at->partition == partition ? &*at : nullptr;
}

std::string segment_name(const ObjectId& object, TopicPartition partition, Offset first) {
  return fmt::format("segments/{}/{}/{:020}-{}.seg", partition.topic.to_string(),
                     partition.partition, first, object.to_string());
}

std::string mixed_name(const ObjectId& object) {
  return fmt::format("{}{}.seg", kMixedFolder, object.to_string());
}

}  // namespace millrace::segment
