// The bytes of a segment object. Format: docs/formats/segment.md, which says every rule checked
// here.
#pragma once

#include "base/ids.h"
#include "base/result.h"
#include "bytes/buffer.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace millrace::segment {

inline constexpr uint16_t kFormatVersion = 1;
inline constexpr const char* kFolder = "segments";  // in the object store
inline constexpr const char* kMixedFolder = "segments/mixed/";
inline constexpr size_t kHeaderBytes = 64;
inline constexpr size_t kFooterBytes = 64;
inline constexpr size_t kPartitionRowBytes = 104;
inline constexpr size_t kMaxIndexBytes = size_t{64} << 20;
inline constexpr size_t kMaxTailBytes = size_t{64} << 20;

/// New for each object; part of its name.
struct ObjectId : Uuid {
  ObjectId() = default;

  explicit ObjectId(const Uuid& uuid) : Uuid(uuid) {}

  auto operator<=>(const ObjectId&) const = default;
};

/// The parse functions below: kCorrupt, naming what is wrong; kUnsupported, a newer version.

struct Header {
  DirectoryId directory;
  ObjectId object;
  int64_t created_ms = 0;  // since 1970 UTC

  std::array<std::byte, kHeaderBytes> encode() const;
  static Result<Header> parse(std::span<const std::byte, kHeaderBytes> bytes);
  bool operator==(const Header&) const = default;
};

struct Footer {
  uint64_t object_bytes = 0;
  uint64_t topics_position = 0;  // the tail begins here
  uint32_t topics_bytes = 0;
  uint32_t partitions = 0;
  uint32_t tail_crc = 0;
  uint32_t header_crc = 0;
  ObjectId object;

  uint64_t tail_bytes() const {
    return topics_bytes + static_cast<uint64_t>(partitions) * kPartitionRowBytes;
  }

  std::array<std::byte, kFooterBytes> encode() const;
  /// Also checks that the tail ends where the footer of an object of `object_bytes` begins.
  static Result<Footer> parse(std::span<const std::byte, kFooterBytes> bytes,
                              uint64_t object_bytes);
  bool operator==(const Footer&) const = default;
};

/// A topic as it was when the object was made: values of system frames, for their owners.
struct TopicEntry {
  TopicId id;
  std::string topic;
  std::string schema;  // empty: none

  bool operator==(const TopicEntry&) const = default;
};

struct PartitionRow {
  TopicPartition partition;
  uint32_t batches = 0;
  Offset first;
  Offset next;
  Offset stable;
  int64_t max_timestamp_ms = -1;
  uint64_t data_position = 0;
  uint64_t data_bytes = 0;
  uint64_t index_position = 0;
  uint32_t index_bytes = 0;           // as stored
  uint32_t index_bytes_unpacked = 0;  // more: compressed
  uint32_t index_crc = 0;

  bool operator==(const PartitionRow&) const = default;
};

/// Topics and partitions.
struct Tail {
  std::vector<TopicEntry> topics;        // by id
  std::vector<PartitionRow> partitions;  // by (topic id, partition)

  /// {topics, partitions}: stand one behind the other.
  bytes::Buffer encode_topics() const;
  bytes::Buffer encode_partitions() const;
  static Result<Tail> parse(const Footer& footer, std::span<const std::byte> bytes);

  const TopicEntry* topic(const TopicId& id) const;               // null: it has none of it
  const PartitionRow* partition(TopicPartition partition) const;  // null: it has none of it
};

/// The name of an object of one partition, whose first batch is at `first`.
std::string segment_name(const ObjectId& object, TopicPartition partition, Offset first);
/// The name of an object of several.
std::string mixed_name(const ObjectId& object);

}  // namespace millrace::segment
