#include "journal/format.h"

#include "bytes/crc32c.h"
#include "bytes/cursor.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

namespace millrace::journal {
namespace {

constexpr uint32_t kMagic = 0x4E55524D;  // "MRUN"
constexpr size_t kCrcAt = 84;
constexpr size_t kDigits = 20;

template <typename T>
void put(std::span<std::byte> out, size_t at, T value) {
  std::memcpy(out.data() + at, &value, sizeof value);
}

/// Magic, version and size.
bool begins_as_header(std::span<const std::byte> block) {
  bytes::Reader in(block.first(kRunHeaderBytes));
  return in.le<uint32_t>() == kMagic && in.le<uint16_t>() == kFormatVersion &&
         in.le<uint16_t>() == kRunHeaderBytes;
}

struct RawHeader {
  RunHeader header;
  uint64_t reserved = 0;
};

RawHeader read_fields(std::span<const std::byte> block) {
  bytes::Reader in(block.subspan(8, kRunHeaderBytes - 8));
  RunHeader header;
  std::memcpy(header.directory.bytes.data(), in.bytes(16).data(), 16);
  header.file = FileNumber{in.le<uint64_t>()};
  header.position = in.le<uint64_t>();
  header.run = RunNumber{in.le<uint64_t>()};
  header.durable_upto = RunNumber{in.le<uint64_t>()};
  header.length = in.le<uint32_t>();
  header.frames = in.le<uint32_t>();
  header.frames_crc = in.le<uint32_t>();
  header.previous_crc = in.le<uint32_t>();
  header.flags = in.le<uint32_t>();
  const auto reserved = in.le<uint64_t>();
  header.crc = in.le<uint32_t>();
  return {header, reserved};
}

bool is_whole(const RunHeader& header, std::span<const std::byte> block) {
  return header.crc == bytes::crc32c(block.first(kCrcAt));
}

}  // namespace

std::array<std::byte, kRunHeaderBytes> RunHeader::encode() {
  std::array<std::byte, kRunHeaderBytes> out{};
  put(out, 0, kMagic);
  put(out, 4, kFormatVersion);
  put(out, 6, static_cast<uint16_t>(kRunHeaderBytes));
  std::memcpy(out.data() + 8, directory.bytes.data(), 16);
  put(out, 24, file.value);
  put(out, 32, position);
  put(out, 40, run.value);
  put(out, 48, durable_upto.value);
  put(out, 56, length);
  put(out, 60, frames);
  put(out, 64, frames_crc);
  put(out, 68, previous_crc);
  put(out, 72, flags);
  crc = bytes::crc32c(std::span(out).first(kCrcAt));
  put(out, kCrcAt, crc);
  return out;
}

std::optional<RunHeader> RunHeader::parse(std::span<const std::byte> block) {
  if (!begins_as_header(block)) {
    return std::nullopt;
  }
  const auto [header, reserved] = read_fields(block);
  const bool fits = reserved == 0 && header.position % kBlock == 0 &&
                    header.durable_upto < header.run &&
                    header.length >= kRunHeaderBytes + header.table_bytes() && header.flags <= 3;
  return is_whole(header, block) && fits ? std::optional(header) : std::nullopt;
}

std::optional<RunHeader> damaged_header_in(std::span<const std::byte> block,
                                           const RunHeader& expected) {
  const RunHeader found = read_fields(block).header;
  const std::array<bool, 6> fits{
      begins_as_header(block),     found.directory == expected.directory,
      found.file == expected.file, found.position == expected.position,
      found.run == expected.run,   found.previous_crc == expected.previous_crc};
  if (std::ranges::count(fits, true) < static_cast<ptrdiff_t>(fits.size()) - 1 ||
      (begins_as_header(block) && is_whole(found, block))) {
    return std::nullopt;
  }
  RunHeader header = expected;
  header.length = std::max<uint32_t>(found.length, kRunHeaderBytes);
  return header;
}

std::optional<uint16_t> newer_version_in(std::span<const std::byte> block) {
  bytes::Reader in(block);
  const auto magic = in.le<uint32_t>();
  const auto version = in.le<uint16_t>();
  const auto header_bytes = in.le<uint16_t>();
  if (magic != kMagic || version <= kFormatVersion || header_bytes < 16 ||
      header_bytes > block.size()) {
    return std::nullopt;
  }
  bytes::Reader tail(block.subspan(header_bytes - 4U, 4));
  const bool is_whole = tail.le<uint32_t>() == bytes::crc32c(block.first(header_bytes - 4U));
  return is_whole ? std::optional(version) : std::nullopt;
}

void FrameHeader::encode(std::span<std::byte, kFrameHeaderBytes> out) const {
  std::memset(out.data(), 0, out.size());
  put(out, 0, payload_bytes);
  put(out, 4, static_cast<uint8_t>(type));
  std::memcpy(out.data() + 8, partition.topic.bytes.data(), 16);
  put(out, 24, partition.partition.value);
  put(out, 28, records);
  put(out, 32, base_offset.value);
  put(out, 40, max_timestamp_ms);
  put(out, 48, payload_crc);
}

Result<FrameHeader> FrameHeader::parse(std::span<const std::byte> bytes) {
  bytes::Reader in(bytes.first(kFrameHeaderBytes));
  FrameHeader frame;
  frame.payload_bytes = in.le<uint32_t>();
  frame.type = static_cast<FrameType>(in.u8());
  const uint8_t zero_1 = in.u8();
  const auto zero_2 = in.le<uint16_t>();
  std::memcpy(frame.partition.topic.bytes.data(), in.bytes(16).data(), 16);
  frame.partition.partition = PartitionId{in.le<int32_t>()};
  frame.records = in.le<uint32_t>();
  frame.base_offset = Offset{in.le<int64_t>()};
  frame.max_timestamp_ms = in.le<int64_t>();
  frame.payload_crc = in.le<uint32_t>();
  const auto zero_3 = in.le<uint32_t>();
  if (frame.type != FrameType::kBatch && frame.type != FrameType::kSystem) {
    return make_error(Code::kCorrupt, "frame of unknown type {}",
                      static_cast<unsigned>(frame.type));
  }
  if (zero_1 != 0 || zero_2 != 0 || zero_3 != 0) {
    return make_error(Code::kCorrupt, "frame with reserved bytes set");
  }
  if (frame.type == FrameType::kBatch && (frame.records == 0 || frame.base_offset.value < 0)) {
    return make_error(Code::kCorrupt, "batch frame of {} records at offset {}", frame.records,
                      frame.base_offset);
  }
  return frame;
}

std::string file_name(FileNumber number) {
  return fmt::format("{:020}.log", number.value);
}

std::optional<FileNumber> number_of(const std::string& name) {
  if (name.size() != kDigits + 4 || !name.ends_with(".log")) {
    return std::nullopt;
  }
  uint64_t number = 0;
  const auto [end, failed] = std::from_chars(name.data(), name.data() + kDigits, number);
  if (failed != std::errc{} || end != name.data() + kDigits || number == 0) {
    return std::nullopt;
  }
  return FileNumber{number};
}

}  // namespace millrace::journal
