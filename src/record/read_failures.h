// Reads of records that met damage or a failing disk: counted, and named in the log.
#pragma once

#include "base/ids.h"
#include "base/mutex.h"
#include "base/result.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>

namespace millrace::record {

/// Thread-safe.
class ReadFailures {
 public:
  /// Places that are told apart; what is met beyond them is counted only.
  static constexpr size_t kPlaces = 256;

  /// `module`: who logs.
  explicit ReadFailures(std::string module) : module_(std::move(module)) {}

  /// A read of `partition` from `from` on failed. Counts kCorrupt and kIo, and logs an error once
  /// for each message, which names file and position: a reader that tries again is not heard
  /// again. Others are no failures.
  void note(const Error& error, TopicPartition partition, Offset from);

  uint64_t count() const { return count_.load(); }

 private:
  const std::string module_;
  std::atomic<uint64_t> count_{0};
  Mutex mutex_;
  std::set<std::string> told_ MILLRACE_GUARDED_BY(mutex_);
};

}  // namespace millrace::record
