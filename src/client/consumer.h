// Reads partitions from given places; no groups. One thread at a time.
#pragma once

#include "base/result.h"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::client {

/// Where to begin in every partition.
struct StartAt {
  enum class Kind : uint8_t { kEarliest, kLatest, kOffset, kTimestampMs };
  Kind kind = Kind::kEarliest;
  int64_t value = 0;  // offset or ms since 1970
};

/// Valid until the next poll.
struct ConsumedRecord {
  int32_t partition = 0;
  int64_t offset = 0;
  int64_t timestamp_ms = -1;  // -1: none
  std::optional<std::string_view> key;
  std::optional<std::string_view> value;
  std::vector<std::pair<std::string_view, std::optional<std::string_view>>> headers;
};

class Consumer {
 public:
  /// Assigns `partitions` of the topic. Errors: kInvalid, kTimeout (nobody answers), kNotFound (no
  /// such topic).
  static Result<std::unique_ptr<Consumer>> open(const std::string& servers,
                                                const std::string& topic,
                                                const std::vector<int32_t>& partitions,
                                                const StartAt& start,
                                                std::chrono::milliseconds timeout);
  ~Consumer();
  Consumer(const Consumer&) = delete;
  Consumer& operator=(const Consumer&) = delete;

  /// Calls `visit` with the next record; false when none came within `wait`, also while the server
  /// is away: it is connected to again once it is back. Errors: kNotFound (no such topic, an offset
  /// that is not in the log), kForbidden, kIo (the server refused or failed).
  Result<bool> poll(std::chrono::milliseconds wait,
                    const std::function<void(const ConsumedRecord&)>& visit);

  /// Every assigned partition has been read to its end as of the latest answer, or to damage.
  bool is_at_end() const;

  /// The error of the first partition that cannot be read on because of damage: it is left, and the
  /// others are read.
  const Status& damage() const;

 private:
  struct Impl;

  explicit Consumer(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::client
