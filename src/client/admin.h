// Topics of a Kafka cluster: made, listed, described, deleted. Blocking; one thread at a time.
#pragma once

#include "base/result.h"

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace millrace::client {

struct PartitionInfo {
  int32_t id = 0;
  int64_t start_offset = 0;
  int64_t end_offset = 0;
};

struct TopicInfo {
  std::string name;
  std::vector<PartitionInfo> partitions;
};

/// Errors of all calls: kTimeout (nobody answers at the address), kNotFound (topic), kConflict
/// (topic exists), kForbidden (refused, with the server's reason), kIo.
class Admin {
 public:
  /// Returns once a server has answered; at once when none of them can be reached.
  static Result<std::unique_ptr<Admin>> connect(const std::string& servers,
                                                std::chrono::milliseconds timeout);
  ~Admin();
  Admin(const Admin&) = delete;
  Admin& operator=(const Admin&) = delete;

  /// `partitions` -1: the server's default.
  Status create_topic(const std::string& name, int partitions,
                      const std::map<std::string, std::string>& configs);
  Status delete_topic(const std::string& name);
  /// Those below `before`; nullopt: all that are readable now. Returns where the partition starts
  /// afterwards. Errors also: kNotFound (partition; it ends below `before`).
  Result<int64_t> delete_records(const std::string& name, int32_t partition,
                                 std::optional<int64_t> before);
  /// By name, without offsets.
  Result<std::vector<TopicInfo>> list_topics();
  /// With offsets.
  Result<TopicInfo> describe_topic(const std::string& name);

 private:
  struct Impl;

  explicit Admin(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::client
