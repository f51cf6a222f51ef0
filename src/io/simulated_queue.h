// A WriteQueue whose writes end in any order.
#pragma once

#include "base/mutex.h"
#include "io/write_queue.h"

#include <random>
#include <vector>

namespace millrace::io {

/// Writes by `file`, in wait() and in any order. `file` outlives the queue.
class SimulatedQueue final : public WriteQueue {
 public:
  SimulatedQueue(File& file, unsigned depth, uint64_t seed)
      : file_(file), depth_(depth), random_(seed) {}

  ~SimulatedQueue() override;

  Status submit(uint64_t position, ConstBytes bytes, uint64_t id) override;
  Done wait() override;

 private:
  struct Write {
    uint64_t position = 0;
    ConstBytes bytes;
    uint64_t id = 0;
  };

  bool is_empty();

  File& file_;
  const unsigned depth_;
  Mutex mutex_;
  std::mt19937_64 random_ MILLRACE_GUARDED_BY(mutex_);
  std::vector<Write> under_way_ MILLRACE_GUARDED_BY(mutex_);
};

}  // namespace millrace::io
