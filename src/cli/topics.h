// What the server says of a topic besides its partitions.
#pragma once

#include "base/result.h"
#include "client/admin.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace millrace::cli {

/// "there is no topic oders; did you mean orders? See: millrace topic list" (kNotFound).
Error unknown_topic(const std::string& name, const std::vector<client::TopicInfo>& topics);

/// Those of a topic, or `partition` alone where that is 0 or more. Errors: as client::Admin,
/// kNotFound (no such topic or partition).
Result<std::vector<int32_t>> partitions_of(const std::string& servers, const std::string& topic,
                                           int partition, std::chrono::milliseconds timeout);
/// The same, where the topics are known.
Result<std::vector<int32_t>> partitions_in(const std::vector<client::TopicInfo>& topics,
                                           const std::string& topic, int partition);

/// The table whose rows stand in a topic.
struct TopicTable {
  std::string name;  // "telemetry.cpu"
  uint64_t rows = 0;
};

/// From the answer of GET /api/v1/tables; nullopt when no table has this topic.
std::optional<TopicTable> table_in(const std::string& answer, const std::string& topic);
/// The same of the server whose HTTP is at `http`; nullopt when nobody answers there soon.
std::optional<TopicTable> table_of_topic(const std::string& http, const std::string& topic);

/// How much of the journal cannot be freed while its oldest file has records that this topic keeps.
struct Pinned {
  uint64_t own = 0;  // its own bytes in that file
  uint64_t all = 0;  // from that file on: what came later is kept with it
};

/// nullopt when it keeps none there, or when nobody answers at `http` soon.
std::optional<Pinned> pinned_bytes(const std::string& http, const std::string& topic);

}  // namespace millrace::cli
