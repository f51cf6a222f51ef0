// Sends records. Blocking where its queue is full; one thread at a time.
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

struct ProducerOptions {
  std::string servers;
  std::string topic;
  std::string compression = "none";  // gzip, snappy, lz4, zstd
  int acks = -1;                     // -1: all
  std::chrono::milliseconds linger{5};
  std::chrono::milliseconds delivery_timeout{30'000};
  size_t batch_bytes = 1'000'000;
  bool has_retries = true;      // false: each record is sent once, for who counts them
  bool keep_latencies = false;  // for take_latencies_us()
  /// Called about ten times a second while send() or flush() wait; false: they are to give up.
  std::function<bool()> keep_waiting;
};

struct ProducedRecord {
  std::optional<int32_t> partition;  // none: by key, or anywhere
  std::optional<std::string_view> key;
  std::optional<std::string_view> value;
  std::vector<std::pair<std::string, std::string>> headers;
};

class Producer {
 public:
  /// Errors: kInvalid (an option the library does not take).
  static Result<std::unique_ptr<Producer>> open(const ProducerOptions& options);
  ~Producer();
  Producer(const Producer&) = delete;
  Producer& operator=(const Producer&) = delete;

  /// Waits until the topic's partitions are known, so that the first record does not. Errors:
  /// kTimeout (nobody answers), kNotFound (no such topic), kIo.
  Status prepare(std::chrono::milliseconds timeout);
  /// Copies the record into the queue; waits while that is full. Errors: those of flush() for an
  /// earlier record, kForbidden (refused, too large), kCancelled (keep_waiting said so).
  Status send(const ProducedRecord& record);
  /// Takes answers for up to `wait`, or until some came: between sends that are apart.
  void serve(std::chrono::nanoseconds wait);
  /// Waits until every record was answered. Errors: of the first delivery that failed, kTimeout
  /// (nobody answers), kOverloaded (the server answers, but acknowledged nothing in time),
  /// kNotFound (no such partition), kForbidden (the server refused it, and why), kIo, kCancelled.
  Status flush(std::chrono::milliseconds timeout);
  /// Waits for answers for at most `wait` and gives up what has none then: those records count as
  /// failed(), and may have become durable all the same.
  void abandon(std::chrono::milliseconds wait);

  /// Microseconds from send() to the answer of each record delivered since the last call.
  std::vector<int64_t> take_latencies_us();

  uint64_t delivered() const;
  uint64_t failed() const;

 private:
  struct Impl;

  explicit Producer(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::client
