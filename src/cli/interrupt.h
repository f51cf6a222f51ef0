// Reasons to end in good order: Ctrl-C (SIGINT), for verbs that have something to say then, and a
// closed pipe.
#pragma once

#include <atomic>
#include <initializer_list>
#include <vector>

namespace millrace::cli {

/// While it lives, the first SIGINT, or other of its signals, sets stop(); a second one ends the
/// process as if this were not here. One at a time.
class Interrupt {
 public:
  /// `more`: signals beside SIGINT, for verbs that have something to remove.
  Interrupt(std::initializer_list<int> more = {});
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  /// Any thread.
  const std::atomic<bool>& stop() const;

  bool came() const { return stop(); }

  /// Readable once it came: for poll(2) beside other descriptors.
  int descriptor() const;

 private:
  std::vector<int> signals_;
};

/// Whoever reads our standard output has closed it (`| head`): nothing more is worth printing.
bool is_reader_gone();

}  // namespace millrace::cli
