// Ctrl-C (SIGINT) as a request to end in good order, for verbs that have something to say then.
#pragma once

#include <atomic>

namespace millrace::cli {

/// While it lives, the first SIGINT sets stop(); a second one ends the process as if this were not
/// here. One at a time.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  /// Any thread.
  const std::atomic<bool>& stop() const;

  bool came() const { return stop(); }

  /// Readable once it came: for poll(2) beside other descriptors.
  int descriptor() const;
};

}  // namespace millrace::cli
