// What a consumer can check of a partition, batch by batch as they come.
#pragma once

#include "base/ids.h"
#include "base/result.h"
#include "bytes/cursor.h"
#include "record/record_batch.h"
#include "record/record_reader.h"

#include <array>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace millrace::verify {

struct Fault {
  Offset offset;
  std::string what;
};

/// Offsets [first, next).
struct Range {
  Offset first;
  Offset next;

  int64_t count() const { return next - first; }

  bool operator==(const Range&) const = default;
};

struct PartitionSums {
  uint64_t batches = 0;  // fillers and control batches too
  uint64_t records = 0;
  uint64_t control = 0;  // batches: commit and abort markers
  uint64_t bytes = 0;    // of the batches as sent
  std::vector<Range> fillers;
  /// Chain of XXH3-128 over (offset, timestamp, key, value, headers) of each record in order,
  /// whatever batches and codecs they came in: 128 bits, so that two contents that differ do not
  /// share it by chance, and faster than they are decompressed. Not against forgery.
  std::array<uint8_t, 16> digest{};
};

/// Of offsets [start, end). One thread.
class PartitionCheck {
 public:
  static constexpr size_t kMostFaults = 1000;  // kept; all are counted

  PartitionCheck(Offset start, Offset end) : end_(end), next_(start) {}

  /// Where to go on reading.
  Offset next() const { return next_; }

  bool is_done() const { return next_ >= end_; }

  /// Whole batches as a server sent them for next(); the last may be cut short. Returns whether
  /// there was one. Errors: kCorrupt, kUnsupported, why no batch can be taken from next() on.
  Result<bool> take(std::span<const std::byte> batches);

  /// Nothing is looked for below `offset`.
  void pass_to(Offset offset) {
    next_ = offset;
    may_begin_before_ = true;
  }

  void fault(Offset offset, std::string what);

  const PartitionSums& sums() const { return sums_; }

  const std::vector<Fault>& faults() const { return faults_; }

  uint64_t fault_count() const { return fault_count_; }

 private:
  void take_batch(const record::BatchView& batch);
  bool check_place(const record::BatchHeader& header);
  void check_sequence(const record::BatchHeader& header);
  void check_records(const record::BatchView& batch);
  void add_filler(Range range);
  void add_to_digest(const record::Record& record);

  const Offset end_;
  Offset next_;
  bool may_begin_before_ = true;  // the batch that holds next_
  PartitionSums sums_;
  std::vector<Fault> faults_;
  uint64_t fault_count_ = 0;
  std::map<std::pair<int64_t, int16_t>, int32_t> sequences_;  // next, of (producer id, epoch)
  bytes::Writer encoded_;
};

}  // namespace millrace::verify
