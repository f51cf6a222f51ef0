// What this broker speaks of Kafka's protocol: one table. Generated code is checked against it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace millrace::kafka {

/// Numbers of the Kafka protocol guide, "Api Keys".
enum class ApiKey : int16_t {
  kProduce = 0,
  kFetch = 1,
  kListOffsets = 2,
  kMetadata = 3,
  kFindCoordinator = 10,
  kApiVersions = 18,
  kCreateTopics = 19,
  kDeleteTopics = 20,
  kDeleteRecords = 21,
};

struct ApiRange {
  ApiKey key;
  int16_t min_version;
  int16_t max_version;
  int16_t first_flexible;  // compact lengths and tagged fields from here on (KIP-482)
  size_t max_frame_bytes;  // small for what carries no records: lists unfold in memory

  constexpr bool has(int16_t version) const {
    return version >= min_version && version <= max_version;
  }
};

inline constexpr size_t kMaxProduceFrame = size_t{100} << 20;
inline constexpr size_t kMaxOtherFrame = size_t{1} << 20;

/// Advertised by ApiVersions, in its order. Produce 0-2 are advertised and refused: librdkafka
/// sends uncompressed, without a word, unless Produce starts at 0.
inline constexpr std::array kApis{
    ApiRange{ApiKey::kProduce, 0, 11, 9, kMaxProduceFrame},
    ApiRange{ApiKey::kFetch, 4, 13, 12, kMaxOtherFrame},
    ApiRange{ApiKey::kListOffsets, 1, 7, 6, kMaxOtherFrame},
    ApiRange{ApiKey::kMetadata, 0, 12, 9, kMaxOtherFrame},
    ApiRange{ApiKey::kFindCoordinator, 0, 4, 3, kMaxOtherFrame},
    ApiRange{ApiKey::kApiVersions, 0, 3, 3, kMaxOtherFrame},
    ApiRange{ApiKey::kCreateTopics, 2, 7, 5, kMaxOtherFrame},
    ApiRange{ApiKey::kDeleteTopics, 1, 6, 4, kMaxOtherFrame},
    ApiRange{ApiKey::kDeleteRecords, 0, 2, 2, kMaxOtherFrame},
};

/// nullptr for an API that is not in the table.
constexpr const ApiRange* find_api(ApiKey key) {
  for (const ApiRange& api : kApis) {
    if (api.key == key) {
      return &api;
    }
  }
  return nullptr;
}

/// Of the request header: 2 for flexible versions, else 1. (0 is only ControlledShutdown's.)
constexpr int16_t request_header_version(const ApiRange& api, int16_t version) {
  return version >= api.first_flexible ? 2 : 1;
}

/// ApiVersions answers with header 0 in every version, so that any client can read it (KIP-511).
constexpr int16_t response_header_version(const ApiRange& api, int16_t version) {
  return version >= api.first_flexible && api.key != ApiKey::kApiVersions ? 1 : 0;
}

}  // namespace millrace::kafka
