// Reads a topic of a running server as a consumer, and checks what can be checked from there.
#pragma once

#include "base/result.h"
#include "net/address.h"
#include "verify/partition_check.h"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace millrace::verify {

struct VerifyOptions {
  net::Address server;
  std::string topic;
  std::vector<int32_t> partitions;
  std::chrono::milliseconds timeout{10'000};  // of an answer, and of records that do not come
  std::function<void(uint64_t done, uint64_t total)> progress;  // offsets
  const std::atomic<bool>* stop = nullptr;
};

struct PartitionReport {
  int32_t partition = 0;
  Offset start;  // when the run began
  Offset end;
  std::vector<Range> expired;  // retention took them during the run
  PartitionSums sums;
  std::vector<Fault> faults;  // PartitionCheck::kMostFaults at most
  uint64_t fault_count = 0;
};

struct TopicReport {
  std::string topic;
  std::vector<PartitionReport> partitions;

  uint64_t fault_count() const;
};

/// Reads each partition from its start to its end as they are at the call. Blocks; one thread.
/// Errors: kTimeout (nobody answers), kIo (the connection ended), kNotFound (no such topic, or no
/// longer), kForbidden (the server refuses, and says why by a number), kCorrupt (no Kafka
/// protocol), kCancelled.
Result<TopicReport> verify_topic(const VerifyOptions& options);

}  // namespace millrace::verify
