// What to read before it is asked for: who reads on, how far ahead, how fast the other side is.
#pragma once

#include "base/mutex.h"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace millrace::objects {

/// What a store far away takes for its answers, as measured: a moving average of the last dozen or
/// so. Thread-safe.
class RemoteSpeed {
 public:
  /// An answer without content: the way there and back.
  void add_answer(std::chrono::nanoseconds took);
  /// A read of enough bytes to tell how fast they come.
  void add_read(uint64_t bytes, std::chrono::nanoseconds took);

  /// Bandwidth of one read x latency: bytes that must be on their way for a reader to have them at
  /// the pace of one read that never ends. 0: not known.
  uint64_t bytes_on_the_way() const;

 private:
  mutable Mutex mutex_;
  double latency_s_ MILLRACE_GUARDED_BY(mutex_) = 0;
  double bytes_per_second_ MILLRACE_GUARDED_BY(mutex_) = 0;
};

/// Tells from the reads of one object which of them go on where one before ended, and what is to be
/// ordered ahead of them: never less than max(2 blocks, bandwidth x latency) is kept ahead. To
/// order rarely, up to kMostKept times as much is ordered, and more once all but that least part,
/// 80 %, is consumed. The first order of a reader is the least, each later one twice the one
/// before: who soon stops has little read in vain. Follows kStreams readers at once, since those
/// of many partitions share an object. Not thread-safe.
class ReadAhead {
 public:
  static constexpr size_t kStreams = 8;
  static constexpr uint64_t kLeastBlocks = 2;
  static constexpr uint64_t kMostKept = 5;

  struct Order {
    uint64_t begin = 0;  // of a block
    uint64_t end = 0;    // of a block, or of the object; begin: nothing

    bool operator==(const Order&) const = default;
  };

  ReadAhead(uint64_t object_bytes, uint64_t block_bytes, uint64_t max_bytes)
      : object_bytes_(object_bytes), block_bytes_(block_bytes), max_bytes_(max_bytes) {}

  /// Of a read of `bytes` > 0 at `position`, within the object. `on_the_way`: RemoteSpeed's.
  Order add(uint64_t position, uint64_t bytes, uint64_t on_the_way);

 private:
  struct Stream {
    uint64_t begin = 0;  // of its last read
    uint64_t end = 0;    // 0: unused
    uint64_t ordered_to = 0;
    uint64_t order_bytes = 0;
    uint64_t used_at = 0;
  };

  uint64_t block_end(uint64_t position) const;

  const uint64_t object_bytes_;
  const uint64_t block_bytes_;
  const uint64_t max_bytes_;
  std::array<Stream, kStreams> streams_{};
  uint64_t reads_ = 0;
};

}  // namespace millrace::objects
