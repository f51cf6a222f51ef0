// Strong types for ids and positions: an Offset is never mistaken for a PartitionId.
#pragma once

#include <fmt/format.h>

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace millrace {

template <typename Tag, typename Rep>
struct Strong {
  Rep value{};

  constexpr Strong() = default;

  constexpr explicit Strong(Rep v) : value(v) {}

  constexpr auto operator<=>(const Strong&) const = default;
};

/// Place of a record in its partition: dense from 0, never reused.
using Offset = Strong<struct OffsetTag, int64_t>;
/// Index of a partition in its topic, from 0.
using PartitionId = Strong<struct PartitionTag, int32_t>;
/// Number of a journal file: new for each life of a recycled file, from 1.
using FileNumber = Strong<struct FileNumberTag, uint64_t>;
/// Number of a journal run: dense over all files, from 1.
using RunNumber = Strong<struct RunNumberTag, uint64_t>;

constexpr Offset operator+(Offset offset, int64_t records) {
  return Offset{offset.value + records};
}

constexpr int64_t operator-(Offset a, Offset b) {
  return a.value - b.value;
}

constexpr RunNumber next(RunNumber run) {
  return RunNumber{run.value + 1};
}

constexpr FileNumber next(FileNumber file) {
  return FileNumber{file.value + 1};
}

/// 16 bytes, RFC 9562; all zero means "none".
struct Uuid {
  std::array<uint8_t, 16> bytes{};

  /// A random (version 4) one from the operating system's generator.
  static Uuid random();
  /// "6f1c8f0e-…": 36 characters, or 32 without dashes; nullopt for anything else.
  static std::optional<Uuid> parse(std::string_view text);

  bool is_none() const { return bytes == std::array<uint8_t, 16>{}; }

  std::string to_string() const;  // 36 characters, lower case
  auto operator<=>(const Uuid&) const = default;
};

/// A topic's identity; a topic deleted and made again under its name has another.
struct TopicId : Uuid {
  TopicId() = default;

  explicit TopicId(const Uuid& uuid) : Uuid(uuid) {}

  auto operator<=>(const TopicId&) const = default;
};

/// A data directory's identity; every journal run carries it. Kafka's cluster id.
struct DirectoryId : Uuid {
  DirectoryId() = default;

  explicit DirectoryId(const Uuid& uuid) : Uuid(uuid) {}

  auto operator<=>(const DirectoryId&) const = default;
};

/// A run of the journal whose sync has returned: what somebody else's file rests on.
struct JournalPlace {
  FileNumber file;
  uint64_t position = 0;  // of the run's header in the file
  RunNumber run;          // 0: none
  uint32_t header_crc = 0;

  bool operator==(const JournalPlace&) const = default;
};

struct TopicPartition {
  TopicId topic;
  PartitionId partition;
  auto operator<=>(const TopicPartition&) const = default;
};

size_t hash_of(const Uuid& uuid);

}  // namespace millrace

template <typename Tag, typename Rep>
struct std::hash<millrace::Strong<Tag, Rep>> {
  size_t operator()(const millrace::Strong<Tag, Rep>& id) const {
    return std::hash<Rep>{}(id.value);
  }
};

template <>
struct std::hash<millrace::TopicId> {
  size_t operator()(const millrace::TopicId& id) const { return millrace::hash_of(id); }
};

template <>
struct std::hash<millrace::TopicPartition> {
  size_t operator()(const millrace::TopicPartition& id) const {
    return millrace::hash_of(id.topic) ^
           (static_cast<size_t>(id.partition.value) * 0x9E3779B97F4A7C15u);
  }
};

template <typename Tag, typename Rep>
struct fmt::formatter<millrace::Strong<Tag, Rep>> : fmt::formatter<Rep> {
  template <typename Context>
  auto format(const millrace::Strong<Tag, Rep>& id, Context& context) const {
    return fmt::formatter<Rep>::format(id.value, context);
  }
};
