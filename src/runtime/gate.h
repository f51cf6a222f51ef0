// Nothing is detached: a gate knows every coroutine that runs on its own, and can wait for them.
#pragma once

#include "runtime/deadline.h"
#include "runtime/task.h"

#include <cstddef>
#include <memory>

namespace millrace::runtime {

class Shard;

/// Any thread, but close() needs a shard. stop() of a service = cancel, then `co_await
/// gate.close()`. Must be empty when destroyed (checked).
class Gate {
 public:
  Gate();
  ~Gate();
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;

  /// Starts `task` on `shard`; what it refers to must live until close() returned. `name` is a
  /// string literal. An exception out of the task ends the process with that name in the message.
  /// Returns: false after close(); the task is destroyed without having run.
  [[nodiscard]] bool spawn(Shard& shard, const char* name, Task<void> task);

  /// Refuses new tasks and waits until all have ended. Not from a task of this gate.
  Task<void> close();
  /// The same; false when some still run at `deadline`. May be called again.
  Task<bool> close(Deadline deadline);

  /// Tasks that have not ended.
  size_t count() const;

 private:
  struct State;

  std::shared_ptr<State> state_;  // shared with the tasks' endings, so that the last may outlive us
};

}  // namespace millrace::runtime
