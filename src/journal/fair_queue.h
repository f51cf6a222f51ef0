// Commits that wait for a run: in order within each partition, in turns between partitions.
#pragma once

#include "base/ids.h"
#include "journal/writer.h"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <unordered_map>
#include <vector>

namespace millrace::journal {

/// A partition whose commits wait takes one turn after the other with all others that do, so that a
/// flood at one does not keep the others waiting (deficit round robin, M. Shreedhar and G.
/// Varghese, 1995, with the debt of one commit). Of two commits that share a partition the one
/// that was put first is taken first. Not thread-safe.
class FairQueue {
 public:
  /// Of a partition's turn: it ends with the commit that reaches so many bytes.
  static constexpr uint64_t kTurnBytes = uint64_t{256} << 10;

  /// What is put; the caller keeps it until it was taken.
  struct Item {
    explicit Item(Pending commit);

    Pending pending;

   private:
    friend class FairQueue;
    uint64_t bytes_ = 0;                      // in a run
    std::vector<TopicPartition> partitions_;  // each once; a zero one: system frames alone
    size_t behind_ = 0;                       // in how many of these others are before it
  };

  void put(Item& item);

  bool empty() const { return items_ == 0; }

  /// Bytes that all that waits takes in runs.
  uint64_t bytes() const { return bytes_; }

  /// The next commits, in order, at least one if there is one, of `max_bytes` in all.
  std::vector<Item*> take(uint64_t max_bytes);

 private:
  struct Line {
    std::deque<Item*> items;
    uint64_t turn_bytes = 0;  // taken in its turn that is not over
  };

  void leave(Item& item);

  std::unordered_map<TopicPartition, Line> lines_;  // of partitions with commits that wait
  std::deque<Item*> ready_;                         // first in all their lines, by turns
  size_t items_ = 0;
  uint64_t bytes_ = 0;
};

}  // namespace millrace::journal
