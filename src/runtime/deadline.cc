#include "runtime/deadline.h"

#include "runtime/coroutine.h"
#include "runtime/signal.h"

namespace millrace::runtime {

Task<bool> sleep_until(Deadline deadline, CancelToken cancel) {
  Signal cancelled;
  const CancelCallback wake(cancel, [&cancelled] { cancelled.set(); });
  co_return !co_await cancelled.wait(deadline);
}

}  // namespace millrace::runtime
