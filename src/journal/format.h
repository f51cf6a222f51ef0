// Bytes of the journal. Format: docs/formats/journal.md.
#pragma once

#include "base/ids.h"
#include "base/result.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace millrace::journal {

constexpr uint16_t kFormatVersion = 1;
constexpr uint64_t kBlock = 4096;  // runs start at multiples of it
constexpr size_t kRunHeaderBytes = 88;
constexpr size_t kFrameHeaderBytes = 56;

constexpr uint64_t padded(uint64_t length) {
  return (length + kBlock - 1) / kBlock * kBlock;
}

enum RunFlags : uint32_t {
  kCheckpointPart = 1,
  kCheckpointEnd = 2,
};

struct RunHeader {
  DirectoryId directory;
  FileNumber file;
  uint64_t position = 0;
  RunNumber run;
  RunNumber durable_upto;  // 0: none
  uint32_t length = 0;     // header, frame headers, payloads
  uint32_t frames = 0;
  uint32_t frames_crc = 0;
  uint32_t previous_crc = 0;
  uint32_t flags = 0;
  uint32_t crc = 0;  // set by encode and parse

  uint64_t table_bytes() const { return uint64_t{frames} * kFrameHeaderBytes; }

  uint64_t end() const { return position + padded(length); }

  /// Sets `crc`.
  std::array<std::byte, kRunHeaderBytes> encode();
  /// nullopt unless it is a whole, consistent header of version 1. `block`: at least 88 bytes.
  static std::optional<RunHeader> parse(std::span<const std::byte> block);
};

/// `expected` with the length that stands there, when the header that should be there is damaged:
/// its beginning, directory, file, position, run and previous CRC are, but for one at most, those
/// of `expected`, and it is not whole. nullopt: zeros, another life of the file, anything else.
/// `block`: at least 88 bytes.
std::optional<RunHeader> damaged_header_in(std::span<const std::byte> block,
                                           const RunHeader& expected);

/// The version of a whole run header that is newer than ours, whatever else it holds.
std::optional<uint16_t> newer_version_in(std::span<const std::byte> block);

enum class FrameType : uint8_t { kBatch = 1, kSystem = 2 };

struct FrameHeader {
  uint32_t payload_bytes = 0;
  FrameType type{};
  TopicPartition partition;
  uint32_t records = 0;
  Offset base_offset;
  int64_t max_timestamp_ms = 0;
  uint32_t payload_crc = 0;

  void encode(std::span<std::byte, kFrameHeaderBytes> out) const;
  /// kCorrupt: unknown type, reserved bytes set. `in`: exactly 56 bytes.
  static Result<FrameHeader> parse(std::span<const std::byte> in);
};

/// "00000000000000000017.log"
std::string file_name(FileNumber number);
/// nullopt for any other name.
std::optional<FileNumber> number_of(const std::string& name);

}  // namespace millrace::journal
