// A disk that stops at a step of the server on it, by the step's name.
#pragma once

#include "base/mutex.h"
#include "base/result.h"
#include "io/simulated_disk.h"

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>

namespace millrace::fault {

/// What a file system is asked to change. Of a directory the path ends in "/".
struct PowerOperation {
  std::string_view verb;  // "create", "write", "sync", "sync_directory", "rename", "remove", ...
  std::string_view path;
  std::string_view to;  // of a rename
  io::ConstBytes data;  // of a write
};

/// Once stopped, nothing on the disk changes any more, and no operation is answered until
/// release(): whoever asked has no more than asked when it is killed meanwhile. Thread-safe.
///
///   append       a write that begins a run of the journal
///   write        any write to a journal file with a number
///   sync         the sync of one
///   cut          a write of a segment object under its temporary name, which is there then
///   cut_sync     the sync of it
///   put          its rename to its own name
///   put_sync     the sync of the directory which makes that durable
///   commit       a write to the WAL of the catalog
///   commit_sync  the sync of it
///   free         a journal file with a number is removed, or becomes a spare
///   free_sync    the sync of the directory which makes that durable
///   forget       a segment object is removed
///   forget_sync  the sync of the directory which makes that durable
class PowerSteps {
 public:
  /// `disk` outlives this.
  explicit PowerSteps(io::SimulatedDisk& disk) : disk_(disk) {}

  /// The disk stops at the `number`-th coming operation (from 1) of this step: before it is done,
  /// or done, before it is answered. Errors: kInvalid (no such step, or a 0).
  Status arm(const std::string& step, bool is_after, uint64_t number);
  /// Now.
  void stop();
  /// What waits is answered: with an error unless it was done.
  void release();
  /// The disk works again: neither armed nor stopped.
  void reset();

  /// false: it must not be done.
  bool begin(const PowerOperation& operation);
  /// After begin() said true.
  void end(const PowerOperation& operation);

 private:
  using Match = std::function<bool(const PowerSteps&, const PowerOperation&)>;

  static const std::map<std::string, Match>& steps();
  static Match sync_of(const std::string& change);

  bool is_due(const PowerOperation& operation, bool is_after) MILLRACE_REQUIRES(mutex_);
  void stop_locked() MILLRACE_REQUIRES(mutex_);
  void wait_locked() MILLRACE_REQUIRES(mutex_);

  io::SimulatedDisk& disk_;
  mutable Mutex mutex_;
  Condition released_;
  bool is_held_ MILLRACE_GUARDED_BY(mutex_) = false;
  Match match_ MILLRACE_GUARDED_BY(mutex_);  // empty: not armed
  bool is_after_ MILLRACE_GUARDED_BY(mutex_) = false;
  uint64_t left_ MILLRACE_GUARDED_BY(mutex_) = 0;
  // What names alone do not tell; looked at by a Match, with the mutex held.
  std::set<std::string, std::less<>> unnamed_objects_;  // segment objects under temporary names
  std::map<std::string, std::string, std::less<>> changed_;  // directory → its last step
};

}  // namespace millrace::fault
