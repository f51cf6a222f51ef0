#include "io/simulated_queue.h"

#include "base/check.h"

namespace millrace::io {

SimulatedQueue::~SimulatedQueue() {
  while (!is_empty()) {
    static_cast<void>(wait());
  }
}

bool SimulatedQueue::is_empty() {
  MutexLock lock(mutex_);
  return under_way_.empty();
}

Status SimulatedQueue::submit(uint64_t position, ConstBytes bytes, uint64_t id) {
  MutexLock lock(mutex_);
  MILLRACE_CHECK(under_way_.size() < depth_, "more writes than the depth");
  under_way_.push_back({position, bytes, id});
  return {};
}

WriteQueue::Done SimulatedQueue::wait() {
  Write write;
  {
    MutexLock lock(mutex_);
    MILLRACE_CHECK(!under_way_.empty(), "nothing to wait for");
    const auto chosen =
        under_way_.begin() + static_cast<std::ptrdiff_t>(random_() % under_way_.size());
    write = *chosen;
    under_way_.erase(chosen);
  }
  return {write.id, file_.write_some(write.position, std::span(&write.bytes, 1))};
}

}  // namespace millrace::io
